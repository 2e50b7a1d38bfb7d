"""Serve an application in several processes behind one address, by Ray Serve.

Which application is the caller's affair: it hands over what builds one, and nothing here knows what it answers. So this
folder and ``serve``, its sibling, need not know each other.
"""

import queue
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import cast

from fieldmark.errors import ConfigError, ScaleError
from fieldmark.scale.cluster import cluster, first_line, quieten

#: What the application is called in the cluster.
_NAME = "fieldmark"

#: Requests that a replica has in work; the application itself decides what it accepts.
_ONGOING = 256

#: Builds an ASGI application in the process that calls it.
BuildApplication = Callable[[], object]


class Replica:
    """One process that runs the application; Ray Serve passes it requests.

    Args:
        build: builds the application.
    """

    def __init__(self, build: BuildApplication) -> None:
        self._build = build

    def __serve_build_asgi_app__(self) -> object:
        """Build the application in this process, as Ray Serve asks for it."""
        return self._build()


@contextmanager
def served(
    build: BuildApplication, *, replicas: int | None, host: str, port: int, address: str | None = None
) -> Iterator[int]:
    """Serve an application as long as the context is open; a replica that dies is replaced.

    Args:
        build: builds the application; it is sent to every replica and called there.
        replicas: processes, each on one core; by default one per core that there is.
        host: the address to listen at, on every machine.
        port: the port, 1 to 65535.
        address: of a Ray cluster; by default one is embedded in this process.

    Yields:
        How many replicas there are, once all of them take requests.

    Raises:
        ConfigError: the port can't be listened at, or more replicas than cores.
        ScaleError: Ray isn't installed, the cluster doesn't answer, or the application can't be built.
    """
    _check_free(host, port)
    with cluster(address, replicas) as count:
        serve = _import_serve()
        quieten()  # once more: Ray Serve sets its logger up when it is imported
        try:
            serve.start(http_options={"host": host, "port": port})
            deployment = serve.deployment(
                serve.ingress()(Replica),
                name=_NAME,
                num_replicas=count,
                max_ongoing_requests=_ONGOING,
                ray_actor_options={"num_cpus": 1},
            )
            try:
                serve.run(deployment.bind(build), name=_NAME, route_prefix="/")
            except RuntimeError as error:
                raise ScaleError(
                    f"The application can't be served: {first_line(error)}", "Try `fieldmark serve`, which says why."
                ) from error
            yield count
        finally:
            serve.shutdown()


def wait_for_stop() -> None:
    """Wait for SIGTERM or SIGINT, in the main thread."""
    # Not an event: the handler runs in the thread that waits, and would wait for the lock that the event holds there.
    heard = queue.SimpleQueue[int]()

    def note(number: int, _frame: FrameType | None) -> None:
        heard.put(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        heard.get()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _import_serve() -> ModuleType:
    try:
        from ray import serve
    except ImportError as error:
        raise ScaleError("Ray Serve isn't installed.", "Install it: pip install 'fieldmark[ray]'.") from error
    return cast("ModuleType", serve)


def _check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"{host}:{port} can't be listened at.", "Name another --port, or stop what uses it."
            ) from error
