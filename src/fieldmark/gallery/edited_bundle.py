"""A bundle with other classes: read with all that it holds, and written beside the old one or in its place."""

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fieldmark.decide import DecisionRule
from fieldmark.errors import ConfigError
from fieldmark.gallery.promises import Promises, read_rule
from fieldmark.gallery.rows import ClassRows, put_rows, rows_of
from fieldmark.gallery.stored import StoredPictures
from fieldmark.models.bundle import BundleInfo, find_bundle, load_bundle, save_bundle
from fieldmark.models.recognizer import Recognizer
from fieldmark.models.reference import Reference, load_reference
from fieldmark.predict.contract import Predictor
from fieldmark.predict.deciding import record_decisions
from fieldmark.predict.picture_predictor import PicturePredictor
from fieldmark.predict.torch_engine import TorchEngine

#: Bytes of stored pictures that a bundle carries at most; of more, every class keeps equally many.
MOST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class OpenBundle:
    """A bundle whose classes are to be changed.

    Attributes:
        folder: where it lies.
        recognizer: its network.
        info: everything else but what follows.
        classes: its classes' rows.
        reference: its reference pictures, if any.
        rule: its decision rule, if any.
    """

    folder: Path
    recognizer: Recognizer
    info: BundleInfo
    classes: ClassRows
    reference: Reference | None
    rule: DecisionRule | None


@dataclass(frozen=True)
class Changed:
    """What a bundle is to hold.

    Attributes:
        info: with the new classes, but the old promises.
        classes: its classes' rows.
        reference: its reference pictures, if any.
        promises: what it promises.
        stored: the pictures that further changes need; ``None`` where there are none.
    """

    info: BundleInfo
    classes: ClassRows
    reference: Reference | None
    promises: Promises
    stored: StoredPictures | None


def open_bundle(run: Path) -> OpenBundle:
    """Read a bundle whose classes are to be changed.

    Args:
        run: a run's folder, or a bundle.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        ConfigError: its head has no rows of classes.
    """
    folder = find_bundle(run)
    recognizer, info = load_bundle(folder)
    return OpenBundle(folder, recognizer, info, rows_of(recognizer), load_reference(folder), read_rule(folder))


def predictor_of(bundle: OpenBundle, device: str) -> Predictor:
    """Return a predictor of an opened bundle; it decides nothing.

    Args:
        bundle: the bundle.
        device: where the network runs, as torch names it.

    Raises:
        ConfigError: an unknown device.
    """
    return PicturePredictor(TorchEngine(bundle.recognizer, bundle.info.preprocessing, device=device), bundle.info)


def place_for(bundle: Path, change: str, name: str, out: Path | None) -> Path:
    """Return where a changed bundle goes, and refuse a place that is taken.

    Args:
        bundle: the old one.
        change: ``"with"`` or ``"without"``.
        name: the class.
        out: where it shall go; ``None`` puts it beside the old one.

    Raises:
        ConfigError: something else is there already.
    """
    if out is not None and out.absolute() == bundle.absolute():
        return bundle
    place = out or beside(bundle, change, name)
    if place.exists() or place.is_symlink():
        raise ConfigError(f"{place} is there already.", "Name another folder with --out, or remove it.")
    return place


def beside(bundle: Path, change: str, name: str) -> Path:
    """Return the folder beside a bundle that is called for a change, such as ``bundle-with-kea``."""
    slug = re.sub(r"[^\w]+", "-", name.lower()).strip("-")[:60] or "class"
    return bundle.with_name(f"{bundle.name}-{change}-{slug}")


def write_changed(old: OpenBundle, changed: Changed, place: Path) -> Path | None:
    """Write a changed bundle; it appears when it is complete.

    Args:
        old: the bundle that it was made from; its recogniser gets the new rows.
        changed: what it holds.
        place: its folder; where that is the old bundle's, that one is kept under another name.

    Returns:
        The old bundle's new place, if it had to go.
    """
    put_rows(old.recognizer.cpu(), changed.classes)
    model = {**changed.info.model, "classes": len(changed.info.classes)}
    staged = place.with_name(place.name + ".changed")
    shutil.rmtree(staged, ignore_errors=True)
    staged.parent.mkdir(parents=True, exist_ok=True)
    try:
        promises = changed.promises
        info = replace(changed.info, model=model, temperature=promises.temperature, limits=promises.limits)
        save_bundle(staged, old.recognizer, info)
        if changed.stored is not None:
            thinned(changed.stored).save(staged)
        if promises.rule is not None:
            record_decisions(staged, promises.rule, promises.temperature, changed.reference, promises.limits)
        return _exchange(staged, place)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def thinned(stored: StoredPictures, most_bytes: int = MOST_BYTES) -> StoredPictures:
    """Return stored pictures that take no more than so many bytes, every class keeping equally many.

    Args:
        stored: the pictures; of classes that were added, all stay.
        most_bytes: bytes that their vectors may take.
    """
    each = (stored.vectors.nbytes + stored.embedding.nbytes) // max(1, len(stored))
    room = most_bytes // max(1, each)
    if len(stored) <= room:
        return stored
    added = {addition.name for addition in stored.additions}
    order = np.random.default_rng(0).permutation(len(stored))
    turns: dict[tuple[str, str], int] = {}
    ranked: list[tuple[int, int]] = []
    for row in order.tolist():
        key = (stored.labels[row], stored.splits[row])
        ranked.append((-1 if stored.labels[row] in added else turns.setdefault(key, 0), row))
        turns[key] = turns.get(key, 0) + 1
    kept = sorted(row for _, row in sorted(ranked, key=lambda entry: entry[0])[:room])
    return stored.take(np.array(kept, dtype=np.int64))


def _exchange(staged: Path, place: Path) -> Path | None:
    """Put a finished bundle in its place; what was there is kept beside it.

    In between it lies under the one other name under which a bundle is found, too.
    """
    if not place.exists():
        staged.rename(place)
        return None
    number = 1
    while (kept := place.with_name(f"{place.name}-before-{number}")).exists():
        number += 1
    retired = place.with_name(place.name + ".retired")
    shutil.rmtree(retired, ignore_errors=True)
    place.rename(retired)
    staged.rename(place)
    retired.rename(kept)
    return kept
