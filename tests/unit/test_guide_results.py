"""The saved records of a guide."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fieldmark.errors import DataError
from fieldmark.guide_results import Guide, SplittingMark, Tally
from fieldmark.records import Interval
from guide_stand_ins import small_guide


def test_what_is_saved_is_what_is_read(tmp_path: Path) -> None:
    guide = small_guide()
    assert guide.save(tmp_path) == tmp_path / "guide.json"
    found = Guide.load(tmp_path)
    assert found == guide
    assert found.key.steps[0].first.classes
    assert found.pairs[0].first_exemplar is not None
    assert [entry.name for entry in tmp_path.iterdir()] == ["guide.json"]


def test_keys_are_sorted_and_figures_finite() -> None:
    guide = small_guide()
    keys = list(json.loads(guide.to_json()))
    assert keys == sorted(keys)
    pair = replace(guide.pairs[0], total=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        replace(guide, pairs=(pair,)).to_json()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 99}', '{"format": 1, "parts": 1}'])
def test_a_spoilt_file_is_an_error_with_a_cure(text: str) -> None:
    with pytest.raises(DataError) as caught:
        Guide.from_json(text)
    assert "fieldmark guide" in caught.value.cure


def test_a_folder_without_a_guide_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fieldmark guide"):
        Guide.load(tmp_path)


def test_a_hidden_mark_is_not_reliable() -> None:
    assert Tally(right=6, wrong=1, hidden=3).share == 0.6
    assert Tally(0, 0, 0).share is None


def test_a_mark_splits_where_its_whole_interval_lies_above_nothing() -> None:
    none = Tally(0, 0, 0)
    assert SplittingMark(0, Interval(2, 0.1, 4), None, none, none).splits
    assert not SplittingMark(0, Interval(2, -0.1, 4), None, none, none).splits
