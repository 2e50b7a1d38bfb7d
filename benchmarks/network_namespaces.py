"""Two "machines" on this one: network namespaces that are joined by a cable and by nothing else."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """A network namespace: its name, the name of its end of the cable and that end's address."""

    name: str
    device: str
    address: str

    def command(self, *words: str) -> list[str]:
        """Return a command that runs inside."""
        return ["ip", "netns", "exec", self.name, *words]

    def environment(self) -> dict[str, str]:
        """Return the variables that tell gloo which network to use."""
        return {**os.environ, "GLOO_SOCKET_IFNAME": self.device, "OMP_NUM_THREADS": "1"}


@contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Make two machines, and take them away at the end.

    Raises:
        PermissionError: it isn't allowed here, or `ip` is missing; with the reason.
    """
    mark = f"fm{os.getpid() % 100_000}"
    machines = tuple(
        Machine(f"{mark}{end}", f"{mark}{end}", f"10.231.77.{number}") for number, end in ((1, "a"), (2, "b"))
    )
    first, second = machines
    made: list[str] = []
    try:
        for machine in machines:
            _ip("netns", "add", machine.name)
            made.append(machine.name)
        _ip(
            "link",
            "add",
            first.device,
            "netns",
            first.name,
            "type",
            "veth",
            "peer",
            second.device,
            "netns",
            second.name,
        )
        for machine in machines:
            _ip("-n", machine.name, "address", "add", f"{machine.address}/24", "dev", machine.device)
            for device in ("lo", machine.device):
                _ip("-n", machine.name, "link", "set", device, "up")
        yield first, second
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _ip(*words: str) -> None:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PermissionError("the command ip is missing") from error
    if done.returncode:
        raise PermissionError(f"ip {' '.join(words)}: {done.stderr.strip()}")
