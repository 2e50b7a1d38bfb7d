"""From a command line to a running service."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.cli.terminal import Terminal
from fieldmark.errors import ConfigError

if TYPE_CHECKING:
    from fieldmark.serve.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """What the command line says beside the service's settings; its fields are the options of ``serve``."""

    runs: tuple[str, ...]
    host: str
    port: int
    keys: Path | None
    feedback: Path | None
    keep_feedback: bool
    keep_pictures: bool
    engine: str
    device: str
    cache: Path


def serve_runs(terminal: Terminal, request: ServeRequest, settings: "ServiceSettings", *, quiet: bool) -> None:
    """Load the bundles and serve them until the process is told to stop.

    Args:
        terminal: where to tell of it.
        request: what to serve, and where.
        settings: what is allowed.
        quiet: log warnings and errors only.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        ConfigError: a bad name, key file, device or address.
    """
    _need_extra()

    from fieldmark.serve import create_app
    from fieldmark.serve.feedback import FEEDBACK_FOLDER, FeedbackStore
    from fieldmark.serve.keys import load_keys
    from fieldmark.serve.logs import log_to
    from fieldmark.serve.server import keep_collections_short, run_server

    runs = named_runs(request.runs)
    keys = None if request.keys is None else load_keys(request.keys)
    terminal.note(f"Loading {', '.join(runs)} ...")
    log_to(sys.stderr, quiet=quiet)
    folder = request.feedback or next(iter(runs.values())) / FEEDBACK_FOLDER
    store = FeedbackStore(folder, keep_pictures=request.keep_pictures) if request.keep_feedback else None
    keep_collections_short()
    app = create_app(
        runs,
        settings=settings,
        keys=keys,
        feedback=store,
        cache=request.cache,
        engine=request.engine,
        device=request.device,
    )

    def started(port: int) -> None:
        terminal.result(f"http://{_address(request.host)}:{port}/")
        sys.stdout.flush()  # whoever started it may wait for this line
        terminal.note("Stop with Ctrl-C; what was accepted is finished.")
        if keys is None and request.host not in _OWN:
            terminal.warn("Anyone who can reach this machine may ask; --keys FILE asks for a key.")

    run_server(app, settings, host=request.host, port=request.port, on_start=started)


#: Addresses that no other machine reaches.
_OWN = ("127.0.0.1", "::1", "localhost")


def named_runs(given: tuple[str, ...]) -> dict[str, Path]:
    """Return the runs by name, given FOLDER or NAME=FOLDER.

    Raises:
        ConfigError: two have one name.
    """
    from fieldmark.models.bundle import find_bundle
    from fieldmark.serve.application import model_name

    found: dict[str, Path] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        path = Path(folder) if equals and not Path(text).exists() else Path(text)
        called = name if equals and not Path(text).exists() else model_name(path)
        find_bundle(path)  # a wrong path is told before anything is loaded or made
        if called in found:
            raise ConfigError(f"Two runs are called {called}.", f"Give one another name: {called}-2={path}.")
        found[called] = path
    return found


def _address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _need_extra() -> None:
    import importlib.util

    missing = [name for name in ("fastapi", "uvicorn", "prometheus_client") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"Serving needs {', '.join(missing)}.", "Install them: pip install 'fieldmark[serve]'.")
