"""Take a class away from a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fieldmark.decide import DecisionRule
from fieldmark.errors import ConfigError, DataError, unknown_name
from fieldmark.gallery.adding import held_pictures, with_added
from fieldmark.gallery.collect import stored_pictures
from fieldmark.gallery.edited_bundle import Changed, OpenBundle, open_bundle, place_for, predictor_of, write_changed
from fieldmark.gallery.promises import Promises, fit_again
from fieldmark.gallery.stored import Addition, StoredPictures
from fieldmark.models.bundle import BundleInfo
from fieldmark.models.reference import Reference
from fieldmark.records import Progress


@dataclass(frozen=True, slots=True)
class ClassRemoved:
    """A class that was taken away.

    Attributes:
        name: the class.
        bundle: the folder of the bundle that does not know it.
        kept: where the old bundle is now; ``None`` where it stayed in its place.
        notes: what to bear in mind.
    """

    name: str
    bundle: Path
    kept: Path | None
    notes: tuple[str, ...] = ()


def remove_class(
    run: Path | str,
    name: str,
    *,
    out: Path | str | None = None,
    cache: Path | str | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> ClassRemoved:
    """Write a bundle that knows one class less; nothing is trained, and the other classes' logits stay as they are.

    The class's row, and all that the bundle kept of its pictures, go. A class that was added last leaves the bundle as
    it was before; of others, thresholds are fitted again on the held-out pictures of the classes that stay.

    Args:
        run: a run's folder, or a bundle.
        name: the class, one that was added or one that was trained.
        out: the new bundle's folder; by default beside the old one. The old bundle's own folder puts the new one in its
            place and keeps the old one under another name.
        cache: folder of decoded pictures; needed the first time a run that makes decisions is asked.
        device: where the network runs, as torch names it.
        progress: told how far decoding, then looking at the run's pictures, has come.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        ConfigError: there is no such class, it is one of the last two, the head mixes what it sees, or ``out`` is
            taken.
        DataError: thresholds have to be fitted again, and the pictures are gone.
    """
    old = open_bundle(Path(run))
    if name not in old.info.classes:
        raise unknown_name("class", name, old.info.classes)
    if len(old.info.classes) < 3:
        raise ConfigError("A recogniser of one class would tell nothing apart.", "Keep two classes or more.")
    place = place_for(old.folder, "without", name, None if out is None else Path(out))
    stored = _stored(Path(run), old, None if cache is None else Path(cache), device, progress)
    kept = [index for index, label in enumerate(old.info.classes) if label != name]
    changed = _changed(old, name, kept, stored)
    moved = write_changed(old, changed, place)
    return ClassRemoved(name, place, moved, (changed.promises.lost,) if changed.promises.lost else ())


def _stored(
    run: Path, old: OpenBundle, cache: Path | None, device: str, progress: Progress | None
) -> StoredPictures | None:
    """Return the stored pictures; ``None`` where there are none, and nothing needs them."""
    try:
        return stored_pictures(run, predictor_of(old, device), cache, progress=progress)
    except DataError:
        if old.rule is None:
            return None
        raise


def _changed(old: OpenBundle, name: str, kept: Sequence[int], stored: StoredPictures | None) -> Changed:
    info = old.info
    names = tuple(info.classes[index] for index in kept)
    left = stored.without(name) if stored is not None else None
    before = _addition(stored, name, names)
    added = [each.name for each in left.additions] if left is not None else []
    new = replace(
        info,
        classes=names,
        lineage={label: ranks for label, ranks in info.lineage.items() if label != name},
        limits=(),
        results={} if before is None else before.results,  # others were measured with the class
        training=with_added(info.training, added),
    )
    classes, reference = old.classes.take(kept), _reference(old.reference, kept)
    if before is not None:
        rule = None if before.rule is None else DecisionRule.from_json(before.rule)
        promises = Promises(rule, before.temperature, before.limits)
    else:
        promises = _fitted(old, new, Changed(new, classes, reference, Promises(None, info.temperature), left))
    return Changed(new, classes, reference, promises, left)


def _fitted(old: OpenBundle, info: BundleInfo, changed: Changed) -> Promises:
    if changed.stored is None or old.rule is None:
        return changed.promises
    held = held_pictures(old, changed.stored, changed.classes, info, changed.reference)
    return fit_again(old.rule, info, held)


def _addition(stored: StoredPictures | None, name: str, left: tuple[str, ...]) -> Addition | None:
    """Return what the bundle was before the class was added, if it had just the classes that are left."""
    additions = () if stored is None else stored.additions
    return next((each for each in additions if each.name == name and each.classes == left), None)


def _reference(reference: Reference | None, kept: Sequence[int]) -> Reference | None:
    if reference is None:
        return None
    places = {index: place for place, index in enumerate(kept)}
    rows = np.array([row for row, label in enumerate(reference.labels) if int(label) in places], dtype=np.int64)
    labels = np.array([places[int(reference.labels[row])] for row in rows], dtype=np.int64)
    return Reference(reference.embeddings[rows], labels, tuple(reference.ids[row] for row in rows))
