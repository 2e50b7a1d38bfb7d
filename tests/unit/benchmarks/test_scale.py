"""What the benchmark of scaling makes of its measurements."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import scale
from fieldmark.records import Prediction
from fieldmark.scale.job import RowRange
from fieldmark.scale.prediction_files import write_predictions
from scale import Training, arm_rows


def runs(name: str, *figures: tuple[float, float]) -> list[dict[str, object]]:
    return [{"name": name, "top1": top1, "rate": rate} for top1, rate in figures]


ALONE = runs("1 process", (80.0, 100.0), (84.0, 100.0), (82.0, 100.0))


def test_two_processes_hold_when_they_are_as_good_and_fast_enough() -> None:
    rows = {
        row.metric: row for row in arm_rows("2 processes", runs("2 processes", (81, 170), (85, 180), (81, 175)), ALONE)
    }
    difference = rows["2 processes: top-1 less that of 1 process (points)"]
    assert difference.value == pytest.approx(82 + 1 / 3 - 82, abs=0.01)
    assert difference.holds is True
    speedup = rows["2 processes: times as fast as 1 process on one core"]
    assert speedup.value == pytest.approx(1.75)
    assert speedup.holds is True


def test_two_processes_that_are_worse_or_slow_do_not_hold() -> None:
    rows = arm_rows("2 processes", runs("2 processes", (79, 160), (80, 165), (79, 160)), ALONE)
    assert [row.holds for row in rows if row.goal] == [False, False]


def test_one_seed_has_no_spread_to_hold_against() -> None:
    rows = arm_rows("2 processes", runs("2 processes", (80, 170)), ALONE[:1])
    assert [row.holds for row in rows if row.goal] == [None, True]


def test_one_process_is_not_compared_with_itself() -> None:
    assert [row.goal for row in arm_rows("1 process", ALONE, ALONE)] == [None, None]


def test_the_writer_of_the_latest_file_is_killed_once_half_of_them_are_there(tmp_path: Path) -> None:
    code = "import sys, time; print('up', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        victim.stdout.readline()
        for row in (0, 1):
            file = write_predictions(tmp_path, RowRange(row, row + 1), "job", ["x"], [Prediction("x", "ant", 0.5)])
            os.utime(file, (row, row))
        frame = pl.read_parquet(file)
        origin = json.loads(pl.read_parquet_metadata(file)["fieldmark_predictions"]) | {"process": victim.pid}
        frame.write_parquet(file, metadata={"fieldmark_predictions": json.dumps(origin)})
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as command:
            assert scale.kill_half_way(tmp_path, 4, command) == (0.5, 1)  # type: ignore[arg-type]
            command.kill()
        assert victim.wait(10) == -9


def test_arms_are_named_by_what_they_run_on() -> None:
    arms = [Training(1, 1, 0), Training(2, 1, 0), Training(2, 2, 0)]
    assert [arm.name for arm in arms] == ["1 process", "2 processes", "2 machines"]
