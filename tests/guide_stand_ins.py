"""Evidence that was made, not learned: each part gives evidence to the classes in which it looks as it does here.

So it is known which part tells which classes apart. ``bird_guide`` takes parts, boxes and looks from generated birds.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.explain.guide import GuideSource, LabelledEvidence, PartPictures, build_guide
from fieldmark.explain.guide.tiles import PictureSource
from fieldmark.guide_results import Exemplar, Guide, PartBox, Tile
from fieldmark.models.bundle import BundleInfo
from fieldmark.records import Preprocessing
from fieldmark.synthetic import PARTS, generate_birds, species_catalogue

REST = "rest of the picture"

#: How often a part of a bird says the opposite of the truth.
_MISTAKEN = 0.06


def evidence_from_looks(
    looks: Sequence[Sequence[object]],
    labels: Sequence[int],
    *,
    seed: int = 0,
    strength: float = 2.0,
    noise: float = 0.7,
    presence: np.ndarray | None = None,
    boxes: np.ndarray | None = None,
    ids: Sequence[str] | None = None,
) -> LabelledEvidence:
    """Return evidence of n pictures.

    Args:
        looks: (P, N), what each part looks like in each class; ``None`` where it says nothing.
        labels: (n,) the pictures' classes.
        seed: of the noise.
        strength: half of the log-odds between a class that has the look and one that has not.
        noise: standard deviation of what is added to the evidence for each class.
        presence: (n, P); by default all are there.
        boxes: (n, P, 4); by default one place for each part.
        ids: the pictures' ids; by default their numbers.
    """
    random = np.random.default_rng(seed)
    count, parts, classes = len(labels), len(looks), len(looks[0])
    alike = np.array([[[_agreement(a, b) for b in row] for a in row] for row in looks])  # (P, true class, class)
    evidence = strength * alike[:, labels].transpose(1, 0, 2) + random.normal(0, noise, (count, parts, classes))
    presence = np.ones((count, parts)) if presence is None else presence
    evidence = (evidence * presence[:, :, None]).astype(np.float32)
    places = np.stack([np.linspace(0.1, 0.7, parts)] * 2 + [np.full(parts, 0.2)] * 2, axis=1)
    return LabelledEvidence(
        ids=[f"picture {row}" for row in range(count)] if ids is None else ids,
        labels=np.asarray(labels, dtype=np.int64),
        predicted=evidence.sum(axis=1).argmax(axis=1),
        evidence=evidence,
        presence=presence,
        boxes=np.broadcast_to(places, (count, parts, 4)).copy() if boxes is None else boxes,
        groups=[None] * count,
    )


def _agreement(first: object, second: object) -> float:
    if first is None or second is None:
        return 0.0
    return 1.0 if first == second else -1.0


class NamedPictures:
    """Pictures that are only told, not cut: a tile's file says which part of which picture it would be."""

    def tile(self, table: LabelledEvidence, row: int, part: int, label: str) -> Tile:
        """Return a tile without a picture."""
        return Tile(table.ids[row], label, f"pictures/{row}-{part}.jpg")

    def exemplar(self, table: LabelledEvidence, row: int, label: str) -> Exemplar:
        """Return an exemplar without a picture."""
        boxes = tuple(PartBox(int(part), 0.1, 0.1, 0.2, 0.2) for part in np.flatnonzero(table.shown[row]))
        return Exemplar(table.ids[row], label, f"pictures/{row}.jpg", 120, 90, boxes)


def info_of(
    classes: Sequence[str],
    part_names: Sequence[str],
    lineage: dict[str, tuple[str, ...]] | None = None,
    *,
    rest: bool = False,
) -> BundleInfo:
    """Return what a bundle would say."""
    return BundleInfo(
        classes=tuple(classes),
        preprocessing=Preprocessing(128),
        model={"rest": rest},
        rank_names=("genus", "species") if lineage else ("class",),
        lineage=lineage or {},
        part_names=tuple(part_names),
        data_fingerprint="0123456789abcdef",
    )


#: Four classes in two genera, and the parts that tell them apart.
NAMES = ("red crown", "grey crown", "barred wing", "plain wing")
LINEAGE = {name: ("Finch" if "crown" in name else "Chat", name) for name in NAMES}
CROWN, WING, BODY = 0, 1, 2
_LOOKS = [["red", "grey", None, None], [None, None, "bar", "none"], ["fat", "fat", "thin", "thin"], [None] * 4]


