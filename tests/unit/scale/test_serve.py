import signal
import socket
import subprocess
import sys

import pytest

from fieldmark.errors import ConfigError
from fieldmark.scale.serve import Replica, served


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


WAITS = """
import os, queue, signal, sys
from fieldmark.scale import serve

class Queue(queue.SimpleQueue):
    def get(self):  # the handlers stand by now
        os.kill(os.getpid(), int(sys.argv[1]))
        return super().get()

serve.queue.SimpleQueue = Queue
serve.wait_for_stop()
print("stopped", flush=True)
os.kill(os.getpid(), int(sys.argv[1]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_stops_and_afterwards_they_mean_what_they_did(number: signal.Signals) -> None:
    # In a process of its own: a signal that comes at the wrong moment would end the tests.
    done = subprocess.run(
        [sys.executable, "-c", WAITS, str(int(number))], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "stopped\n"
    assert done.returncode == -number
