from pathlib import Path

import polars as pl
import pytest

from fieldmark.errors import ScaleError
from fieldmark.records import Decision, PartShare, Prediction
from fieldmark.scale.job import RowRange
from fieldmark.scale.prediction_files import (
    SCHEMA,
    check_rows,
    clear_partial_files,
    is_written,
    read_origin,
    refuse_incomplete,
    write_predictions,
)

IDS = ["a", "b", "c", "d"]
GOOD = Prediction(
    source="a.png",
    label="bee",
    probability=0.75,
    top=(("bee", 0.75), ("ant", 0.25)),
    lineage=("insect", "bee"),
    evidence=(PartShare("head", 0.5, 1.25),),
    decision=Decision(True, 0.125, ("bee", "ant"), "kind", "insect", 0.875, ("wasp",)),
)
BROKEN = Prediction(source="b.png", label=None, probability=None, error="cut off")


def write(folder: Path, first: int, end: int, job: str = "job") -> Path:
    rows = [GOOD if row % 2 == 0 else BROKEN for row in range(first, end)]
    return write_predictions(folder, RowRange(first, end), job, IDS[first:end], rows)


def test_everything_a_prediction_says_is_a_column(tmp_path: Path) -> None:
    frame = pl.read_parquet(write(tmp_path, 0, 2))
    assert dict(frame.schema) == SCHEMA
    good, broken = frame.to_dicts()
    assert good == {
        "row": 0,
        "id": "a",
        "source": "a.png",
        "label": "bee",
        "probability": 0.75,
        "top": [{"label": "bee", "probability": 0.75}, {"label": "ant", "probability": 0.25}],
        "lineage": ["insect", "bee"],
        "evidence": [{"part": "head", "presence": 0.5, "evidence": 1.25}],
        "known": True,
        "novelty": 0.125,
        "candidates": ["bee", "ant"],
        "certain_rank": "kind",
        "certain_name": "insect",
        "confidence": 0.875,
        "flagged": ["wasp"],
        "error": None,
    }
    assert (broken["row"], broken["id"], broken["label"], broken["error"]) == (1, "b", None, "cut off")


def test_a_file_says_whose_it_is(tmp_path: Path) -> None:
    origin = read_origin(write(tmp_path, 2, 4))
    assert origin is not None
    assert (origin.job, origin.first, origin.end, origin.broken) == ("job", 2, 4, 1)
    assert is_written(tmp_path, RowRange(2, 4), "job")
    assert not is_written(tmp_path, RowRange(2, 4), "another job")
    assert not is_written(tmp_path, RowRange(0, 2), "job")


def test_a_file_of_something_else_or_cut_off_is_not_in_place(tmp_path: Path) -> None:
    file = write(tmp_path, 0, 2)
    file.write_bytes(file.read_bytes()[:-20])
    assert not is_written(tmp_path, RowRange(0, 2), "job")
    pl.DataFrame({"x": [1]}).write_parquet(file)
    assert not is_written(tmp_path, RowRange(0, 2), "job")


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        write_predictions(tmp_path, RowRange(0, 2), "job", IDS[:2], [GOOD])
    assert list(tmp_path.iterdir()) == []


def test_writing_a_range_again_replaces_it(tmp_path: Path) -> None:
    write(tmp_path, 0, 2)
    write(tmp_path, 0, 2)
    assert [file.name for file in tmp_path.iterdir()] == [RowRange(0, 2).file_name]


def test_rows_that_are_all_there_once_pass(tmp_path: Path) -> None:
    write(tmp_path, 0, 2)
    write(tmp_path, 2, 4)
    check = check_rows(tmp_path, IDS)
    assert check.whole
    refuse_incomplete(check, tmp_path)


def test_missing_rows_are_found_and_cured_by_resuming(tmp_path: Path) -> None:
    write(tmp_path, 2, 4)
    check = check_rows(tmp_path, IDS)
    assert (check.missing, check.double, check.strange) == ((0, 1), (), 0)
    with pytest.raises(ScaleError, match="2 rows are missing") as error:
        refuse_incomplete(check, tmp_path)
    assert "--resume" in error.value.cure


def test_double_rows_are_found(tmp_path: Path) -> None:
    write(tmp_path, 0, 4)
    write(tmp_path, 1, 3)
    check = check_rows(tmp_path, IDS)
    assert check.double == (1, 2)
    with pytest.raises(ScaleError, match="2 rows are double"):
        refuse_incomplete(check, tmp_path)


def test_rows_under_another_id_are_strange_and_missing(tmp_path: Path) -> None:
    write(tmp_path, 0, 4)
    check = check_rows(tmp_path, ["a", "b", "x", "d"])
    assert (check.missing, check.strange) == ((2,), 1)
    assert not check_rows(tmp_path, IDS[:3]).whole


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, 0, 4).write_bytes(b"PAR1 and no more")
    with pytest.raises(ScaleError, match="rows-0000000000"):
        check_rows(tmp_path, IDS)


def test_what_killed_workers_left_is_cleared(tmp_path: Path) -> None:
    kept = write(tmp_path, 0, 4)
    (tmp_path / (kept.name + ".abc.partial")).write_bytes(b"half")
    clear_partial_files(tmp_path)
    assert list(tmp_path.iterdir()) == [kept]
