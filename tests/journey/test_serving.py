"""A real service in a process of its own: asked, reloaded, stopped, killed."""

import asyncio
import json
import shutil
import signal
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fieldmark.cli.main import app
from fieldmark.data.table import Table
from fieldmark.models.bundle import record_results
from fieldmark.serve import FeedbackStore
from hostile_files import encoded
from http_load import Connection, closed_loop, multipart, open_loop
from served_process import ServedProcess

pytest.importorskip("uvicorn", reason="uvicorn isn't installed (make install)")

pytestmark = pytest.mark.slow

BODY, KIND = multipart("files", encoded("JPEG"))


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


def test_bundles_are_exchanged_and_the_process_stops_without_losing_an_accepted_request(
    run: Path, tmp_path: Path
) -> None:
    done: set[int] = set()

    def each_second(passed: float) -> None:
        for number, (when, action) in enumerate(steps):
            if passed >= when and number not in done:
                done.add(number)
                action()

    with ServedProcess([str(run)], ["--watch", "0.2", "--queue", "16"], tmp_path / "work") as service:
        steps = [
            (1, lambda: record_results(run, {"top1": 0.1})),
            (4, lambda: (record_results(run, {"top1": 0.2}), service.send(signal.SIGHUP))),
        ]
        replies = asyncio.run(
            open_loop(service.port, "/v1/predict", BODY, KIND, rate=10, seconds=6, each_second=each_second)
        )
        assert {reply.status for reply in replies} <= {200, 503}
        assert service.wait_for("reload", 2)
        versions = {json.loads(reply.body)["model"]["version"] for reply in replies if reply.status == 200}
        assert versions
        before = len(service.log())

        async def stop() -> list[int]:
            asked = asyncio.create_task(closed_loop(service.port, "/v1/predict", BODY, KIND, clients=4, seconds=2))
            await asyncio.sleep(0.5)
            service.send(signal.SIGTERM)
            return [reply.status for reply in await asked]

        statuses = asyncio.run(stop())
        assert service.wait() == 0
        answered = [entry for entry in service.log()[before:] if entry.get("status") == 200]
        assert len(answered) == statuses.count(200)
        assert set(statuses) <= {0, 200, 503}
        log = service.log_file.read_text()
    assert "a.jpg" not in log  # names of pictures are nobody's business


def test_acknowledged_corrections_survive_a_kill_and_become_a_table(run: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"

    async def correct(service: ServedProcess) -> list[int]:
        ids: list[int] = []
        connection = Connection(service.port)
        for number in range(1000):
            if number == 6:
                service.send(signal.SIGKILL)
            body, kind = multipart("file", encoded("PNG", seed=number), {"label": "bee"})
            reply = await connection.post("/v1/feedback", body, kind)
            if reply.status != 200:
                return ids
            ids.append(json.loads(reply.body)["id"])
        return ids

    options = ["--feedback", str(said), "--keep-pictures"]
    with ServedProcess([str(run)], options, tmp_path / "work") as service:
        ids = asyncio.run(correct(service))
    assert len(ids) >= 5
    assert set(ids) <= {row.id for row in FeedbackStore(said).rows()}
    out = tmp_path / "table.parquet"
    result = CliRunner().invoke(app, ["feedback", str(run), "--feedback", str(said), "--out", str(out)])
    assert result.exit_code == 0
    table = Table.load(out)
    assert len(table) >= len(ids)
    assert set(table.frame["label"]) == {"bee"}
    assert table.classes == ("ant", "bee", "cat", "dog", "élan")


def test_mistakes_end_with_a_cure_before_anything_is_loaded(run: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    for arguments, words in (
        (["serve", str(tmp_path / "none")], "no bundle"),
        (["serve", str(run), "--keys", str(tmp_path / "none")], "serve-key"),
        (["serve", str(run), str(run)], "another name"),
        (["feedback", str(run), "--out", str(tmp_path / "t.csv")], ".parquet"),
        (["feedback", str(run), "--out", str(tmp_path / "t.parquet")], "no corrections"),
    ):
        started = time.monotonic()
        result = runner.invoke(app, arguments)
        assert result.exit_code == 2, arguments
        assert words in result.stderr, arguments
        assert time.monotonic() - started < 300
    made = runner.invoke(app, ["serve-key", "anna", "--keys", str(tmp_path / "keys")])
    assert made.exit_code == 0
    assert made.stdout.startswith("fm_")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["bundle"]
