import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from fieldmark.data.table import make_table
from fieldmark.predict import load_predictor
from fieldmark.scale.job import PredictionOptions, RowRange, make_job, open_job
from fieldmark.scale.row_prediction import job_places, predict_rows
from format_examples import make_idx, paint

PATHS = ["0.png", None, "2.png", "missing.png", "4.png", "cut-ubyte#1", "cut-ubyte#2"]


@pytest.fixture
def places(tiny_run: Path, tmp_path: Path):
    for seed in (0, 2, 4):
        paint(tmp_path / f"{seed}.png", seed, side=20)
    table = make_table({"id": [f"id{row}" for row in range(7)], "path": PATHS}, tmp_path, reader="flat")
    job = make_job(table, tiny_run, PredictionOptions(shard_rows=5, top=2))
    open_job(tmp_path / "out", job, table, resume=False)
    return job_places(tmp_path / "out", job, table.root)


def test_every_row_has_its_own_prediction_or_its_reason(tiny_run: Path, tmp_path: Path, places) -> None:
    predictor = load_predictor(tiny_run, batch_size=2, top=2)
    rows = pl.read_parquet(predict_rows(predictor, places, RowRange(0, 7))).to_dicts()
    assert [row["id"] for row in rows] == [f"id{number}" for number in range(7)]
    assert [row["source"] for row in rows] == [path or "" for path in PATHS]
    alone = {path: predictor([tmp_path / path])[0] for path in ("0.png", "2.png", "4.png")}
    for row in rows:
        if row["source"] in alone:
            wanted = alone[row["source"]]
            assert row["label"] == wanted.label
            assert row["probability"] == pytest.approx(wanted.probability, abs=1e-6)
            assert [entry["label"] for entry in row["top"]] == [label for label, _ in wanted.top]
    errors = {row["id"]: row["error"] for row in rows if row["error"]}
    assert set(errors) == {"id1", "id3", "id5", "id6"}
    assert errors["id1"] == "the row has no picture"
    assert errors["id3"] == "no such file"
    assert errors["id6"].startswith("cut-ubyte can't be read")


def test_a_range_is_just_its_rows(tiny_run: Path, places) -> None:
    file = predict_rows(load_predictor(tiny_run), places, RowRange(2, 5))
    assert pl.read_parquet(file)["row"].to_list() == [2, 3, 4]


def test_pictures_are_read_as_they_are_wanted(tiny_run: Path, tmp_path: Path, places) -> None:
    class Watching:
        info = load_predictor(tiny_run).info

        def predict_stream(self, sources: Iterable[object]) -> Iterator[object]:
            assert not isinstance(sources, list | tuple), "all pictures of a range in memory at once"
            yield from load_predictor(tiny_run).predict_stream(sources)

    predict_rows(Watching(), places, RowRange(0, 2))  # type: ignore[arg-type]


def test_pictures_inside_files_of_many_are_predicted_too(tiny_run: Path, tmp_path: Path) -> None:
    from fieldmark.data.readers import READERS

    table = READERS["idx"].read(make_idx(tmp_path / "digits"))
    job = make_job(table, tiny_run, PredictionOptions())
    open_job(tmp_path / "out", job, table, resume=False)
    places = job_places(tmp_path / "out", job, table.root)
    frame = pl.read_parquet(predict_rows(load_predictor(tiny_run), places, RowRange(0, 6)))
    assert frame["error"].null_count() == 6
    assert frame["label"].null_count() == 0
