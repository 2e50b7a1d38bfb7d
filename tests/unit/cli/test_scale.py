"""What the commands that scale ask of the library, which is stood in for."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import fieldmark.scale
from fieldmark.cli.main import app
from fieldmark.scale import PredictionOptions, PredictionSummary

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def stand_in(monkeypatch: pytest.MonkeyPatch, broken: int = 0, kept: int = 0) -> list[dict[str, object]]:
    calls: list[dict[str, object]] = []

    def predict_table(
        data: Path, run: Path, out: Path, options: PredictionOptions, **rest: object
    ) -> PredictionSummary:
        calls.append({"data": data, "run": run, "out": out, "options": options, **rest})
        print("(raylet) A worker died.")
        return PredictionSummary(rows=1200, broken=broken, files=3, kept=kept, writers=2, seconds=1.0)

    monkeypatch.setattr(fieldmark.scale, "predict_table", predict_table)
    return calls


def test_predict_passes_everything_on_and_prints_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = stand_in(monkeypatch)
    options = ["--cluster", "10.0.0.1:6379", "--workers", 3, "--shard-size", 7, "--top", 2, "--device", "cuda"]
    done = run("scale", "predict", "photos", "--run", "r", "--out", "o", *options, "--batch-size", 9, "--resume")
    assert done.exit_code == 0, done.stderr
    (call,) = calls
    assert (call["data"], call["run"], call["out"]) == (Path("photos"), Path("r"), Path("o"))
    assert call["options"] == PredictionOptions(shard_rows=7, top=2, batch_size=9, device="cuda")
    assert (call["address"], call["workers"], call["resume"], call["reader"]) == ("10.0.0.1:6379", 3, True, None)
    assert done.stdout == f"1,200 rows, each exactly once, in 3 files: {Path('o/predictions')}\n"
    assert "A worker died" in done.stderr


def test_predict_s_defaults_are_the_library_s(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = stand_in(monkeypatch)
    run("scale", "predict", "photos", "--run", "r", "--out", "o")
    assert calls[0]["options"] == PredictionOptions()
    assert (calls[0]["address"], calls[0]["workers"], calls[0]["resume"]) == (None, None, False)


def test_predict_tells_of_files_from_before_and_of_broken_pictures(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, broken=4, kept=2)
    done = run("scale", "predict", "photos", "--run", "r", "--out", "o", "--resume")
    assert done.exit_code == 1
    assert "in 3 files, 2 of them from before: " in done.stdout
    assert "4 of 1,200 pictures could not be read" in done.stderr


def test_serve_hands_over_what_builds_the_application(
    run: Run, monkeypatch: pytest.MonkeyPatch, tiny_run: Path, tmp_path: Path
) -> None:
    calls: list[dict[str, object]] = []

    @contextmanager
    def served(build: Callable[[], object], **options: object) -> Iterator[int]:
        calls.append({"build": build, **options})
        print("(raylet) A worker died.")
        yield 3

    monkeypatch.setattr(fieldmark.scale, "served", served)
    monkeypatch.setattr(fieldmark.scale, "wait_for_stop", lambda: None)
    done = run("scale", "serve", f"birds={tiny_run}", "--replicas", 3, "--port", 9000, "--cluster", "auto", "--rate", 5)
    assert done.exit_code == 0, done.stderr
    (call,) = calls
    assert (call["replicas"], call["host"], call["port"], call["address"]) == (3, "127.0.0.1", 9000, "auto")
    assert done.stdout == "http://127.0.0.1:9000/\n"
    assert "3 replicas answer" in done.stderr
    build = pickle.loads(pickle.dumps(call["build"]))  # it goes to other processes
    application = build()
    try:
        assert "/v1/predict" in application.openapi()["paths"]
        assert application.state.service.settings.rate_per_minute == 5
    finally:
        application.state.service.close()


def test_serve_refuses_a_wrong_run_before_it_starts_anything(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fieldmark.scale, "served", lambda *_, **__: pytest.fail("started"))
    done = run("scale", "serve", tmp_path)
    assert done.exit_code == 2
    assert "There is no bundle" in done.stderr


def test_shard_passes_everything_on_and_prints_the_folder(run: Run, tmp_path: Path) -> None:
    from PIL import Image

    for name in ("a", "b", "c"):
        Image.new("RGB", (4, 4), (name == "a" and "red") or "blue").save(tmp_path / f"{name}.png")
    done = run("data", "shard", tmp_path, "--out", tmp_path / "out", "--format", "parquet", "--shard-size", 2)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'out'}\n"
    assert "3 pictures in 2 shards" in done.stderr
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "index.parquet",
        "shard-000000.parquet",
        "shard-000001.parquet",
    ]
    again = run("data", "shard", tmp_path, "--out", tmp_path / "out", "--format", "parquet")
    assert again.exit_code == 2
    assert "in use" in again.stderr
