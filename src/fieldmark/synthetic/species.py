"""The catalogue: genera with their build and plumage, species with their marks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations, islice
from types import MappingProxyType

from fieldmark.errors import ConfigError, unknown_name

#: An RGB colour, 0..255 each.
Colour = tuple[int, int, int]

#: The parts that can be a mark; a mark has the name of its part.
MARK_PARTS = ("bill", "crown", "eye ring", "throat", "breast", "wing bar", "rump", "tail", "legs")

#: All parts in the order of ``parts.txt``; a part's value in a mask is its place here plus one.
PARTS = (*MARK_PARTS, "head", "wing", "body")

DARK: Colour = (52, 50, 56)
BLACK: Colour = (30, 28, 32)
WHITE: Colour = (244, 242, 234)
ORANGE: Colour = (238, 128, 32)
RUFOUS: Colour = (176, 74, 30)
YELLOW: Colour = (240, 204, 50)
RED: Colour = (206, 44, 40)


@dataclass(frozen=True, slots=True)
class Paint:
    """How a mark's part is painted.

    Attributes:
        colour: the mark's colour; ``None`` leaves the part as the plumage around it.
        pattern: what is painted with it, in the words of ``drawing``; ``"fill"`` is the whole part.
    """

    colour: Colour | None = None
    pattern: str = "fill"


#: For every mark, the values that it may have and how each is painted.
MARK_VALUES: Mapping[str, Mapping[str, Paint]] = MappingProxyType(
    {
        "bill": {
            "dark": Paint(DARK),
            "orange": Paint(ORANGE),
            "yellow": Paint(YELLOW),
            "dark-tipped": Paint(YELLOW, "dark tip"),
        },
        "crown": {
            "plain": Paint(),
            "rufous": Paint(RUFOUS),
            "black": Paint(BLACK),
            "white stripe": Paint(WHITE, "stripe"),
            "yellow": Paint(YELLOW),
        },
        "eye ring": {"none": Paint(), "white": Paint(WHITE), "yellow": Paint(YELLOW)},
        "throat": {
            "plain": Paint(),
            "white": Paint(WHITE),
            "black": Paint(BLACK),
            "rufous": Paint(RUFOUS),
            "yellow": Paint(YELLOW),
        },
        "breast": {
            "plain": Paint(),
            "streaked": Paint(DARK, "streaks"),
            "spotted": Paint(DARK, "spots"),
            "banded": Paint(DARK, "band"),
        },
        "wing bar": {
            "none": Paint(),
            "one white": Paint(WHITE, "one bar"),
            "two white": Paint(WHITE, "two bars"),
            "one yellow": Paint(YELLOW, "one bar"),
        },
        "rump": {
            "plain": Paint(),
            "white": Paint(WHITE),
            "yellow": Paint(YELLOW),
            "rufous": Paint(RUFOUS),
        },
        "tail": {
            "plain": Paint(),
            "white-tipped": Paint(WHITE, "tip"),
            "black-banded": Paint(BLACK, "band"),
            "forked": Paint(None, "forked"),
        },
        "legs": {"dark": Paint(DARK), "orange": Paint(ORANGE), "yellow": Paint(YELLOW), "red": Paint(RED)},
    }
)


@dataclass(frozen=True, slots=True)
class Build:
    """The proportions of a genus; lengths are fractions of the body's length.

    Attributes:
        depth: depth of the body.
        posture: angle of the body's axis above the horizontal, degrees.
        head: radius of the head.
        neck: how far the neck lifts the head off the body.
        bill: shape of the bill: ``"conical"``, ``"thin"``, ``"hooked"``, ``"dagger"``, ``"curved"`` or
            ``"broad"``.
        bill_length: length of the bill.
        bill_depth: depth of the bill at its base.
        tail: length of the tail.
        tail_width: width of the tail's end.
        legs: length of the legs below the belly.
        crest: length of the crest; 0 where there is none.
    """

    depth: float
    posture: float
    head: float
    neck: float
    bill: str
    bill_length: float
    bill_depth: float
    tail: float
    tail_width: float
    legs: float
    crest: float = 0.0


@dataclass(frozen=True, slots=True)
class Plumage:
    """The colours that the species of a genus share where no mark lies."""

    back: Colour
    wing: Colour
    head: Colour
    belly: Colour


@dataclass(frozen=True, slots=True)
class Genus:
    """A group of lookalikes: one build, one plumage, two marks that vary.

    Attributes:
        name: the genus's Latin-like name.
        group: the English word that ends its species' names.
        build: the proportions.
        plumage: the shared colours.
        base: the marks of the plainest species; every mark that is not named has its first value.
        first: the first varying mark and its other value.
        second: the second varying mark and its other value.
        epithets: the English first words of its four species.
    """

    name: str
    group: str
    build: Build
    plumage: Plumage
    base: Mapping[str, str]
    first: tuple[str, str]
    second: tuple[str, str]
    epithets: tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Species:
    """One species: its genus and the value of every mark.

    Attributes:
        name: the English name.
        genus: the genus.
        marks: for every part of ``MARK_PARTS``, one of the names in ``MARK_VALUES``.
    """

    name: str
    genus: Genus
    marks: Mapping[str, str]

    def with_mark(self, mark: str, value: str) -> "Species":
        """Return the same species with one mark changed.

        Raises:
            ConfigError: there is no such mark, or no such value of it.
        """
        if mark not in MARK_VALUES:
            raise unknown_name("mark", mark, MARK_VALUES)
        if value not in MARK_VALUES[mark]:
            raise unknown_name(f"value of the mark {mark!r}", value, MARK_VALUES[mark])
        return replace(self, marks={**self.marks, mark: value})


_BROWN = Plumage(back=(132, 98, 64), wing=(104, 76, 52), head=(140, 106, 72), belly=(206, 186, 152))
_OLIVE = Plumage(back=(122, 118, 70), wing=(94, 92, 60), head=(128, 122, 78), belly=(206, 198, 150))
_SLATE = Plumage(back=(108, 116, 128), wing=(80, 88, 100), head=(116, 122, 132), belly=(204, 202, 194))
_BUFF = Plumage(back=(164, 128, 84), wing=(118, 92, 66), head=(168, 134, 92), belly=(218, 200, 164))

_GENERA = (
    Genus(
        name="Brachonis",
        group="Thornfinch",
        build=Build(0.66, 30, 0.29, 0.02, "conical", 0.25, 0.24, 0.42, 0.24, 0.20),
        plumage=_BROWN,
        base={},
        first=("crown", "rufous"),
        second=("wing bar", "two white"),
        epithets=("Ashmere", "Colwick", "Dunvale", "Harrowby"),
    ),
    Genus(
        name="Velorina",
        group="Reedchat",
        build=Build(0.50, 42, 0.26, 0.06, "thin", 0.24, 0.09, 0.48, 0.18, 0.30),
        plumage=_OLIVE,
        base={"legs": "yellow"},
        first=("eye ring", "white"),
        second=("throat", "rufous"),
        epithets=("Fenwick", "Lindale", "Marrow", "Osmere"),
    ),
    Genus(
        name="Tarsiphila",
        group="Mudpiper",
        build=Build(0.52, 16, 0.21, 0.22, "dagger", 0.62, 0.10, 0.24, 0.20, 0.62),
        plumage=_BUFF,
        base={},
        first=("legs", "orange"),
        second=("breast", "streaked"),
        epithets=("Brackish", "Kelder", "Saltholm", "Tideford"),
    ),
    Genus(
        name="Cauderia",
        group="Fenflit",
        build=Build(0.46, 26, 0.23, 0.03, "thin", 0.17, 0.10, 0.80, 0.32, 0.22),
        plumage=_SLATE,
        base={},
        first=("tail", "white-tipped"),
        second=("rump", "yellow"),
        epithets=("Aldmoor", "Cressing", "Pendle", "Wexcombe"),
    ),
    Genus(
        name="Uncirostra",
        group="Shrikelet",
        build=Build(0.58, 42, 0.31, 0.05, "hooked", 0.29, 0.20, 0.52, 0.16, 0.18),
        plumage=_SLATE,
        base={"throat": "white"},
        first=("bill", "orange"),
        second=("breast", "banded"),
        epithets=("Blackthorn", "Gallow", "Ironside", "Quarry"),
    ),
    Genus(
        name="Rotundula",
        group="Mossquail",
        build=Build(0.84, 10, 0.22, 0.05, "conical", 0.19, 0.14, 0.20, 0.20, 0.24),
        plumage=_OLIVE,
        base={"eye ring": "none"},
        first=("wing bar", "one white"),
        second=("throat", "black"),
        epithets=("Heathcote", "Lowmoss", "Peatling", "Turfield"),
    ),
    Genus(
        name="Pennicrista",
        group="Tuftjay",
        build=Build(0.54, 34, 0.27, 0.05, "conical", 0.26, 0.15, 0.66, 0.24, 0.22, crest=0.34),
        plumage=_BROWN,
        base={"throat": "white"},
        first=("crown", "black"),
        second=("tail", "black-banded"),
        epithets=("Beacon", "Corbett", "Larkhall", "Sorrel"),
    ),
    Genus(
        name="Dolichrynx",
        group="Spearling",
        build=Build(0.60, 46, 0.35, 0.00, "dagger", 0.58, 0.18, 0.22, 0.20, 0.12),
        plumage=_BUFF,
        base={"bill": "dark"},
        first=("bill", "yellow"),
        second=("rump", "white"),
        epithets=("Copperbeck", "Millrace", "Otterford", "Weir"),
    ),
    Genus(
        name="Altipodia",
        group="Egretkin",
        build=Build(0.44, 30, 0.19, 0.52, "dagger", 0.42, 0.11, 0.24, 0.18, 0.70),
        plumage=_SLATE,
        base={"bill": "yellow"},
        first=("legs", "red"),
        second=("crown", "black"),
        epithets=("Estuary", "Greywater", "Mallory", "Strand"),
    ),
    Genus(
        name="Curvirama",
        group="Sicklecreeper",
        build=Build(0.46, 56, 0.22, 0.03, "curved", 0.48, 0.11, 0.52, 0.14, 0.16),
        plumage=_BROWN,
        base={"throat": "plain"},
        first=("eye ring", "yellow"),
        second=("breast", "spotted"),
        epithets=("Barkby", "Elmsett", "Holloway", "Rookhope"),
    ),
    Genus(
        name="Latirostra",
        group="Tealkin",
        build=Build(0.56, 4, 0.25, 0.18, "broad", 0.34, 0.17, 0.26, 0.12, 0.20),
        plumage=_OLIVE,
        base={"legs": "orange"},
        first=("wing bar", "one yellow"),
        second=("throat", "white"),
        epithets=("Broadwater", "Duckworth", "Lakenby", "Ponder"),
    ),
    Genus(
        name="Furcalia",
        group="Forktern",
        build=Build(0.40, 12, 0.23, 0.02, "dagger", 0.36, 0.16, 0.74, 0.36, 0.14),
        plumage=_BUFF,
        base={"rump": "plain"},
        first=("tail", "forked"),
        second=("bill", "orange"),
        epithets=("Cliffend", "Marram", "Skerry", "Windrush"),
    ),
)

#: The most species that the catalogue holds.
MAX_SPECIES = 4 * len(_GENERA)


def _species_of(genus: Genus) -> tuple[Species, ...]:
    """Return the genus's four species: plain, one mark, the other mark, both marks."""
    base = {part: next(iter(MARK_VALUES[part])) for part in MARK_PARTS} | dict(genus.base)
    first, second = dict([genus.first]), dict([genus.second])
    changes: tuple[dict[str, str], ...] = ({}, first, second, first | second)
    return tuple(
        Species(f"{epithet} {genus.group}", genus, base | change)
        for epithet, change in zip(genus.epithets, changes, strict=True)
    )


def species_catalogue(count: int) -> tuple[Species, ...]:
    """Return the first species of the catalogue, genus by genus, four to a genus.

    Any two species of one genus differ in one or two marks.

    Args:
        count: how many, 2..``MAX_SPECIES``.

    Raises:
        ConfigError: ``count`` is out of range.
    """
    if not 2 <= count <= MAX_SPECIES:
        raise ConfigError(
            f"There are no {count} species to draw.", f"Ask for 2 to {MAX_SPECIES}; 24 are six whole genera."
        )
    return tuple(islice((species for genus in _GENERA for species in _species_of(genus)), count))


def marks_between(first: Species, second: Species) -> tuple[str, ...]:
    """Return the names of the marks in which two species differ, in the order of ``MARK_PARTS``."""
    return tuple(part for part in MARK_PARTS if first.marks[part] != second.marks[part])


def lookalike_pairs(species: tuple[Species, ...]) -> tuple[tuple[Species, Species, tuple[str, ...]], ...]:
    """Return every pair of species of one genus with the marks that separate it."""
    return tuple((a, b, marks_between(a, b)) for a, b in combinations(species, 2) if a.genus.name == b.genus.name)
