"""The saved result of an evaluation."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fieldmark.errors import DataError
from fieldmark.records import BrokenRow, Interval, Leak
from fieldmark.results import (
    ClassResult,
    ConfusedPair,
    EvalResult,
    LeakPair,
    LeastRisk,
    MistakeSeverity,
    Picture,
    finite,
)


def result() -> EvalResult:
    picture = Picture("7", "images/7.jpg", "wren", "robin", 0.875, "evaluation/7.jpg")
    return EvalResult(
        fingerprint="0123456789abcdef",
        split="test",
        n=3,
        classes=("robin", "wren"),
        top1=2 / 3,
        top5=1.0,
        macro_recall=0.75,
        nll=0.5,
        ece=0.125,
        accuracy_by_rank={"order": 1.0, "family": 0.75, "class": 2 / 3},
        intervals={"top1": Interval(2 / 3, 0.25, 0.75)},
        per_class=(ClassResult("robin", 1, 1.0, 0.5, 2 / 3), ClassResult("wren", 2, 0.5, None, None, "robin", 1)),
        confusion=((0, 0, 1), (1, 0, 1), (1, 1, 1)),
        resolution=96,
        fieldmark_version="0.1.0",
        evaluated_at="2026-01-02T03:04:05+00:00",
        leaks=(Leak("exact", "1", "7", "train", "test"),),
        leak_counts={"exact": 1},
        top1_without_leaks=1.0,
        pairs=(ConfusedPair("wren", "robin", 1, 0, 2, 1, 1 / 3, first_mistakes=(picture,)),),
        worst_mistakes=(picture,),
        leak_pictures=(LeakPair("exact", "train", "test", Picture("1", "images/1.jpg"), picture),),
        broken=(BrokenRow("9", "images/9.jpg", "truncated"),),
        seeds={"training": 0},
        training={"epochs": 3, "flip": True, "time_limit": None},
        warnings=("mind the gap",),
    )


def test_what_is_saved_is_what_is_read(tmp_path: Path) -> None:
    path = result().save(tmp_path)
    assert path == tmp_path / "evaluation.json"
    found = EvalResult.load(tmp_path)
    assert found == result()
    assert list(found.accuracy_by_rank) == ["order", "family", "class"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["evaluation.json"]


def test_severity_is_kept_and_older_files_without_it_are_read() -> None:
    severity = MistakeSeverity(3, None, 0.0, 1.5, LeastRisk(1.0, None, 0.0))
    found = replace(result(), severity=severity)
    assert EvalResult.from_json(found.to_json()) == found
    older = json.loads(found.to_json())
    del older["severity"]
    assert EvalResult.from_json(json.dumps(older)) == result()


def test_keys_are_sorted() -> None:
    keys = list(json.loads(result().to_json()))
    assert keys == sorted(keys)


def test_figures_must_be_finite() -> None:
    with pytest.raises(ValueError, match="JSON"):
        replace(result(), nll=float("inf")).to_json()
    assert finite(float("nan")) is None
    assert finite(0.5) == 0.5


def test_a_run_without_an_evaluation_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fieldmark evaluate"):
        EvalResult.load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 99}', '{"format": 1, "top1": 1}'])
def test_a_spoilt_file_is_an_error_with_a_cure(text: str) -> None:
    with pytest.raises(DataError) as caught:
        EvalResult.from_json(text)
    assert "fieldmark evaluate" in caught.value.cure
