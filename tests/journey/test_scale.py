"""Predicting on a Ray cluster of this machine: workers and the command are killed, and no row is lost or double."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the test folders are no packages
pytest.importorskip("ray", reason="needs the extra ray")
from fieldmark.data.reading import read_table
from fieldmark.data.sharding import write_shards
from fieldmark.predict import load_predictor
from fieldmark.scale.prediction_files import read_origin
from format_examples import paint

pytestmark = pytest.mark.slow

#: Long enough for an embedded cluster to start on a busy machine.
_PATIENCE = 400


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(240):
        paint(folder / f"{seed:03}.png", seed, side=40)
    (folder / "100.png").write_bytes(b"no picture")
    return folder


def command(photos: Path, run: Path, out: Path, *more: str) -> list[str]:
    fixed = ["--workers", "2", "--shard-size", "4", "--top", "2"]
    return [
        sys.executable,
        "-m",
        "fieldmark",
        "scale",
        "predict",
        str(photos),
        "--run",
        str(run),
        "--out",
        str(out),
        *fixed,
        *more,
    ]


def first_files(out: Path, process: subprocess.Popen[str], count: int) -> list[Path]:
    """Wait until some files of predictions are in place."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        files = sorted((out / "predictions").glob("*.parquet"), key=lambda file: file.stat().st_mtime_ns)
        if len(files) >= count:
            return files
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("nothing was predicted")


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def predictions(out: Path) -> pl.DataFrame:
    return pl.read_parquet(out / "predictions" / "*.parquet").sort("row")


