"""Runs an application until it is told to stop; finishes what it accepted."""

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from fieldmark.errors import ConfigError
from fieldmark.serve.settings import ServiceSettings

#: Bytes of a request's headers.
_MOST_HEADER_BYTES = 32 * 1024

#: Seconds that a connection without a request stays open.
_IDLE_S = 15


class _Server(uvicorn.Server):
    """Stops at SIGTERM or SIGINT once accepted requests are answered; reloads bundles at SIGHUP."""

    def __init__(self, config: uvicorn.Config, reload: Callable[[], object], on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._reload = reload
        self._on_start = on_start

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear signals while it runs; a stop that was asked for is no failure, so none is raised again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGTERM: self.handle_exit,
            signal.SIGINT: self.handle_exit,
        }
        if hasattr(signal, "SIGHUP"):
            handlers[signal.SIGHUP] = self._reload_soon
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: object = None) -> None:
        """Open the port, then say so."""
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            self._on_start()

    def _reload_soon(self, _number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=self._reload, name="fieldmark-reload", daemon=True).start()


def keep_collections_short() -> None:
    """Let the garbage collector pass over all that the process holds so far.

    Call it before bundles are loaded. PyTorch and what comes with it are half a million objects that live as long as
    the process; looking through them stops every thread for about 0.2 s, every few seconds under load. Bundles loaded
    afterwards are still collected, so one that was exchanged gives its memory back.
    """
    gc.collect()
    gc.freeze()


def run_server(
    app: FastAPI,
    settings: ServiceSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    on_start: Callable[[int], None] = lambda _port: None,
) -> None:
    """Serve an application until SIGTERM or SIGINT.

    Args:
        app: what ``create_app`` returned.
        settings: the same as the application's.
        host: the address to listen at.
        port: the port; 0 takes any that is free.
        on_start: told the port once requests are taken.

    Raises:
        ConfigError: the address can't be listened at.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http="h11",  # it bounds the headers
        h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=round(settings.shutdown_s),
    )
    try:
        bound = config.bind_socket()
    except (SystemExit, OSError) as error:
        raise ConfigError(
            f"{host}:{port} can't be listened at.", "Name another --port, or stop what uses it."
        ) from error
    with bound:
        taken = int(bound.getsockname()[1])
        _Server(config, app.state.service.reload, lambda: on_start(taken)).run(sockets=[bound])
