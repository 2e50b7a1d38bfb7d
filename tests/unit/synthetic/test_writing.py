"""Generated birds on disk: CUB's files, masks and marks, written once and never over something else."""

import json
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from fieldmark.data.readers import READERS
from fieldmark.errors import ConfigError, DataError
from fieldmark.synthetic import (
    PARTS,
    generate_birds,
    marks_between,
    render_bird,
    separating_marks,
    species_catalogue,
    writing,
)


def table(path):
    return [line.split() for line in path.read_text().splitlines()]


def file_name(species):
    return species.name.replace(" ", "_")


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    return generate_birds(tmp_path_factory.mktemp("synthetic") / "birds", species=5, train=3, test=2, size=64, seed=7)


def test_the_folder_has_the_files_of_cub_and_nothing_unfinished(birds):
    found = {str(path.relative_to(birds)) for path in birds.rglob("*.*") if path.suffix not in (".jpg", ".png")}
    found = {name for name in found if not name.startswith(("images/", "masks/"))}
    assert found == {
        "attributes/attributes.txt",
        "attributes/class_attribute_labels_continuous.txt",
        "bounding_boxes.txt",
        "classes.txt",
        "generated.json",
        "image_class_labels.txt",
        "images.txt",
        "lineage.txt",
        "marks.json",
        "parts/part_locs.txt",
        "parts/parts.txt",
        "train_test_split.txt",
    }
    assert not list(birds.parent.glob("*.partial"))


def test_lists_agree_with_each_other_and_with_the_catalogue(birds):
    images, labels = table(birds / "images.txt"), table(birds / "image_class_labels.txt")
    split, boxes = table(birds / "train_test_split.txt"), table(birds / "bounding_boxes.txt")
    ids = [str(number) for number in range(1, 26)]
    for rows in (images, labels, split, boxes):
        assert [row[0] for row in rows] == ids
    classes = dict(table(birds / "classes.txt"))
    species = species_catalogue(5)
    assert list(classes.values()) == [f"{i:03d}.{file_name(s)}" for i, s in enumerate(species, start=1)]
    assert all(path.startswith(classes[label] + "/") for (_, path), (_, label) in zip(images, labels, strict=True))
    assert [sum(row[1] == "1" for row in split), sum(row[1] == "0" for row in split)] == [15, 10]
    assert [name for _, name in table(birds / "lineage.txt")] == [f"{s.genus.name}/{file_name(s)}" for s in species]
    assert [line.split(" ", 1)[1] for line in (birds / "parts/parts.txt").read_text().splitlines()] == list(PARTS)


def test_pictures_masks_and_keypoints_are_those_rendered(birds):
    species, places = species_catalogue(5)[3], table(birds / "parts/part_locs.txt")
    identity = 3 * 5 + 4 + 1
    bird = render_bird(species, seed=writing.picture_seed(7, 3, 4), size=64)
    stem = f"004.{file_name(species)}/{file_name(species)}_0005"
    assert table(birds / "images.txt")[identity - 1] == [str(identity), f"{stem}.jpg"]
    with Image.open(birds / "images" / f"{stem}.jpg") as picture:
        assert np.abs(np.asarray(picture).astype(int) - bird.image).mean() < 6
    with Image.open(birds / "masks" / f"{stem}.png") as mask:
        assert mask.mode == "P"
        assert np.array_equal(np.asarray(mask), bird.mask)
    rows = [row[1:] for row in places if row[0] == str(identity)]
    expected = [
        [str(i), str(k.x), str(k.y), "1"] if k.visible else [str(i), "0.0", "0.0", "0"]
        for i, k in enumerate(bird.keypoints, start=1)
    ]
    assert rows == expected
    assert [float(v) for v in table(birds / "bounding_boxes.txt")[identity - 1][1:]] == list(bird.box)


def test_attributes_say_the_marks(birds):
    names = [name for _, name in table(birds / "attributes/attributes.txt")]
    rows = table(birds / "attributes/class_attribute_labels_continuous.txt")
    for species, row in zip(species_catalogue(5), rows, strict=True):
        held = {name for name, share in zip(names, row, strict=True) if float(share) == 100}
        assert held == {f"has_{part}::{value}".replace(" ", "_") for part, value in species.marks.items()}


