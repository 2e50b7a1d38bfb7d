"""A run that was killed in the middle of an epoch ends with the same weights as one that was not."""

import csv
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("tiny_run.py")
sys.path.insert(0, str(SCRIPT.parent))

from tiny_run import make_pictures  # noqa: E402


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"))


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(SCRIPT), *(str(argument) for argument in arguments)]


def kill_at(line: str, arguments: list[str]) -> None:
    """Start a training and kill it, without a chance to tidy up, as soon as it prints a line."""
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for printed in process.stdout:
            if printed.strip() == line:
                process.send_signal(signal.SIGKILL)
                break
        process.wait(timeout=60)
    assert process.returncode == -signal.SIGKILL


def interrupted(pictures: Path, tmp_path: Path, *mode: str) -> tuple[Path, Path, str]:
    """Train once in one go and once killed twice; return both runs, and what the last start printed."""
    cache = tmp_path / "cache"
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(pictures, whole, cache, *mode), check=True, timeout=120)
    # Six steps an epoch: step 3 lies in the first epoch, step 15 in the middle of the third.
    kill_at("step 3", command(pictures, killed, cache, *mode, "--slow", "0.05"))
    assert not (killed / "bundle").exists()
    assert not (killed / "autoencoder").exists()
    kill_at("step 15", command(pictures, killed, cache, *mode, "--slow", "0.05", "--resume"))
    resumed = subprocess.run(
        command(pictures, killed, cache, *mode, "--resume"), check=True, timeout=120, capture_output=True, text=True
    )
    return whole, killed, resumed.stdout


def same_logs(whole: Path, killed: Path) -> bool:
    """Compare two logs but for the times."""
    logs = []
    for run in (whole, killed):
        with (run / "log.csv").open() as file:
            logs.append([{**row, "seconds": "", "images_per_second": ""} for row in csv.DictReader(file)])
    return logs[0] == logs[1]


@pytest.mark.parametrize("mode", [(), ("--joint",), ("--parts",)])
def test_killed_and_resumed_weights_are_identical(pictures: Path, tmp_path: Path, mode: tuple[str, ...]) -> None:
    whole, killed, printed = interrupted(pictures, tmp_path, *mode)
    assert "start 12 of 30" in printed
    weights = [run / "bundle" / "weights.safetensors" for run in (whole, killed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert same_logs(whole, killed)


def test_killed_and_resumed_pretraining_gives_the_same_weights(pictures: Path, tmp_path: Path) -> None:
    whole, killed, printed = interrupted(pictures, tmp_path, "--pretrain")
    assert "start 12 of 24" in printed
    weights = [run / "autoencoder" / "weights.safetensors" for run in (whole, killed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert same_logs(whole, killed)
    drawn = [(run / "progress" / "epoch-0004.png").read_bytes() for run in (whole, killed)]
    assert drawn[0] == drawn[1]


def test_two_processes_train_as_well_as_one(pictures: Path, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, str(SCRIPT), str(pictures), str(tmp_path / "two"), str(tmp_path / "cache")],
        timeout=240,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "two" / "bundle" / "weights.safetensors").is_file()
    subprocess.run(command(pictures, tmp_path / "one", tmp_path / "cache"), check=True, timeout=120)
    rows = [(tmp_path / run / "log.csv").read_text().splitlines()[-1].split(",") for run in ("two", "one")]
    losses = [float(row[4]) for row in rows]
    assert losses[0] == pytest.approx(losses[1], rel=0.25)
