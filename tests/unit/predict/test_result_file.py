"""Files of predictions: whole or not there, gone on with after an interruption."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fieldmark.errors import ConfigError
from fieldmark.models.bundle import BundleInfo, read_info
from fieldmark.predict import result_file
from fieldmark.predict.result_file import predict_to_file
from fieldmark.records import Decision, Prediction

CLASSES = ("ant", "bee")


class ScriptedPredictor:
    """Names pictures by their file names; stops the process, as it were, at one of them."""

    rule = None

    def __init__(self, info: BundleInfo, stop_at: str = "") -> None:
        self.info, self.stop_at, self.asked = info, stop_at, []

    def predict_stream(self, sources: Iterable[Path]) -> Iterator[Prediction]:
        for source in sources:
            self.asked.append(source.name)
            if source.name == self.stop_at:
                raise KeyboardInterrupt
            if source.name.startswith("broken"):
                yield Prediction(str(source), None, None, error="not a picture")
                continue
            label = self.info.classes[int(source.stem) % 2]
            top = ((label, 0.75), (self.info.classes[int(source.stem) % 2 - 1], 0.25))
            sure = Decision(
                known=True, novelty=0.5, candidates=("ant", "bee"), rank="class", name=label, confidence=0.9
            )
            yield Prediction(str(source), label, 0.75, top, self.info.lineage[label], decision=sure)


@pytest.fixture
def info(tiny_run: Path) -> BundleInfo:
    return read_info(tiny_run)


@pytest.fixture(autouse=True)
def _few_rows_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_file, "_TOGETHER", 3)


SOURCES = [Path("photos") / name for name in ("0.jpg", "1.jpg", "broken, \n.jpg", *(f"{n}.jpg" for n in range(2, 9)))]


def rows_of(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_holds_a_row_a_picture(form: str, info: BundleInfo, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / f"names.{form}"
    told: list[tuple[int, int]] = []
    broken = predict_to_file(
        ScriptedPredictor(info), tiny_run, SOURCES, out, form, top=2, progress=lambda *n: told.append(n)
    )
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    rows = rows_of(out)
    assert [row["source"] for row in rows] == [str(source) for source in SOURCES]
    assert [row["label"] or "" for row in rows][:3] == ["ant", "bee", ""]
    assert rows[1]["kind"] == "insect"
    assert float(str(rows[1]["probability_2"])) == 0.25
    assert [row["error"] or "" for row in rows].count("not a picture") == 1
    assert rows[0]["candidates"] == (["ant", "bee"] if form == "parquet" else "ant | bee")
    assert rows[0]["known"] in (True, "yes")
    assert not rows[2]["candidates"]
    assert [(row.path, row.reason) for row in broken] == [(str(SOURCES[2]), "not a picture")]
    assert told[-1] == (10, 10)
    if form == "parquet":
        assert pq.ParquetFile(out).num_row_groups == 4
        assert str(pq.read_schema(out).field("probability").type) == "double"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_was_interrupted_goes_on(form: str, info: BundleInfo, tiny_run: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / f"whole.{form}", tmp_path / f"names.{form}"
    predict_to_file(ScriptedPredictor(info), tiny_run, SOURCES, whole, form)
    with pytest.raises(KeyboardInterrupt):
        predict_to_file(ScriptedPredictor(info, stop_at="5.jpg"), tiny_run, SOURCES, out, form)
    assert not out.exists()
    told: list[tuple[int, int]] = []
    second = ScriptedPredictor(info)
    broken = predict_to_file(second, tiny_run, SOURCES, out, form, resume=True, progress=lambda *n: told.append(n))
    assert second.asked == ["5.jpg", "6.jpg", "7.jpg", "8.jpg"]
    assert told[0] == (7, 10)
    assert rows_of(out) == rows_of(whole)
    assert [row.reason for row in broken] == ["not a picture"]  # of the first call
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([whole.name, out.name])


def test_rows_that_were_half_written_are_made_again(info: BundleInfo, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "names.csv"
    with pytest.raises(KeyboardInterrupt):
        predict_to_file(ScriptedPredictor(info, stop_at="4.jpg"), tiny_run, SOURCES, out, "csv")
    parts = sorted((tmp_path / "names.csv.partial").glob("*.csv"))
    parts[-1].rename(parts[-1].with_name(parts[-1].name + ".partial"))  # as if cut off while it was written
    second = ScriptedPredictor(info)
    predict_to_file(second, tiny_run, SOURCES, out, "csv", resume=True)
    assert second.asked[0] == "2.jpg"
    assert [row["source"] for row in rows_of(out)] == [str(source) for source in SOURCES]


def test_interrupted_rows_are_neither_lost_nor_mixed(info: BundleInfo, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "names.csv"
    with pytest.raises(KeyboardInterrupt):
        predict_to_file(ScriptedPredictor(info, stop_at="5.jpg"), tiny_run, SOURCES, out, "csv")
    with pytest.raises(ConfigError, match="interrupted call left") as caught:
        predict_to_file(ScriptedPredictor(info), tiny_run, SOURCES, out, "csv")
    assert "--resume" in caught.value.cure
    for other in (
        {"predictor": ScriptedPredictor(replace(info, temperature=3.0))},
        {"engine": "int8"},
        {"top": 1},
    ):
        options = {"predictor": ScriptedPredictor(info), **other}
        with pytest.raises(ConfigError, match="another bundle or other options"):
            predict_to_file(run=tiny_run, sources=SOURCES, out=out, form="csv", resume=True, **options)  # type: ignore[arg-type]
    predict_to_file(ScriptedPredictor(info), tiny_run, SOURCES, out, "csv", resume=True)
    assert len(rows_of(out)) == len(SOURCES)


def test_with_nothing_left_over_resume_begins(info: BundleInfo, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "names.csv"
    out.write_text("old")
    (tmp_path / "names.csv.partial").write_text("of another format")
    predict_to_file(ScriptedPredictor(info), tiny_run, SOURCES[:2], out, "csv", resume=True)
    assert len(rows_of(out)) == 2
    predict_to_file(ScriptedPredictor(info), tiny_run, [], out, "csv")
    assert rows_of(out) == []


def test_unknown_formats_are_listed(info: BundleInfo, tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no format of results 'xlsx'") as caught:
        predict_to_file(ScriptedPredictor(info), tiny_run, SOURCES, tmp_path / "a", "xlsx")
    assert "csv, parquet" in caught.value.cure
    assert list(tmp_path.iterdir()) == []
