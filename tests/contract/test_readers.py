"""Every reader meets the one contract; a new one is one line in ``format_examples.EXAMPLES``."""

import sys
from pathlib import Path

import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the test folders are no packages
from fieldmark.data.audio import decode_sound
from fieldmark.data.images import load_fitted
from fieldmark.data.readers import READERS
from fieldmark.data.reading import read_table
from fieldmark.data.table import SCHEMA, SPLITS, Table
from fieldmark.errors import DataError
from fieldmark.records import Preprocessing
from format_examples import EXAMPLES, write


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, EXAMPLES[request.param](tmp_path_factory.mktemp(request.param) / "data")


def test_every_reader_has_an_example() -> None:
    assert set(EXAMPLES) == set(READERS)


def test_the_format_is_recognised_as_just_this_one(example: tuple[str, Path]) -> None:
    name, path = example
    table = read_table(path)
    assert table.reader == name
    assert table.recognised_by == READERS[name].recognise(path)
    assert READERS[name].looks_for


def test_it_reads_a_valid_table(example: tuple[str, Path]) -> None:
    name, path = example
    table = READERS[name].read(path)
    frame = table.frame
    assert dict(frame.schema) == SCHEMA
    assert len(table) == 6
    assert frame["id"].n_unique() == 6
    assert set(frame["split"].drop_nulls()) <= set(SPLITS)
    assert set(frame["label"].drop_nulls()) == set(table.classes)
    assert len(table.classes) == (0 if name == "flat" else 2)
    for lineage, label in frame.filter(pl.col("lineage").is_not_null()).select("lineage", "label").iter_rows():
        assert len(lineage) == len(table.rank_names)
        assert lineage[-1] == label
    for parts in frame["parts"].drop_nulls():
        assert {part["name"] for part in parts} <= set(table.part_names)
    for values in frame["attributes"].drop_nulls():
        assert len(values) == len(table.attribute_names)


def test_every_row_leads_to_a_sample_and_no_two_to_the_same(example: tuple[str, Path]) -> None:
    table = READERS[example[0]].read(example[1])
    assert (table.frame["path"].is_null() == table.frame["text"].is_not_null()).all()
    samples = {sample(table.root, path, text) for path, text in table.frame.select("path", "text").iter_rows()}
    assert len(samples) == 6


def sample(root: Path, path: str | None, text: str | None) -> bytes | str | None:
    """What a row holds, in a form that can be compared."""
    if path is None:
        return text
    if path.endswith(".wav"):
        return decode_sound(root / path).tobytes()
    return load_fitted(root, path, Preprocessing(8)).pixels.tobytes()


def test_it_reads_the_same_again_and_from_a_saved_table(example: tuple[str, Path], tmp_path: Path) -> None:
    table = READERS[example[0]].read(example[1])
    assert READERS[example[0]].read(example[1]).frame.equals(table.frame)
    table.save(tmp_path / "table.parquet")
    again = Table.load(tmp_path / "table.parquet")
    assert again.frame.equals(table.frame)
    assert again.fingerprint() == table.fingerprint()
    assert (again.classes, again.rank_names, again.part_names) == (table.classes, table.rank_names, table.part_names)


@pytest.mark.parametrize("name", READERS)
def test_what_is_not_its_format_is_refused_with_a_message(name: str, tmp_path: Path) -> None:
    write(tmp_path, {"notes.doc": "no data", "empty.parquet": b"", "folder/x": "x", "bad.json": "["})
    for place in ("", "notes.doc", "empty.parquet", "folder", "bad.json", "missing", "missing.csv", "notes.doc/x"):
        assert READERS[name].recognise(tmp_path / place) is None
        with pytest.raises(DataError) as caught:
            READERS[name].read(tmp_path / place)
        assert caught.value.cure
