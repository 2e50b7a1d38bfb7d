"""`fieldmark serve`."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import CacheFolder, Quiet, cache_folder, open_terminal

KeyFile = Annotated[
    Path | None,
    typer.Option(help="File of keys (see serve-key); without one, everyone is let in.", show_default="none"),
]
FeedbackFolder = Annotated[
    Path | None, typer.Option(help="Folder of corrections.", show_default="feedback in the first run")
]
KeepPictures = Annotated[bool, typer.Option("--keep-pictures", help="Keep the pictures of corrections, to train on.")]


def serve(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="Runs or bundles, as FOLDER or NAME=FOLDER; the first is default.")],
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one.")] = 8000,
    max_batch: Annotated[int, typer.Option(min=1, help="Pictures that go through the network at once.")] = 16,
    max_wait: Annotated[float, typer.Option(min=0, help="Milliseconds that a picture waits for others.")] = 4.0,
    queue: Annotated[int, typer.Option(min=1, help="Pictures in work or waiting; more are refused with 503.")] = 64,
    max_mb: Annotated[int, typer.Option(min=1, help="Megabytes of one request.")] = 32,
    max_pixels: Annotated[int, typer.Option(min=1, help="Pixels of one picture.")] = 50_000_000,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds within which a request is answered.")] = 30.0,
    rate: Annotated[int, typer.Option(min=0, help="Requests a minute of one caller; 0 sets no limit.")] = 0,
    keys: KeyFile = None,
    feedback: FeedbackFolder = None,
    keep_feedback: Annotated[bool, typer.Option("--keep-feedback/--no-feedback", help="Take corrections.")] = True,
    keep_pictures: KeepPictures = False,
    watch: Annotated[float, typer.Option(min=0, help="Seconds between looks for a new bundle; 0 never looks.")] = 2.0,
    engine: Annotated[
        str, typer.Option(help="What runs the network: torch, or what the run was exported for.")
    ] = "torch",
    device: Annotated[str, typer.Option(help="Where the network runs: cpu, cuda ...")] = "cpu",
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Serve recognisers: a page for people, an API for programs.

    The page names pictures, shows which parts decided and why it is one class and not another, and takes corrections.
    The API is described at /docs. The log goes to stderr, a JSON object a line. SIGTERM finishes what was accepted;
    SIGHUP, or a bundle that changes on the disk, loads it anew without dropping a request.

    Examples:
      fieldmark serve runs/first
      fieldmark serve birds=runs/first moths=runs/second --port 9000
      fieldmark serve runs/first --host 0.0.0.0 --keys keys.txt --rate 120
      fieldmark serve runs/first --feedback corrections/ --keep-pictures
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.serving import ServeRequest, serve_runs
    from fieldmark.serve.settings import ServiceSettings

    settings = ServiceSettings(
        max_batch=max_batch,
        max_wait_ms=max_wait,
        queue=queue,
        max_request_bytes=max_mb * 1_000_000,
        max_pixels=max_pixels,
        timeout_s=timeout,
        rate_per_minute=rate,
        watch_s=watch,
    )
    request = ServeRequest(
        runs=tuple(runs),
        host=host,
        port=port,
        keys=keys,
        feedback=feedback,
        keep_feedback=keep_feedback,
        keep_pictures=keep_pictures,
        engine=engine,
        device=device,
        cache=cache_folder(cache),
    )
    serve_runs(terminal, request, settings, quiet=quiet)
