"""One picture: what its masks and keypoints say is where the pixels are."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageFilter

from fieldmark.errors import ConfigError
from fieldmark.synthetic import (
    MARK_PARTS,
    MAX_SPECIES,
    PARTS,
    lookalike_pairs,
    render_bird,
    rendering,
    species_catalogue,
)

CATALOGUE = species_catalogue(MAX_SPECIES)
PAIRS = lookalike_pairs(CATALOGUE)


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.filter(ImageFilter.MaxFilter(2 * pixels + 1))) > 0


def marks_mask(bird, marks) -> np.ndarray:
    return np.isin(bird.mask, [PARTS.index(mark) + 1 for mark in marks])


def test_the_same_seed_gives_the_same_picture():
    first, again = (render_bird(CATALOGUE[5], seed=3, size=64) for _ in range(2))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert first.keypoints == again.keypoints
    assert first.box == again.box


def test_another_seed_gives_another_picture():
    first, other = (render_bird(CATALOGUE[5], seed=seed, size=64) for seed in (3, 4))
    assert np.abs(first.image.astype(int) - other.image).mean() > 5
    assert first.box != other.box


@pytest.mark.parametrize(("first", "second", "marks"), PAIRS, ids=lambda value: getattr(value, "name", None))
def test_lookalikes_of_one_seed_differ_in_their_marks_alone(first, second, marks):
    changed = []
    for seed in (0, 1):
        a, b = (render_bird(species, seed=seed, size=96) for species in (first, second))
        difference = np.abs(a.image.astype(int) - b.image).max(axis=2)
        place = marks_mask(a, marks) | marks_mask(b, marks)
        # Reducing the painted picture mixes the pixels along an edge.
        assert difference[~grown(place, 2)].max() == 0
        changed.append(int((difference > 25).sum()))
    assert max(changed) >= 8 * len(marks)


@pytest.mark.parametrize("part", PARTS)
def test_a_hidden_part_is_covered_and_nothing_else_moves(part):
    species = CATALOGUE[10]
    shown = render_bird(species, seed=8, size=96)
    hidden = render_bird(species, seed=8, size=96, hide=part)
    value = PARTS.index(part) + 1
    assert (shown.mask == value).sum() > 20
    assert (hidden.mask == value).sum() == 0
    assert not hidden.keypoints[value - 1].visible
    changed = (shown.image != hidden.image).any(axis=2)
    assert changed[shown.mask == value].mean() > 0.95
    # Leaves reach beyond the part, but not far; the trunk lies behind most other parts.
    place = shown.mask > 0 if part == "body" else shown.mask == value
    assert not changed[~grown(place, 10)].any()


@pytest.mark.parametrize(("first", "second", "mark"), [(a, b, marks[0]) for a, b, marks in PAIRS if len(marks) == 1])
def test_hiding_the_one_separating_mark_leaves_no_difference(first, second, mark):
    a, b = (render_bird(species, seed=2, size=64, hide=mark) for species in (first, second))
    assert np.array_equal(a.image, b.image)
    assert np.array_equal(a.mask, b.mask)
    shown = (render_bird(species, seed=2, size=64).image for species in (first, second))
    assert not np.array_equal(*shown)


def test_keypoints_lie_in_the_box_and_on_their_parts():
    on_part = []
    for number, species in enumerate(CATALOGUE):
        bird = render_bird(species, seed=number, size=128)
        left, top, width, height = bird.box
        assert left >= 0 and top >= 0 and left + width <= 128 and top + height <= 128
        assert tuple(point.name for point in bird.keypoints) == PARTS
        for value, point in enumerate(bird.keypoints, start=1):
            if point.visible:
                assert left <= point.x <= left + width
                assert top <= point.y <= top + height
                on_part.append(grown(bird.mask == value, 2)[int(point.y), int(point.x)])
    assert np.mean(on_part) > 0.97


def test_the_box_holds_the_mask():
    for number, species in enumerate(CATALOGUE):
        bird = render_bird(species, seed=number, size=96)
        rows, columns = np.nonzero(bird.mask)
        left, top, width, height = bird.box
        assert left <= columns.min() and columns.max() + 1 <= left + width
        assert top <= rows.min() and rows.max() + 1 <= top + height
        assert 0.5 * 96 <= max(width, height) <= 96


def test_separating_marks_are_rarely_hidden():
    seen = []
    for number, species in enumerate(CATALOGUE[:24] * 4):
        bird = render_bird(species, seed=1000 + number, size=96)
        visible = {point.name: point.visible for point in bird.keypoints}
        seen += [visible[species.genus.first[0]], visible[species.genus.second[0]]]
    assert np.mean(seen) > 0.95


def test_occluders_cover_some_birds(monkeypatch):
    def masks():
        return [render_bird(CATALOGUE[0], seed=seed, size=64).mask for seed in range(60)]

    with_occluders = masks()
    monkeypatch.setattr(rendering, "_OCCLUDED", 0.0)
    covered = [not np.array_equal(a, b) for a, b in zip(with_occluders, masks(), strict=True)]
    assert 0.15 < np.mean(covered) < 0.45


def test_marks_are_the_species_own():
    bird = render_bird(CATALOGUE[1], seed=0, size=48)
    assert dict(bird.marks) == dict(CATALOGUE[1].marks)
    assert tuple(bird.marks) == MARK_PARTS
    with pytest.raises(dataclasses.FrozenInstanceError):
        bird.box = (0.0, 0.0, 1.0, 1.0)  # type: ignore[misc]


@pytest.mark.parametrize("size", [48, 97, 512])
def test_every_size_gives_square_arrays(size):
    bird = render_bird(CATALOGUE[0], seed=0, size=size)
    assert bird.image.shape == (size, size, 3)
    assert bird.image.dtype == np.uint8
    assert bird.mask.shape == (size, size)
    assert set(np.unique(bird.mask)) <= set(range(len(PARTS) + 1))


def test_wrong_arguments_name_the_right_ones():
    with pytest.raises(ConfigError, match="48 to 512"):
        render_bird(CATALOGUE[0], seed=0, size=32)
    with pytest.raises(ConfigError, match="negative"):
        render_bird(CATALOGUE[0], seed=-1, size=64)
    with pytest.raises(ConfigError, match="'wing bar'"):
        render_bird(CATALOGUE[0], seed=0, size=64, hide="wingbar")
