"""A Ray cluster to work on: one that is there, or one embedded in this process that ends with it."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

from fieldmark.errors import ConfigError, ScaleError

#: Bytes of shared memory that an embedded cluster sets aside: only numbers of rows and names of files pass through it.
_OBJECT_STORE = 100 * 2**20

#: Seconds within which a cluster must take a connection.
_PATIENCE = 20

#: The embedded cluster hears nobody but this machine.
_HERE = "127.0.0.1"

#: Ray lowers the priority of its workers, so that whatever else the machine does goes first; here they are the work.
_WORKER_NICENESS = 0

#: The environment variable, read when a process of Ray starts, of what its core writes to stderr.
_BACKEND_LEVEL = "RAY_BACKEND_LOG_LEVEL"

_RAY_LOGGERS = ("ray", "ray.data", "ray.serve")


def import_ray() -> ModuleType:
    """Import Ray and Ray Data, which sets its logger up when it is imported.

    Raises:
        ScaleError: it isn't installed.
    """
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise ScaleError(
            "Working on several processes or machines needs Ray.", "Install it: pip install 'fieldmark[ray]'."
        ) from error
    return cast("ModuleType", ray)


@contextmanager
def cluster(address: str | None, workers: int | None) -> Iterator[int]:
    """Connect to a cluster, and leave it at the end.

    Args:
        address: of a cluster, as ``ray start`` prints it, or ``"auto"``; ``None`` embeds one in this process: without a
            dashboard, without statistics of use, reachable from this machine only.
        workers: processes wanted at once; by default one per processor core that there is.

    Yields:
        How many there will be.

    Raises:
        ConfigError: fewer than one worker, or more than the cluster has cores.
        ScaleError: Ray isn't installed, or the cluster doesn't answer.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"{workers} workers can't do anything.", "Give a whole number of 1 or more.")
    ray = import_ray()
    joined = ray.is_initialized()
    if not joined:
        _start(ray, address, workers)
    quieten()
    try:
        yield _workers(ray, address, workers)
    finally:
        if not joined:
            ray.shutdown()


def first_line(error: BaseException) -> str:
    """Return the first line of an error that says anything."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _start(ray: ModuleType, address: str | None, workers: int | None) -> None:
    if address is not None:
        _join(ray, address)
        return
    with _backend_quiet():
        ray.init(
            address="local",  # without it, Ray joins whatever cluster it finds on this machine
            num_cpus=workers or _cores(),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_OBJECT_STORE,
            _node_ip_address=_HERE,
            _system_config={"worker_niceness": _WORKER_NICENESS},
        )


def _join(ray: ModuleType, address: str) -> None:
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise ScaleError(
            f"The cluster at {address} doesn't answer: {first_line(error)}",
            "Start one with `ray start --head`; if it wants a token, name the token's file in RAY_AUTH_TOKEN_PATH.",
        ) from error


def _knock(address: str) -> None:
    """See whether anybody listens at HOST:PORT, which Ray itself would wait for during many minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()


@contextmanager
def _backend_quiet() -> Iterator[None]:
    """Keep the processes of an embedded cluster from writing to this one's stderr, unless the user set their level.

    Ray Data itself does what Ray's core then warns of, for every pool of actors.
    """
    chosen = os.environ.get(_BACKEND_LEVEL)
    os.environ[_BACKEND_LEVEL] = chosen or "fatal"
    try:
        yield
    finally:
        if chosen is None:
            del os.environ[_BACKEND_LEVEL]


def _workers(ray: ModuleType, address: str | None, workers: int | None) -> int:
    cores = int(ray.cluster_resources().get("CPU", 0))
    if cores < (workers or 1):
        raise ConfigError(
            f"The cluster has {cores} cores for {workers or 1} workers of one core each.",
            "Give fewer --workers, or add machines with `ray start`." if address else "Give fewer --workers.",
        )
    return workers or cores


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quieten() -> None:
    """Keep Ray from telling on the user's screen what a bar tells better; faults are still told."""
    for name in _RAY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
