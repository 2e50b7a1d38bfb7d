"""Taking a class away: one that was added, and one that was trained."""

from pathlib import Path

import numpy as np
import pytest

from fieldmark.errors import ConfigError, DataError
from fieldmark.gallery import add_class, remove_class
from fieldmark.gallery.stored import StoredPictures
from fieldmark.models.bundle import read_info
from fieldmark.models.reference import load_reference
from fieldmark.predict import load_predictor
from fieldmark.predict.contract import Predictor
from gallery_stand_ins import COLOURS, NEW, write_pictures


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return write_pictures(tmp_path / "new", 12)


def said(predictor: Predictor, pictures: list[Path]) -> list[object]:
    return [(row.label, row.probability, row.top, row.lineage, row.decision) for row in predictor(pictures)]


def test_what_was_added_last_goes_and_everything_is_as_before(colour_run: Path, pictures: list[Path]) -> None:
    before = load_predictor(colour_run)
    added = add_class(colour_run, NEW, pictures[:5], lineage=("warm",))
    removed = remove_class(added.bundle, NEW)
    after = load_predictor(removed.bundle)
    assert said(after, pictures) == said(before, pictures)
    assert after.rule == before.rule
    assert after.info.temperature == before.info.temperature
    assert after.info.lineage == before.info.lineage
    assert after.info.results == before.info.results
    assert "classes_added" not in after.info.training
    assert NEW not in set(StoredPictures.load(removed.bundle).labels)


def test_classes_go_in_any_order(colour_run: Path, pictures: list[Path], tmp_path: Path) -> None:
    grey = write_pictures(tmp_path / "grey", 4, ((128, 128, 128), (120, 120, 120)))
    first = add_class(colour_run, NEW, pictures[:4])
    second = add_class(first.bundle, "grey", grey, out=tmp_path / "both")
    less = remove_class(second.bundle, NEW, out=tmp_path / "grey alone")
    alone = load_predictor(less.bundle)
    assert alone.info.classes == (*COLOURS, "grey")
    assert alone.info.training["classes_added"] == "grey"
    both = load_predictor(second.bundle).outputs(np.zeros((1, 32, 32, 3), np.uint8)).logits
    kept = np.delete(both, len(COLOURS), axis=1)
    assert alone.outputs(np.zeros((1, 32, 32, 3), np.uint8)).logits == pytest.approx(kept, abs=1e-4)
    assert alone.rule is not None
    assert len(alone.rule.class_thresholds) == len(COLOURS) + 1


def test_a_class_that_was_trained_goes_with_its_pictures(colour_run: Path) -> None:
    removed = remove_class(colour_run, "green")
    predictor = load_predictor(removed.bundle)
    assert removed.bundle == colour_run / "bundle-without-green"
    assert predictor.info.classes == ("red", "blue", "yellow")
    assert "green" not in predictor.info.lineage
    assert "green" not in set(StoredPictures.load(removed.bundle).labels)
    reference = load_reference(removed.bundle)
    assert reference is not None
    assert sorted(set(reference.labels.tolist())) == [0, 1, 2]
    assert {name.split("-")[0] for name in reference.ids} == {"red", "blue", "yellow"}
    assert predictor.rule is not None
    assert predictor.rule.rows == 30  # ten held-out pictures of each that stays


def test_in_place_the_old_bundle_is_kept(colour_run: Path) -> None:
    removed = remove_class(colour_run, "green", out=colour_run / "bundle")
    assert removed.kept == colour_run / "bundle-before-1"
    assert "green" in read_info(removed.kept).classes
    assert "green" not in read_info(colour_run).classes


def test_an_unknown_class_and_the_last_two_are_refused(colour_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no class 'gren'") as caught:
        remove_class(colour_run, "gren")
    assert "'green'" in caught.value.cure
    fewer = remove_class(remove_class(colour_run, "green").bundle, "red", out=tmp_path / "two")
    with pytest.raises(ConfigError, match="one class"):
        remove_class(fewer.bundle, "blue")


def test_decisions_of_too_few_pictures_go_and_it_is_said(colour_run: Path, tmp_path: Path) -> None:
    fewer = remove_class(remove_class(colour_run, "green").bundle, "red", out=tmp_path / "two")
    assert any("decides nothing any more" in note for note in fewer.notes)
    assert load_predictor(fewer.bundle).rule is None


def test_a_copied_bundle_without_pictures_loses_a_class_only_if_it_decides_nothing(
    colour_run: Path, tmp_path: Path
) -> None:
    (colour_run / "bundle").rename(tmp_path / "alone")
    with pytest.raises(DataError, match="does not say which pictures"):
        remove_class(tmp_path / "alone", "green", cache=tmp_path / "cache")
    (tmp_path / "alone" / "decisions.json").unlink()
    removed = remove_class(tmp_path / "alone", "green")
    assert load_predictor(removed.bundle).info.classes == ("red", "blue", "yellow")