def test_a_killed_worker_loses_and_doubles_nothing(photos: Path, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(command(photos, tiny_run, out))
    origin = read_origin(first_files(out, process, 3)[-1])
    assert origin is not None
    os.kill(origin.process, signal.SIGKILL)
    printed, errors = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 1, errors  # one picture is broken
    assert printed == f"240 rows, each exactly once, in 60 files: {out / 'predictions'}\n"
    found = predictions(out)
    assert found["row"].to_list() == list(range(240))
    assert found["id"].to_list() == [f"{seed:03}.png" for seed in range(240)]
    assert found.filter(pl.col("error").is_not_null())["id"].to_list() == ["100.png"]
    writers = {read_origin(file).process for file in (out / "predictions").glob("*.parquet")}  # type: ignore[union-attr]
    assert len(writers) > 1
    expected = load_predictor(tiny_run, top=2)([photos / f"{seed:03}.png" for seed in (0, 119, 239)])
    for seed, wanted in zip((0, 119, 239), expected, strict=True):
        row = found.row(seed, named=True)
        assert row["label"] == wanted.label
        assert row["probability"] == pytest.approx(wanted.probability, abs=1e-5)


def test_a_killed_command_goes_on_where_it_was(photos: Path, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(command(photos, tiny_run, out))
    kept = [(file, file.stat().st_mtime_ns) for file in first_files(out, process, 3)[:3]]
    process.kill()
    process.communicate(timeout=60)
    assert not (out / "summary.json").exists()
    refused = subprocess.run(command(photos, tiny_run, out), capture_output=True, text=True, timeout=_PATIENCE)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    resumed = subprocess.run(
        command(photos, tiny_run, out, "--resume"), capture_output=True, text=True, timeout=_PATIENCE
    )
    assert resumed.stdout.startswith("240 rows, each exactly once, in 60 files, "), resumed.stderr
    assert [(file, file.stat().st_mtime_ns) for file, _ in kept] == kept
    assert predictions(out)["row"].to_list() == list(range(240))


def test_shards_are_predicted_like_their_pictures_and_each_by_itself(
    photos: Path, tiny_run: Path, tmp_path: Path
) -> None:
    table = read_table(photos)
    write_shards(table, tmp_path / "shards", "webdataset", shard_rows=50)
    done = subprocess.run(
        command(tmp_path / "shards", tiny_run, tmp_path / "out", "--shard-size", "40"),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
    )
    # Four shards of 50 rows make two files each, the last of 40 makes one.
    assert "240 rows, each exactly once, in 9 files" in done.stdout, done.stderr
    sources = [pl.read_parquet(file)["source"] for file in (tmp_path / "out" / "predictions").glob("*.parquet")]
    assert all(paths.str.split("#").list.first().n_unique() == 1 for paths in sources)
    found = predictions(tmp_path / "out")
    wanted = load_predictor(tiny_run)([photos / "007.png", photos / "200.png"])
    labels = dict(found.select("id", "label").iter_rows())
    assert [labels["007.png"], labels["200.png"]] == [prediction.label for prediction in wanted]


def children(process: int, name: str) -> list[int]:
    """Return the processes below one whose command line begins with a name."""
    parents: dict[int, int] = {}
    named: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if (folder / "cmdline").read_text().startswith(name):
                named.append(int(folder.name))
        except (OSError, ValueError):
            continue  # it has just ended

    def below(child: int) -> bool:
        while child in parents:
            child = parents[child]
            if child == process:
                return True
        return False

    return [child for child in named if below(child)]


def ask(port: int, picture: Path, until: float) -> dict[str, object]:
    """Ask what a picture shows, again and again until there is an answer."""
    import httpx2

    while True:
        try:
            files = {"files": (picture.name, picture.read_bytes(), "image/png")}
            answer = httpx2.post(f"http://127.0.0.1:{port}/v1/predict", files=files, timeout=30)
            if answer.status_code == 200 or time.monotonic() > until:
                assert answer.status_code == 200, answer.text
                return dict(answer.json())
        except httpx2.HTTPError:
            if time.monotonic() > until:
                raise
        time.sleep(0.5)


def test_replicas_answer_and_one_that_is_killed_is_replaced(photos: Path, tiny_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="needs the extra serve")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["scale", "serve", str(tiny_run), "--replicas", "2", "--port", str(port)]
    process = start([sys.executable, "-m", "fieldmark", *words])
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"http://127.0.0.1:{port}/\n"
        picture = photos / "007.png"
        (wanted,) = load_predictor(tiny_run)([picture])
        (before,) = ask(port, picture, time.monotonic() + 60)["predictions"]  # type: ignore[misc]
        assert before["label"] == wanted.label
        replicas = children(process.pid, "ray::ServeReplica:fieldmark")
        assert len(replicas) == 2
        for replica in replicas:
            os.kill(replica, signal.SIGKILL)
        (after,) = ask(port, picture, time.monotonic() + _PATIENCE)["predictions"]  # type: ignore[misc]
        assert after == before
        assert not set(children(process.pid, "ray::ServeReplica:fieldmark")) & set(replicas)
        process.terminate()
        _, errors = process.communicate(timeout=_PATIENCE)
        assert process.returncode == 0, errors
    finally:
        process.kill()


@pytest.fixture
def head() -> Iterator[tuple[str, dict[str, str]]]:
    """A cluster of its own, with a token of its own: its address, and the environment of those who may join it."""
    home = Path(tempfile.mkdtemp(prefix="fm-ray-"))  # Ray's sockets need a short path
    token = home / "token"
    token.write_text(secrets.token_hex(32))
    # Its workers shall not wait until nothing else on this machine has work to do.
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_worker_niceness": "0",
    }
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--head", "--port", str(port), "--num-cpus", "2", "--include-dashboard=false", "--disable-usage-stats"]
    options += ["--node-ip-address", "127.0.0.1", "--temp-dir", str(home / "ray"), "--block"]
    with (
        (home / "log").open("w") as log,
        subprocess.Popen(
            [Path(sys.executable).with_name("ray"), "start", *options], env=environment, stdout=log, stderr=log
        ) as process,
    ):
        until = time.monotonic() + _PATIENCE
        while "terminated by a signal" not in (home / "log").read_text():
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.5)
        try:
            yield f"127.0.0.1:{port}", environment
        finally:
            process.terminate()  # it drains, then ends all that it started
            process.wait(_PATIENCE)
    shutil.rmtree(home, ignore_errors=True)


def test_a_cluster_that_is_there_is_joined_by_those_who_have_its_token(
    photos: Path, tiny_run: Path, tmp_path: Path, head: tuple[str, dict[str, str]]
) -> None:
    address, environment = head
    joined = command(photos, tiny_run, tmp_path / "out", "--cluster", address)
    done = subprocess.run(joined, capture_output=True, text=True, timeout=_PATIENCE, env=environment)
    assert "240 rows, each exactly once, in 60 files" in done.stdout, done.stderr
    other = tmp_path / "another token"
    other.write_text(secrets.token_hex(32))
    stranger = command(photos, tiny_run, tmp_path / "refused", "--cluster", address)
    refused = subprocess.run(
        stranger,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        env={**environment, "RAY_AUTH_TOKEN_PATH": str(other)},
    )
    assert refused.returncode == 2, refused.stderr
    assert "RAY_AUTH_TOKEN_PATH" in refused.stderr
    assert not list((tmp_path / "refused" / "predictions").iterdir())


def test_a_cluster_that_does_not_answer_is_a_message(photos: Path, tiny_run: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command(photos, tiny_run, tmp_path / "out", "--cluster", "127.0.0.1:9"),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
    )
    assert done.returncode == 2
    assert "The cluster at 127.0.0.1:9 doesn't answer" in done.stderr
    assert "ray start --head" in done.stderr
