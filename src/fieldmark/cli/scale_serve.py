"""`fieldmark scale serve`."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fieldmark.cli.scale_predict import Cluster
from fieldmark.cli.terminal import CacheFolder, Quiet, cache_folder, open_terminal
from fieldmark.errors import ConfigError


def scale_serve(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="Runs or bundles, as FOLDER or NAME=FOLDER; the first is default.")],
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Processes that answer, one core each.", show_default="one a core")
    ] = None,
    cluster: Cluster = None,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 8000,
    keys: Annotated[
        Path | None,
        typer.Option(help="File of keys (see serve-key); without one, everyone is let in.", show_default="none"),
    ] = None,
    rate: Annotated[int, typer.Option(min=0, help="Requests a minute of one caller and replica; 0: no limit.")] = 0,
    device: Annotated[str, typer.Option(help="Where the network runs: cpu, cuda ...")] = "cpu",
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Serve recognisers from several processes behind one address.

    The page and the API are those of `fieldmark serve`, but that corrections are not taken. A process that dies is
    replaced; a bundle that changes on the disk is loaded anew. On a cluster, the runs must be the same folders on every
    machine. Needs the extras `ray` and `serve`.

    Examples:
      fieldmark scale serve runs/first
      fieldmark scale serve runs/first --replicas 4 --port 9000
      fieldmark scale serve /data/runs/first --cluster auto --replicas 16 --host 0.0.0.0 --keys keys.txt
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.evaluation_output import counted
    from fieldmark.cli.serving import named_runs
    from fieldmark.scale import served, wait_for_stop

    try:
        from fieldmark.serve import ServiceSettings
        from fieldmark.serve.keys import load_keys
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"Serving needs the library {error.name}.", "Install it: pip install 'fieldmark[ray,serve]'."
        ) from error

    build = partial(
        build_replica,
        {name: path.resolve() for name, path in named_runs(tuple(runs)).items()},
        settings=ServiceSettings(rate_per_minute=rate),
        keys=None if keys is None else load_keys(keys),
        cache=cache_folder(cache).resolve(),
        device=device,
    )
    terminal.note("Starting ...")
    stdout = sys.stdout
    # Ray tells on stdout of processes that died.
    with redirect_stdout(sys.stderr), served(build, replicas=replicas, host=host, port=port, address=cluster) as count:
        with redirect_stdout(stdout):
            terminal.result(f"http://{host}:{port}/")
            stdout.flush()  # whoever started it may wait for this line
        terminal.note(f"{counted(count, 'replica')} answer; stop with Ctrl-C.")
        wait_for_stop()


def build_replica(runs: Mapping[str, Path], **options: Any) -> object:
    """Build the application as a replica's process serves it; the arguments are those of ``create_app``."""
    from fieldmark.serve import create_app
    from fieldmark.serve.server import keep_collections_short

    keep_collections_short()
    return create_app(runs, **options)
