"""Training on two machines that share nothing but a cable gives what one machine gives."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the test folders are no packages
from tiny_run import make_pictures

from network_namespaces import Machine, two_machines

SCRIPT = Path(__file__).with_name("tiny_run.py")

pytestmark = pytest.mark.slow


def launch(machine: Machine, rank: int, meeting: Machine, *arguments: object) -> list[str]:
    options = ["--nnodes", "2", "--node-rank", str(rank), "--nproc-per-node", "1"]
    options += ["--master-addr", meeting.address, "--master-port", "29400"]
    return machine.command(
        sys.executable, "-m", "torch.distributed.run", *options, str(SCRIPT), *(str(argument) for argument in arguments)
    )


def test_two_machines_train_one_run(tmp_path: Path) -> None:
    pictures = make_pictures(tmp_path / "pictures")
    try:
        with two_machines() as machines:
            processes = [
                subprocess.Popen(
                    # Each has a cache of its own; the second finds no run where it is told to write.
                    launch(machine, rank, machines[0], pictures, tmp_path / f"run-{rank}", tmp_path / f"cache-{rank}"),
                    env=machine.environment(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for rank, machine in enumerate(machines)
            ]
            told = [process.communicate(timeout=400) for process in processes]
    except PermissionError as error:
        pytest.skip(f"network namespaces can't be made here: {error}")
    assert [process.returncode for process in processes] == [0, 0], told[0][1][-2000:] + told[1][1][-2000:]
    assert "step 30" in told[0][0]
    assert "step" not in told[1][0], "the second machine speaks, too"
    assert (tmp_path / "run-0" / "bundle" / "weights.safetensors").is_file()
    assert not (tmp_path / "run-1").exists()
    one = tmp_path / "one"
    alone = subprocess.run(
        [sys.executable, str(SCRIPT), str(pictures), str(one), str(tmp_path / "cache-0")], timeout=400, check=False
    )
    assert alone.returncode == 0
    losses = [float((run / "log.csv").read_text().splitlines()[-1].split(",")[4]) for run in (tmp_path / "run-0", one)]
    assert losses[0] == pytest.approx(losses[1], rel=0.25)


def test_the_machines_reach_each_other_and_nobody_else_reaches_them() -> None:
    connect = "import socket, sys; socket.create_connection((sys.argv[1], 29500), 5).recv(2)"
    listen = "import socket; s = socket.create_server(('', 29500)); print('up', flush=True); print(s.accept()[1][0])"
    try:
        with two_machines() as (first, second):
            command = second.command(sys.executable, "-c", listen)
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
                assert server.stdout is not None
                assert server.stdout.readline() == "up\n"
                # From outside; a network that answers in everyone's name may well say that this worked.
                subprocess.run(
                    [sys.executable, "-c", connect, second.address], capture_output=True, timeout=60, check=False
                )
                assert server.poll() is None, "reached from outside"
                subprocess.run(first.command(sys.executable, "-c", connect, second.address), timeout=60, check=False)
                assert server.stdout.readline() == f"{first.address}\n"
    except PermissionError as error:
        pytest.skip(f"network namespaces can't be made here: {error}")
