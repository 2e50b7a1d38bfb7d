"""Whether the mark that splits two classes, by a recogniser's parts, is where their known attributes differ most.

CUB-200-2011 tells of every class what people see of 312 attributes, each of a named place of the bird. For every pair
of lookalikes, the part with the largest effect on the pair is held against the group of attributes that differs most:

* the effect of a part on a pair is the field guide's: how much more it speaks for A against B in pictures of A than in
  pictures of B;
* what a part is: the keypoints whose visible places it covers more often than any other part does, and the one that it
  covers most often;
* how much a group of attributes (the colour of the throat, say) differs: half the sum of absolute differences between
  the two classes' shares, 0 where they are alike and 1 where they have nothing in common.

The two agree where the part is one of the group's keypoints. Chance is how often a part drawn at random would agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fieldmark.data.table import Table
from fieldmark.evaluation import MappedPictures
from fieldmark.explain import EvidenceTable, collect_evidence
from fieldmark.explain.guide import LabelledEvidence
from fieldmark.explain.guide.evidence import Contrast, class_means
from fieldmark.explain.guide.lookalikes import logit_distances
from fieldmark.metrics import parts_at
from fieldmark.training.run_folder import TABLE_FILE

Floats = npt.NDArray[np.float64]

#: Word in the name of an attribute's group → CUB's keypoints of that place. Size, shape and primary colour have none.
PLACES: Mapping[str, tuple[str, ...]] = {
    "back": ("back",),
    "belly": ("belly",),
    "bill": ("beak",),
    "breast": ("breast",),
    "crown": ("crown",),
    "eye": ("left eye", "right eye"),
    "forehead": ("forehead",),
    "head": ("crown", "forehead", "nape", "left eye", "right eye"),
    "leg": ("left leg", "right leg"),
    "nape": ("nape",),
    "tail": ("tail",),
    "throat": ("throat",),
    "underparts": ("belly", "breast"),
    "upperparts": ("back", "left wing", "right wing"),
    "wing": ("left wing", "right wing"),
}

#: Pairs of lookalikes that are looked at: those that the recogniser holds least apart.
PAIRS = 100


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often splitting marks are where the attributes differ most.

    Attributes:
        rate: share of the pairs, in 0..1.
        chance: the share that parts drawn at random would reach.
        pairs: how many pairs were looked at.
    """

    rate: float
    chance: float
    pairs: int


def marks_and_attributes(run: Path, mapped: MappedPictures, cache: Path) -> Agreement:
    """Compare a run's splitting marks with the attributes of its data.

    Args:
        run: the run's folder, with its table.
        mapped: its annotated training pictures.
        cache: folder of decoded pictures, shared by runs.
    """
    table = Table.load(run / TABLE_FILE)
    found = collect_evidence(run, "train", cache)
    means = class_means(labelled(found))
    known = keypoints_of_parts(mapped, table.part_names, len(found.names))
    groups = attribute_groups(table)
    agreed, chance = [], []
    for first, second in nearest_pairs(means)[:PAIRS]:
        differing = {name: difference(shares, first, second) for name, shares in groups.items()}
        wanted = set(PLACES[max(differing, key=lambda name: differing[name])])
        fits = [bool(wanted & names) for names in known]
        agreed.append(fits[int(np.argmax(Contrast.between(means, first, second).effect))])
        chance.append(float(np.mean(fits)))
    return Agreement(float(np.mean(agreed)), float(np.mean(chance)), len(agreed))


def labelled(found: EvidenceTable) -> LabelledEvidence:
    """Return the evidence as the field guide takes it: classes as indices."""
    index = {name: place for place, name in enumerate(found.classes)}
    return LabelledEvidence(
        ids=found.ids,
        labels=np.array([index[label or ""] for label in found.labels], np.int64),
        predicted=np.array([index[label] for label in found.predicted], np.int64),
        evidence=found.evidence,
        presence=found.presence,
        boxes=found.boxes,
        groups=(None,) * len(found),
    )


def nearest_pairs(means: Floats) -> list[tuple[int, int]]:
    """List pairs of classes, the hardest to tell apart first, given what parts say in each class's pictures."""
    distances = logit_distances(means)
    pairs = list(combinations(range(len(distances)), 2))
    return sorted(pairs, key=lambda pair: float(distances[pair]))


def keypoints_of_parts(mapped: MappedPictures, names: Sequence[str], slots: int) -> list[set[str]]:
    """Return, of each of the P slots, the names of the keypoints that it stands for; of a rest slot, none."""
    at = parts_at(mapped.maps, mapped.positions)  # (N, M)
    parts = mapped.maps.shape[1] - 1
    counts = np.zeros((parts, len(names)))
    for part in range(parts):
        counts[part] = ((at == part) & mapped.visible).sum(0)
    share = counts / np.maximum(mapped.visible.sum(0), 1)  # of each keypoint's visible places
    best = share.argmax(0)
    known: list[set[str]] = [set() for _ in range(slots)]
    for part in range(parts):
        if share[part].any():  # a part that is never at a keypoint stands for none
            known[part] = {name for place, name in enumerate(names) if best[place] == part and share[part, place] > 0}
            known[part].add(names[int(share[part].argmax())])
    return known


def attribute_groups(table: Table) -> dict[str, list[Floats]]:
    """Return, by place, the classes' shares (N, A) in each group of attributes that tells of it; rows sum to 1."""
    first = table.labelled().frame.unique("label", keep="first", maintain_order=True)
    order = {label: place for place, label in enumerate(first["label"])}
    shares = np.array(first["attributes"].to_list(), np.float64)[[order[name] for name in table.classes]] / 100
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(table.attribute_names):
        groups.setdefault(name.split("::")[0], []).append(place)
    merged: dict[str, list[Floats]] = {}
    for group, places in groups.items():
        where = next((word for word in group.split("_") if word in PLACES), None)
        if where is not None:
            values = shares[:, places]
            merged.setdefault(where, []).append(values / np.maximum(values.sum(1, keepdims=True), 1e-9))
    return merged


def difference(groups: Sequence[Floats], first: int, second: int) -> float:
    """Return by how much two classes differ in a place, in 0..1.

    Several groups (N, A) tell of one place, its colour and its pattern: the one that differs most speaks for it.
    """
    return max(float(np.abs(shares[first] - shares[second]).sum() / 2) for shares in groups)
