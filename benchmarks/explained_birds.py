"""Generated individuals for explanations: every one drawn as all species of its genus, and with each mark hidden."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fieldmark.data.images import fit_image
from fieldmark.records import Preprocessing
from fieldmark.synthetic import MARK_PARTS, PARTS, Species, marks_between, render_bird, species_catalogue

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Bird:
    """One individual drawn as one species.

    Attributes:
        species: its species' name.
        pixels: the fitted picture (R, R, 3).
        masks: mark → where it is seen (R, R).
        hidden: mark → the fitted picture with the mark behind leaves (R, R, 3).
        visible: the marks of which enough is seen.
    """

    species: str
    pixels: Pixels
    masks: dict[str, Mask]
    hidden: dict[str, Pixels]
    visible: frozenset[str]

    def without(self, marks: Iterable[str]) -> Pixels:
        """Return the picture with several marks hidden: each one's leaves are laid over the picture in turn.

        Where the edges of two marks' leaves meet, a pixel may still hold a trace of the earlier mark.
        """
        picture = self.pixels.copy()
        for mark in marks:
            leaves = (self.hidden[mark] != self.pixels).any(2)
            picture[leaves] = self.hidden[mark][leaves]
        return picture


@dataclass(frozen=True)
class Individual:
    """One individual, drawn as the four species of its genus: the pictures differ in nothing but the marks.

    Attributes:
        birds: as each species, in the catalogue's order: plain, first mark, second mark, both.
        varying: the genus's first and second varying mark.
    """

    birds: tuple[Bird, ...]
    varying: tuple[str, str]

    def pairs(self) -> Iterator[tuple[Bird, Bird, str]]:
        """Yield every ordered pair of birds that differ in one mark, with the mark."""
        for one, other in combinations(range(len(self.birds)), 2):
            marks = self.differences(one, other)
            if len(marks) == 1:
                yield self.birds[one], self.birds[other], marks[0]
                yield self.birds[other], self.birds[one], marks[0]

    def has(self, bird: Bird, mark: str) -> bool:
        """Say whether one of the individual's birds has a varying mark; the other species of the pair lacks it."""
        place = next(index for index, each in enumerate(self.birds) if each is bird)
        return bool(place >> self.varying.index(mark) & 1)

    def differences(self, one: int, other: int) -> tuple[str, ...]:
        """Return the marks in which two of its species differ; the species' places are their marks in binary."""
        return tuple(mark for bit, mark in enumerate(self.varying) if (one >> bit & 1) != (other >> bit & 1))


def draw_individuals(
    species: int, count: int, size: int, preprocessing: Preprocessing, *, first: int
) -> Iterator[Individual]:
    """Draw individuals of every genus; none of them is in a generated data set.

    Args:
        species: species of the catalogue, four to a genus.
        count: individuals of each genus.
        size: side of the drawn picture in px.
        preprocessing: how it is fitted.
        first: the first individual's seed, beyond those of any generated data set.
    """
    catalogue = species_catalogue(species)
    for start in range(0, len(catalogue) - 3, 4):
        genus = catalogue[start : start + 4]
        varying = (marks_between(genus[0], genus[1])[0], marks_between(genus[0], genus[2])[0])
        for number in range(count):
            seed = first + start * 10_000 + number
            yield Individual(tuple(_draw(one, seed, size, preprocessing) for one in genus), varying)


def _draw(species: Species, seed: int, size: int, preprocessing: Preprocessing) -> Bird:
    drawn = render_bird(species, seed=seed, size=size)
    labels = Image.fromarray(drawn.mask).resize((preprocessing.resolution,) * 2, Image.Resampling.NEAREST)
    parts = np.asarray(labels)
    return Bird(
        species=species.name,
        pixels=_fitted(drawn.image, preprocessing),
        masks={mark: parts == PARTS.index(mark) + 1 for mark in MARK_PARTS},
        hidden={
            mark: _fitted(render_bird(species, seed=seed, size=size, hide=mark).image, preprocessing)
            for mark in MARK_PARTS
        },
        visible=frozenset(point.name for point in drawn.keypoints if point.visible and point.name in MARK_PARTS),
    )


def _fitted(image: Pixels, preprocessing: Preprocessing) -> Pixels:
    return fit_image(Image.fromarray(image), preprocessing).pixels


def stacked(pictures: Sequence[Pixels]) -> Pixels:
    """Return pictures as one array (B, R, R, 3)."""
    return np.stack(pictures)
