import os
import signal
import socket
import threading

import pytest

from fieldmark.errors import ConfigError
from fieldmark.scale.serve import Replica, served, wait_for_stop


def test_a_replica_builds_the_application_when_it_is_asked_and_not_before() -> None:
    built: list[str] = []
    replica = Replica(lambda: built.append("app") or "the app")
    assert built == []
    assert replica.__serve_build_asgi_app__() == "the app"
    assert built == ["app"]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_port_in_use_is_told_before_anything_is_started(family: socket.AddressFamily) -> None:
    host = "127.0.0.1" if family is socket.AF_INET else "::1"
    with socket.socket(family, socket.SOCK_STREAM) as used:
        used.bind((host, 0))
        used.listen()
        with (
            pytest.raises(ConfigError, match="can't be listened at") as error,
            served(object, replicas=1, host=host, port=used.getsockname()[1]),
        ):
            pass
    assert "--port" in error.value.cure


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_stops_and_afterwards_they_mean_what_they_did(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
    wait_for_stop()
    assert signal.getsignal(number) is before