def test_separating_marks_are_those_of_the_catalogue(birds):
    species = species_catalogue(5)
    found = separating_marks(birds)
    expected = {(a.name, b.name): marks_between(a, b) for a, b in combinations(species[:4], 2)}
    assert found == expected | {(b, a): marks for (a, b), marks in expected.items()}


def test_separating_marks_of_another_folder_is_an_error_with_the_cure(tmp_path):
    with pytest.raises(DataError, match="generated birds"):
        separating_marks(tmp_path)
    (tmp_path / "marks.json").write_text("[1")
    with pytest.raises(DataError, match="generated birds"):
        separating_marks(tmp_path)


def test_a_folder_of_the_same_settings_is_reused(birds):
    before = (birds / "images.txt").stat().st_mtime_ns
    again = generate_birds(birds, species=5, train=3, test=2, size=64, seed=7, progress=lambda *_: pytest.fail())
    assert again == birds
    assert (birds / "images.txt").stat().st_mtime_ns == before


def test_a_folder_of_other_settings_is_refused(birds):
    with pytest.raises(DataError, match="other settings") as error:
        generate_birds(birds, species=5, train=3, test=2, size=64, seed=8)
    assert "another folder" in error.value.cure


def test_a_foreign_folder_or_file_is_never_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for place in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(DataError, match="isn't a folder of generated birds"):
            generate_birds(place, species=2, train=1, test=0, size=48)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_folder_is_filled_and_an_abandoned_attempt_replaced(tmp_path):
    out, partial = tmp_path / "birds", tmp_path / "birds.partial"
    out.mkdir()
    partial.mkdir()
    (partial / "half.txt").write_text("")
    steps = []
    generate_birds(out, species=2, train=1, test=1, size=48, progress=lambda *step: steps.append(step))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (out / "generated.json").exists()
    assert not (out / "half.txt").exists() and not partial.exists()


def test_a_picture_does_not_depend_on_how_many_there_are(birds, tmp_path):
    larger = generate_birds(tmp_path / "larger", species=6, train=4, test=2, size=64, seed=7)
    for path in (birds / "images").rglob("*.jpg"):
        assert path.read_bytes() == (larger / path.relative_to(birds)).read_bytes()


def test_several_processes_write_what_one_writes(tmp_path, monkeypatch):
    settings = {"species": 2, "train": 2, "test": 0, "size": 48}
    one = generate_birds(tmp_path / "one", **settings)
    monkeypatch.setattr(writing, "_WORTH_A_POOL", 1)
    monkeypatch.setattr(writing, "_processors", lambda: 2)
    several = generate_birds(tmp_path / "several", **settings)
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(files) == 12 + 8
    assert files == sorted(path.relative_to(several) for path in several.rglob("*") if path.is_file())
    assert all((one / name).read_bytes() == (several / name).read_bytes() for name in files)


@pytest.mark.parametrize(
    ("wrong", "cure"),
    [
        ({"species": 49}, "2 to 48"),
        ({"train": 0}, "at least 1"),
        ({"test": -1}, "fewer than 0"),
        ({"size": 600}, "48 to 512"),
        ({"seed": -1}, "0 or above"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(tmp_path, wrong, cure):
    with pytest.raises(ConfigError) as error:
        generate_birds(tmp_path / "birds", **({"species": 2, "train": 1, "test": 0} | wrong))
    assert cure in error.value.cure
    assert not list(tmp_path.iterdir())


def test_the_reader_of_cub_reads_it_with_the_names_of_the_marks(birds):
    read = READERS["cub"].read(birds)
    species = species_catalogue(5)
    assert read.classes == tuple(s.name for s in species)
    assert set(separating_marks(birds)) <= {(a, b) for a in read.classes for b in read.classes}
    assert read.part_names == PARTS
    assert read.counts() == {"test": 10, "train": 15}
    assert read.lineage_of() == {s.name: (s.genus.name, s.name) for s in species}


def test_marks_json_lists_parts_and_species(birds):
    marks = json.loads((birds / "marks.json").read_text())
    assert marks["parts"] == list(PARTS)
    assert marks["species"] == {s.name: dict(s.marks) for s in species_catalogue(5)}