def small_guide(
    names: Sequence[str] = NAMES,
    part_names: Sequence[str] = ("crown", "wing", "body", "part 4"),
    *,
    rest: bool = False,
    mistakes: int = 3,
    pictures: PictureSource | None = None,
) -> Guide:
    """Return the guide of four classes: the crown splits the first two, the wing the others, the body all.

    Args:
        names: the four classes' names.
        part_names: the four parts' names.
        rest: add the rest of the picture as a slot.
        mistakes: pictures of the first class that were taken for the second.
        pictures: where pictures come from; by default they are only told.
    """
    looks = [*_LOOKS, *([[None] * 4] if rest else [])]
    lineage = dict(
        zip(names, [("Finch", name) for name in names[:2]] + [("Chat", name) for name in names[2:]], strict=True)
    )
    info = info_of(names, [*part_names, *([REST] if rest else [])], lineage, rest=rest)
    confusion = np.diag([10 - mistakes, 10, 10, 10])
    confusion[0, 1] = mistakes
    source = GuideSource("small run", info, "0123456789abcdef", ("train", "val"), "test", confusion)
    marks, held_out = (
        evidence_from_looks(looks, np.repeat(np.arange(4), each), seed=seed) for seed, each in ((0, 20), (1, 10))
    )
    return build_guide(source, marks, held_out, pictures or NamedPictures(), tiles=4)


def bird_guide(
    folder: Path, *, species: int = 8, train: int = 12, test: int = 8, size: int = 96, part_names: Sequence[str] = PARTS
) -> tuple[Guide, Path]:
    """Draw birds and build their guide from the truth: masks give the parts' places, the species' marks the evidence.

    Args:
        folder: is written into.
        species: how many.
        train: pictures of every species that marks are found in.
        test: held-out pictures of every species.
        size: side of the pictures in pixels.
        part_names: what the twelve parts are called.

    Returns:
        The guide and its folder, in which the pictures are.
    """
    birds = generate_birds(folder / "birds", species=species, train=train, test=test, size=size)
    table = read_table(birds)
    catalogue = species_catalogue(species)
    looks = [[bird.marks.get(part, bird.genus.name) for bird in catalogue] for part in PARTS]
    marks, held_out = (
        _evidence_of_birds(table.split(split), looks, seed) for seed, split in enumerate(("train", "test"))
    )
    confusion = np.zeros((species, species), dtype=np.int64)
    np.add.at(confusion, (held_out.labels, held_out.predicted), 1)
    info = info_of(table.classes, (*part_names, REST), table.lineage_of(), rest=True)
    source = GuideSource("generated birds", info, table.fingerprint(), ("train",), "test", confusion)
    paths = dict(table.frame.select("id", "path").iter_rows())
    pictures = PartPictures(paths, table.root, info.preprocessing, folder / "guide")
    guide = build_guide(source, marks, held_out, pictures)
    guide.save(folder / "guide")
    return guide, folder / "guide"


def _evidence_of_birds(table: Table, looks: list[list[object]], seed: int) -> LabelledEvidence:
    count = len(table)
    presence = np.zeros((count, len(PARTS) + 1))
    boxes = np.full((count, len(PARTS) + 1, 4), np.nan)
    for row, path in enumerate(table.frame["path"]):
        with Image.open(table.root / path.replace("images/", "masks/").replace(".jpg", ".png")) as picture:
            mask = np.asarray(picture)
        for part in range(len(PARTS)):
            boxes[row, part], presence[row, part] = _box(mask == part + 1)
    presence[:, -1] = 1.0
    table_of_evidence = evidence_from_looks(
        [*looks, [None] * len(looks[0])],
        table.label_indices().to_list(),
        seed=seed,
        strength=1.2,
        noise=0.5,
        presence=presence,
        boxes=boxes,
        ids=table.frame["id"].to_list(),
    )
    mistaken = np.random.default_rng([seed, 1]).uniform(size=presence.shape) < _MISTAKEN
    table_of_evidence.evidence[mistaken] *= -1
    return replace(table_of_evidence, predicted=table_of_evidence.evidence.sum(axis=1).argmax(axis=1))


def _box(mask: np.ndarray) -> tuple[list[float], float]:
    """Return a part's box in 0..1 of the square, and its presence: less where hardly anything of it is seen."""
    side = mask.shape[0]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return [np.nan] * 4, 0.0
    box = [columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]]
    return [value / side for value in box], float(min(1.0, mask.sum() / (0.0008 * side**2)))
