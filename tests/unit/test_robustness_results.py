"""The saved result of a measure of robustness."""

from dataclasses import replace
from pathlib import Path

import pytest

from fieldmark.errors import DataError
from fieldmark.robustness_results import RobustnessResult
from robustness_stand_ins import robustness_result


def test_what_is_saved_is_what_is_read(tmp_path: Path) -> None:
    path = robustness_result().save(tmp_path)
    assert path == tmp_path / "robustness.json"
    assert RobustnessResult.load(tmp_path) == robustness_result()
    assert [entry.name for entry in tmp_path.iterdir()] == ["robustness.json"]


def test_means_are_over_kinds() -> None:
    found = robustness_result()
    assert found.auc == pytest.approx((60 + 40) / 2)
    assert found.unseen_auc == 40
    assert found.light_accuracy == pytest.approx((0.6 + 0.4) / 2)
    assert found.light_degradation == pytest.approx(1 - 0.5 / 0.8)


def test_where_all_was_trained_on_nothing_is_unseen_and_of_nothing_nothing_is_lost() -> None:
    found = robustness_result()
    trained = tuple(replace(curve, trained=True) for curve in found.curves)
    assert replace(found, curves=trained).unseen_auc is None
    assert replace(found, clean=replace(found.clean, value=0.0)).light_degradation is None


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}', '{"format": 1, "n": 1}'])
def test_a_spoilt_file_names_the_command(text: str) -> None:
    with pytest.raises(DataError) as caught:
        RobustnessResult.from_json(text)
    assert "fieldmark evaluate RUN --robustness" in caught.value.cure


def test_a_run_without_one_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--robustness"):
        RobustnessResult.load(tmp_path)
