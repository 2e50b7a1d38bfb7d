"""Records as JSON and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fieldmark.errors import DataError
from fieldmark.record_files import RecordFormat, build_record, save_text

FORMAT = RecordFormat(3, "The note", "Write it again.")


@dataclass(frozen=True)
class Leaf:
    name: str
    place: tuple[float, float] | None = None


@dataclass(frozen=True)
class Note:
    leaves: tuple[Leaf, ...]
    by_name: Mapping[str, Leaf]
    best: Leaf | None
    plain: Mapping[str, int | str | None]


NOTE = Note((Leaf("a", (1.0, 2.0)), Leaf("é")), {"b": Leaf("b")}, None, {"x": 1, "y": None})


def test_a_record_comes_back_equal() -> None:
    text = FORMAT.to_json(NOTE)
    assert FORMAT.from_json(Note, text) == NOTE
    assert "é" in text


def test_data_may_be_prepared_first() -> None:
    text = FORMAT.to_json(NOTE, spare=1)
    assert FORMAT.from_json(Note, text, lambda data: {k: v for k, v in data.items() if k != "spare"}) == NOTE


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"leaves": []}',
        '{"format": 3, "leaves": []}',
        '{"format": 3, "strange": 1}',
        FORMAT.to_json(NOTE).replace("2.0", "2.0, 3.0"),
    ],
)
def test_what_is_no_such_record_is_named_with_the_cure(text: str) -> None:
    with pytest.raises(DataError, match="The note can't be read") as caught:
        FORMAT.from_json(Note, text)
    assert caught.value.cure == "Write it again."


def test_another_format_is_named() -> None:
    with pytest.raises(DataError, match="has format 2; this version reads 3"):
        FORMAT.from_json(Note, FORMAT.to_json(NOTE).replace('"format": 3', '"format": 2'))


def test_infinite_figures_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        FORMAT.to_json(Leaf("a", (float("inf"), 0.0)))


def test_tuples_of_fixed_length_keep_it() -> None:
    assert build_record(tuple[int, int], [1, 2]) == (1, 2)
    with pytest.raises(ValueError, match="zip"):
        build_record(tuple[int, int], [1, 2, 3])


def test_a_text_replaces_the_old_one_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for text in ("old", "new é"):
        assert save_text(tmp_path / "note.json", text).read_text(encoding="utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["note.json"]
