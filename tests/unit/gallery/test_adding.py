"""Adding a class: what changes, what stays, what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.data.table import Table
from fieldmark.errors import BundleError, ConfigError, DataError
from fieldmark.explain import field_marks
from fieldmark.gallery import add_class
from fieldmark.gallery.stored import GALLERY_FILE, StoredPictures
from fieldmark.models.bundle import read_info
from fieldmark.models.reference import load_reference
from fieldmark.predict import load_predictor
from gallery_stand_ins import COLOURS, NEW, write_colour_run, write_pictures


def noise(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return write_pictures(tmp_path / "new", 25)


def test_a_new_class_is_recognised_and_the_old_ones_stay(colour_run: Path, pictures: list[Path]) -> None:
    added = add_class(colour_run, NEW, pictures[:5], lineage=("warm",))
    predictor = load_predictor(added.bundle)
    rows = predictor(pictures[5:])
    assert sum(row.label == NEW for row in rows) >= 0.8 * len(rows)
    assert rows[0].lineage == ("warm", NEW)
    test = Table.load(colour_run / "table.parquet").split("test")
    old = predictor([test.root / path for path in test.frame["path"]])
    before = load_predictor(colour_run)([test.root / path for path in test.frame["path"]])
    assert [row.label for row in old] == [row.label for row in before]
    assert added.recognised is not None
    assert added.recognised >= 0.6
    assert added.taken == 0
    assert added.pictures == 5


def test_the_old_classes_keep_their_logits_and_evidence_still_adds_up(colour_run: Path, pictures: list[Path]) -> None:
    before = load_predictor(colour_run).outputs(noise())
    added = add_class(colour_run, NEW, pictures[:3])
    after = load_predictor(added.bundle).outputs(noise())
    assert after.logits.shape == (6, len(COLOURS) + 1)
    assert np.abs(after.logits[:, :-1] - before.logits).max() < 1e-4
    bias = after.logits - after.evidence.sum(1)
    assert np.abs(bias - bias[0]).max() < 1e-3


def test_evidence_adds_up_part_by_part(quadrant_run: Path, tmp_path: Path) -> None:
    before = load_predictor(quadrant_run)
    pixels = np.random.default_rng(2).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    files = write_pictures(tmp_path / "new", 4)
    added = add_class(quadrant_run, "Kea", files, out=tmp_path / "kea", cache=tmp_path / "cache")
    after = load_predictor(added.bundle).outputs(pixels)
    assert after.evidence.shape == (4, 5, 4)
    assert np.abs(after.evidence[..., -1]).min() > 0  # every part has a say of it
    bias = after.logits - after.evidence.sum(1)
    assert np.abs(bias - bias[0]).max() < 1e-3
    assert np.abs(after.logits[:, :-1] - before.outputs(pixels).logits).max() < 1e-4
    found = field_marks(added.bundle, pixels[0], load_predictor(added.bundle)(list(pixels[:1]))[0].top[-1][0])
    assert found.exact
    assert {mark.part for mark in found.marks} == set(before.info.part_names)
    assert abs(found.unexplained) < 1e-3


def test_the_old_bundle_is_never_changed(colour_run: Path, pictures: list[Path]) -> None:
    before = everything_in(colour_run / "bundle")
    added = add_class(colour_run, "Great  Violet/1", pictures[:2])
    assert added.bundle == colour_run / "bundle-with-great-violet-1"
    assert added.kept is None
    assert everything_in(colour_run / "bundle") == before
    assert not list(colour_run.glob("*.changed"))


def test_in_place_the_old_one_is_kept_under_another_name(colour_run: Path, pictures: list[Path]) -> None:
    before = everything_in(colour_run / "bundle")
    added = add_class(colour_run, NEW, pictures[:2], out=colour_run / "bundle")
    assert added.bundle == colour_run / "bundle"
    assert added.kept == colour_run / "bundle-before-1"
    assert everything_in(added.kept) == before
    assert read_info(colour_run).classes[-1] == NEW
    again = add_class(colour_run, "pink", pictures[2:4], out=colour_run / "bundle")
    assert again.kept == colour_run / "bundle-before-2"
    assert read_info(colour_run).classes[-2:] == (NEW, "pink")


def test_a_bundle_that_is_cut_off_half_way_leaves_the_old_one(
    colour_run: Path, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything_in(colour_run / "bundle")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StoredPictures, "save", fail)
    with pytest.raises(OSError, match="No space"):
        add_class(colour_run, NEW, pictures[:2], out=colour_run / "bundle")
    assert everything_in(colour_run / "bundle") == before
    assert not list(colour_run.glob("bundle?*"))


def test_a_bundle_elsewhere_takes_a_further_class_without_the_run(
    colour_run: Path, pictures: list[Path], tmp_path: Path
) -> None:
    added = add_class(colour_run, NEW, pictures[:5], out=tmp_path / "far" / "bundle")
    grey = write_pictures(tmp_path / "grey", 12, ((128, 128, 128), (120, 120, 120)))
    again = add_class(added.bundle, "grey", grey[:5], out=tmp_path / "farther")
    predictor = load_predictor(again.bundle)
    assert predictor.info.classes == (*COLOURS, NEW, "grey")
    assert sum(row.label == "grey" for row in predictor(grey[5:])) >= 6
    assert sum(row.label == NEW for row in predictor(pictures[5:])) >= 14
    assert predictor.info.training["classes_added"] == f"{NEW}, grey"


def test_what_is_promised_is_fitted_again(colour_run: Path, pictures: list[Path]) -> None:
    before = load_predictor(colour_run).rule
    added = add_class(colour_run, NEW, pictures[:5])
    predictor = load_predictor(added.bundle)
    assert before is not None
    assert predictor.rule is not None
    assert len(predictor.rule.class_thresholds) == len(before.class_thresholds) + 1
    assert predictor.rule.rows == before.rows + 5  # the class's own pictures, each by a row without it
    assert (predictor.rule.coverage, predictor.rule.score) == (before.coverage, before.score)
    assert "of 5 classes" in predictor.rule.source
    reference = load_reference(added.bundle)
    assert reference is not None
    assert (reference.labels == len(COLOURS)).sum() == 5
    assert sum(row.decision.known for row in predictor(pictures[5:]) if row.decision) >= 15
    assert predictor.info.results == {}  # measured on other classes
    assert any("held-out pictures" in sentence for sentence in predictor.info.limits)


def test_a_run_without_decisions_goes_on_without(colour_run: Path, pictures: list[Path]) -> None:
    (colour_run / "bundle" / "decisions.json").unlink()
    added = add_class(colour_run, NEW, pictures[:3])
    predictor = load_predictor(added.bundle)
    assert predictor.rule is None
    assert predictor.info.temperature == read_info(colour_run).temperature
    assert not any("decides nothing" in note for note in added.notes)


def test_decisions_that_can_t_be_fitted_again_go_and_it_is_said(colour_run: Path, pictures: list[Path]) -> None:
    stored = StoredPictures.load(colour_run)
    few = stored.take(np.flatnonzero([split == "train" for split in stored.splits]).astype(np.int64))
    few.save(colour_run)
    added = add_class(colour_run, NEW, pictures[:3])
    assert load_predictor(added.bundle).rule is None
    assert any("decides nothing any more" in note for note in added.notes)
    assert any("No pictures are held out" in note for note in added.notes)
    assert added.taken is None


def test_one_picture_is_enough_and_twenty_five_are_worth_a_training(colour_run: Path, pictures: list[Path]) -> None:
    one = add_class(colour_run, NEW, pictures[:1])
    assert one.recognised is None
    assert any("One picture tells little" in note for note in one.notes)
    assert load_predictor(one.bundle)([pictures[0]])[0].label == NEW
    many = add_class(colour_run, "violets", pictures)
    assert any("worth a training" in note for note in many.notes)


def test_broken_pictures_are_named_and_the_same_picture_counts_once(
    colour_run: Path, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "cut.png").write_bytes(pictures[0].read_bytes()[:60])
    (tmp_path / "copy.png").write_bytes(pictures[0].read_bytes())
    given = [pictures[0], tmp_path / "cut.png", tmp_path / "copy.png", ("named", b""), pictures[1]]
    added = add_class(colour_run, NEW, given)
    assert added.pictures == 2
    assert [Path(row.path).name for row in added.broken] == ["cut.png", "named"]
    assert all(row.reason for row in added.broken)


def test_pictures_in_memory_are_taken(colour_run: Path, pictures: list[Path]) -> None:
    arrays = [np.asarray(Image.open(path)) for path in pictures[:3]]
    assert add_class(colour_run, NEW, arrays).pictures == 3


def test_a_picture_of_an_old_class_is_noticed(colour_run: Path, pictures: list[Path]) -> None:
    table = Table.load(colour_run / "table.parquet")
    known = table.root / table.split("train").frame["path"][0]
    added = add_class(colour_run, NEW, [*pictures[:2], known])
    assert any("looks the same as" in note and "of red" in note for note in added.notes)


@pytest.mark.parametrize("name", ["red", "RED", " red "])
def test_a_name_that_is_taken_is_refused(colour_run: Path, pictures: list[Path], name: str) -> None:
    with pytest.raises(ConfigError, match="There is a class 'red' already") as caught:
        add_class(colour_run, name, pictures[:2])
    assert "remove-class" in caught.value.cure


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
def test_a_name_that_can_t_be_one_is_refused(colour_run: Path, pictures: list[Path], name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        add_class(colour_run, name, pictures[:2])


@pytest.mark.parametrize("lineage", [("a", "b"), ("", NEW), ("warm", "other"), ("a", "b", NEW)])
def test_a_lineage_of_other_ranks_is_refused(colour_run: Path, pictures: list[Path], lineage: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="does not fit") as caught:
        add_class(colour_run, NEW, pictures[:2], lineage=lineage)
    assert "warmth" in caught.value.cure


def test_without_a_lineage_that_is_said(colour_run: Path, pictures: list[Path]) -> None:
    assert any("no lineage" in note for note in add_class(colour_run, NEW, pictures[:2]).notes)


def test_no_picture_and_only_broken_ones_are_refused(colour_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures of the class"):
        add_class(colour_run, NEW, [])
    with pytest.raises(DataError, match="None of the 2 pictures can be read") as caught:
        add_class(colour_run, NEW, [("a.jpg", b"x"), tmp_path / "missing.png"])
    assert "a.jpg: " in caught.value.message
    assert "missing.png: " in caught.value.message
    assert not list(colour_run.glob("bundle-*"))


def test_a_place_that_is_taken_is_refused(colour_run: Path, pictures: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is there already"):
        add_class(colour_run, NEW, pictures[:2], out=tmp_path / "new")


@pytest.mark.parametrize("head", ["attention", "second_order"])
def test_a_head_that_mixes_is_refused(tmp_path: Path, pictures: list[Path], head: str) -> None:
    run = write_colour_run(tmp_path / "mixing", head=head)
    with pytest.raises(ConfigError, match="mixes everything") as caught:
        add_class(run, NEW, pictures[:2])
    assert "--head linear or --head additive" in caught.value.cure


def test_a_bundle_without_its_pictures_is_refused(colour_run: Path, pictures: list[Path], tmp_path: Path) -> None:
    (colour_run / "bundle").rename(tmp_path / "alone")
    with pytest.raises(DataError, match="does not say which pictures") as caught:
        add_class(tmp_path / "alone", NEW, pictures[:2], cache=tmp_path / "cache")
    assert "run's folder" in caught.value.cure
    with pytest.raises(BundleError):
        add_class(tmp_path / "nowhere", NEW, pictures[:2])


def test_a_damaged_gallery_of_a_bundle_is_an_error_with_its_cure(
    colour_run: Path, pictures: list[Path], tmp_path: Path
) -> None:
    added = add_class(colour_run, NEW, pictures[:2], out=tmp_path / "far")
    (added.bundle / GALLERY_FILE).write_bytes(b"\0" * 100)
    with pytest.raises(BundleError, match="can't be read"):
        add_class(added.bundle, "pink", pictures[2:4])


def test_nothing_in_the_bundle_names_a_place_outside_but_the_pictures(
    colour_run: Path, pictures: list[Path], tmp_path: Path
) -> None:
    added = add_class(colour_run, NEW, pictures[:2])
    info = json.loads((added.bundle / "bundle.json").read_text(encoding="utf-8"))
    assert info["classes"] == [*COLOURS, NEW]
    assert info["model"]["classes"] == len(COLOURS) + 1
    assert str(tmp_path) not in json.dumps(info)
