"""A service in a process of its own, as the command line starts it, and a recogniser that it can serve."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import torch

from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.bundle import BundleInfo, save_bundle
from fieldmark.models.parts import PartsSpec, numbered_parts
from fieldmark.records import Preprocessing

#: Seconds to wait for a process to start or to stop.
PATIENCE = 180.0

_START = "from fieldmark.cli.main import main; main()"


def write_run(folder: Path, *, classes: int = 24, parts: int = 8, resolution: int = 96) -> Path:
    """Write a run whose recogniser has random weights: what it costs doesn't depend on what it knows.

    Args:
        folder: the run's folder.
        classes: classes that it names.
        parts: parts that it finds.
        resolution: side of its input in px.
    """
    torch.manual_seed(0)
    backbone = BackboneSpec("resnet10t", {"channels": (32, 64, 96, 128), "output_stride": 16})
    names = numbered_parts(parts)
    spec = ModelSpec(backbone, classes=classes, head="additive", parts=PartsSpec("discovered", names=names))
    recognizer = build_recognizer(spec)
    info = BundleInfo(
        classes=tuple(f"class {number}" for number in range(1, classes + 1)),
        preprocessing=Preprocessing(resolution),
        model=asdict(spec),
        part_names=recognizer.evidence_names,
    )
    save_bundle(folder / "bundle", recognizer, info)
    return folder


class ServedProcess:
    """`fieldmark serve` in a process of its own, with one thread for torch.

    Args:
        runs: what it serves, as the command line takes it.
        options: further options of the command.
        folder: where it runs, keeps temporary files and writes its log.
    """

    def __init__(self, runs: list[str], options: list[str], folder: Path) -> None:
        temporary = folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / "log.jsonl"
        places = {"HOME": str(folder), "TMPDIR": str(temporary)}
        environment = {**os.environ, **places, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", _START, "serve", *runs, "--port", "0", *options]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, cwd=folder, env=environment, text=True
            )
        timer = threading.Timer(PATIENCE, self._process.kill)
        timer.start()
        line = self._process.stdout.readline().strip() if self._process.stdout else ""
        timer.cancel()
        if not line.startswith("http://"):
            raise RuntimeError(f"the service did not start: {self.log_file.read_text()[-2000:]}")
        self.address = line.rstrip("/")
        self.port = int(self.address.rpartition(":")[2])

    def __enter__(self) -> "ServedProcess":
        return self

    def __exit__(self, *_failure: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def memory_mb(self) -> float:
        """Return its resident memory in MB."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it ends, and return its exit status."""
        return self._process.wait(PATIENCE)

    def log(self) -> list[dict[str, object]]:
        """Return the objects of its log; other lines, such as notes, are left out."""
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def wait_for(self, event: str, count: int) -> bool:
        """Wait until its log has an event so many times."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.alive:
            if sum(entry["event"] == event for entry in self.log()) >= count:
                return True
            time.sleep(0.2)
        return False
