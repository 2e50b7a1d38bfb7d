import json
import shutil
from pathlib import Path

import pytest

from fieldmark.errors import BundleError
from fieldmark.models.bundle import CARD_FILE, read_info
from fieldmark.models.reference import REFERENCE_FILE
from fieldmark.predict import load_predictor
from fieldmark.predict.deciding import RULE_FILE, load_decider


@pytest.fixture
def run(deciding_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(deciding_run, tmp_path / "run"))


def test_the_bundle_holds_the_rule_its_temperature_and_the_limits(run: Path, tiny_run: Path) -> None:
    info, before = read_info(run), read_info(tiny_run)
    assert info.temperature != before.temperature
    assert info.limits == ("It was fitted on noise.",)
    card = (run / "bundle" / CARD_FILE).read_text(encoding="utf-8")
    assert "It was fitted on noise." in card
    assert "gets one of their names" not in card
    assert "gets one of their names" in (tiny_run / "bundle" / CARD_FILE).read_text(encoding="utf-8")
    assert {RULE_FILE, REFERENCE_FILE} <= {path.name for path in (run / "bundle").iterdir()}
    decider = load_decider(run, info)
    assert decider is not None
    assert decider.rule.source == "noise"
    assert load_decider(tiny_run, before) is None


def test_a_rule_that_cannot_be_read_is_an_error_and_not_ignored(run: Path) -> None:
    path = run / "bundle" / RULE_FILE
    path.write_text("{")
    with pytest.raises(BundleError, match=RULE_FILE) as caught:
        load_predictor(run)
    assert "fieldmark calibrate" in caught.value.cure


def test_a_rule_of_other_classes_is_an_error(run: Path) -> None:
    path = run / "bundle" / RULE_FILE
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"class_thresholds": data["class_thresholds"][:3]}))
    with pytest.raises(BundleError, match="of 3 classes, not of 5"):
        load_predictor(run)


def test_missing_reference_pictures_are_an_error_where_the_score_looks_at_them(run: Path) -> None:
    (run / "bundle" / REFERENCE_FILE).unlink()
    with pytest.raises(BundleError, match="Reference pictures are missing"):
        load_predictor(run)
