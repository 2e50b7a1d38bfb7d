"""Add a class to a bundle from a few pictures, without training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldmark.errors import BrokenImageError, ConfigError, DataError
from fieldmark.gallery.collect import GivenPictures, see_pictures, stored_pictures
from fieldmark.gallery.edited_bundle import Changed, OpenBundle, open_bundle, place_for, predictor_of, write_changed
from fieldmark.gallery.fitting import MOST_OLD, NewRow, OldPictures, caution, evenly, fit_row
from fieldmark.gallery.promises import HeldPictures, Promises, fit_again, held_similarities
from fieldmark.gallery.rows import ClassRows, basis_of
from fieldmark.gallery.stored import Addition, StoredPictures
from fieldmark.models.bundle import BundleInfo, Scalar
from fieldmark.models.reference import Reference, normalised
from fieldmark.predict.contract import ImageSource
from fieldmark.predict.pictures import fitted_image, source_name
from fieldmark.records import BrokenRow, Preprocessing, Progress

#: More pictures than these are worth a training.
FEW = 20

#: Where a bundle tells which of its classes were not trained.
_ADDED = "classes_added"

#: The longest name of a class.
_MOST_LETTERS = 200

#: Pictures of a cosine above this look the same to the network.
_SAME = 0.99999


@dataclass(frozen=True, slots=True)
class ClassAdded:
    """A class that was added.

    Attributes:
        name: the class.
        bundle: the folder of the bundle that knows it.
        kept: where the old bundle is now; ``None`` where it stayed in its place.
        pictures: number of pictures that it was learned from.
        recognised: share of these that are given its name by a row that was fitted without them; ``None`` of one.
        taken: share of the other classes' held-out pictures that were recognised and get its name now; ``None`` where
            none are held out.
        broken: pictures that could not be read.
        notes: what to bear in mind.
    """

    name: str
    bundle: Path
    kept: Path | None
    pictures: int
    recognised: float | None
    taken: float | None
    broken: tuple[BrokenRow, ...] = ()
    notes: tuple[str, ...] = ()


def add_class(
    run: Path | str,
    name: str,
    images: Sequence[ImageSource],
    *,
    lineage: Sequence[str] = (),
    out: Path | str | None = None,
    cache: Path | str | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> ClassAdded:
    """Write a bundle that knows one more class, learned from a few pictures; nothing is trained.

    The class gets a row of its own in the head, fitted so that its logit is on the scale of the others', which stay
    exactly as they are; evidence goes on adding up to logits. Thresholds are fitted again on held-out pictures.

    Args:
        run: a run's folder, or a bundle to which a class was added before.
        name: the new class.
        images: what holds its pictures; 5 do much better than 1, from 20 on training again is worth it.
        lineage: the names of its ranks, coarse to fine; the class itself may be left out at the end.
        out: the new bundle's folder; by default beside the old one. The old bundle's own folder puts the new one in its
            place and keeps the old one under another name.
        cache: folder of decoded pictures; needed the first time a run is asked.
        device: where the network runs, as torch names it.
        progress: told how far decoding, then looking at the run's pictures, has come.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        ConfigError: the name is taken or can't be one, the lineage has another number of ranks, the head mixes what it
            sees, or ``out`` is taken.
        DataError: no picture can be read, or the pictures that the run was trained on are gone.
    """
    old = open_bundle(Path(run))
    wanted, ranks = _checked_name(name, old.info), _checked_lineage(name, lineage, old.info)
    place = place_for(old.folder, "with", wanted, None if out is None else Path(out))
    given, broken = _read(images, old.info.preprocessing)
    predictor = predictor_of(old, device)
    seen = see_pictures(predictor, given, wanted)
    stored = stored_pictures(Path(run), predictor, None if cache is None else Path(cache), progress=progress)
    extended = _Extended(old, stored, seen)
    row, taken = extended.fit()
    changed = extended.change(row, ranks, wanted)
    kept = write_changed(old, changed, place)
    own = row.own[np.isfinite(row.own)]
    return ClassAdded(
        name=wanted,
        bundle=place,
        kept=kept,
        pictures=len(given.files),
        recognised=float((own > extended.best_of_seen[: len(own)]).mean()) if len(own) else None,
        taken=taken,
        broken=broken,
        notes=_notes(stored, seen, old, ranks, changed.promises),
    )


class _Extended:
    """A bundle with pictures of a new class.

    Args:
        old: the bundle.
        stored: what its network sees in the pictures that there are.
        seen: what it sees in the new ones.
    """

    def __init__(self, old: OpenBundle, stored: StoredPictures, seen: StoredPictures) -> None:
        self._old, self._stored, self._seen = old, stored, seen
        self._new_basis = basis_of(old.recognizer, seen.vectors, seen.presence)
        self._new_logits = old.classes.logits(self._new_basis)
        self.best_of_seen = self._new_logits.max(axis=1)

    def fit(self) -> tuple[NewRow, float | None]:
        """Fit the new class's row; return it and the share of held-out pictures that it takes from others.

        Its logits of the old pictures are those of all stored ones.
        """
        classes = self._old.info.classes
        learned = self._stored.learned_from(classes)
        if not len(learned):
            raise DataError("None of the training pictures has one of the bundle's classes.", "Give the run's folder.")
        learned = learned[evenly([self._stored.labels[row] for row in learned], MOST_OLD)]
        basis = self._basis(self._stored.take(learned))
        old = OldPictures(_flat(basis), self._old.classes.logits(basis), self._stored.turns()[learned])
        row = fit_row(_flat(self._new_basis), self._new_logits, old)
        others = np.full(len(self._stored), np.nan)
        others[learned] = row.others
        return self._with_caution(replace(row, others=others))

    def _with_caution(self, row: NewRow) -> tuple[NewRow, float | None]:
        places = self._stored.held_out(self._old.info.classes)
        held = self._stored.take(places)
        basis = self._basis(held)
        logits = held_logits(held, basis, self._old.classes, self._old.info.classes)
        truth = np.array([self._old.info.classes.index(label) for label in held.labels], dtype=np.int64)
        known = row.others[places]
        scores = np.where(np.isfinite(known), known, _flat(basis) @ row.weights + row.bias)
        lower = caution(scores, logits, truth)
        if not len(held):
            return row, None
        taken = (logits.argmax(axis=1) == truth) & (scores + lower > logits.max(axis=1))
        return row.lowered(lower), float(taken.mean())

    def change(self, row: NewRow, ranks: tuple[str, ...], name: str) -> Changed:
        """Return what the bundle is to hold with the new class."""
        old = self._old
        info = replace(
            old.info,
            classes=(*old.info.classes, name),
            lineage={**old.info.lineage, name: ranks} if ranks else old.info.lineage,
            limits=(),
            results={},  # they were measured on other classes
            training=with_added(old.info.training, [each.name for each in self._stored.additions] + [name]),
        )
        classes = old.classes.extended(row.weights, row.bias)
        stored = self._joined(row, name)
        reference = _with_pictures(old.reference, self._seen, len(info.classes) - 1)
        held = held_pictures(old, stored, classes, info, reference)
        return Changed(info, classes, reference, fit_again(old.rule, info, held), stored)

    def _joined(self, row: NewRow, name: str) -> StoredPictures:
        """Return all pictures, with the new class's logits of those that were left out."""
        stored, seen = self._stored, self._seen
        unknown = np.full((len(seen), stored.left_out.shape[1]), np.nan, np.float32)
        both = stored.joined(replace(seen, left_out=unknown))
        column = np.concatenate([row.others, row.own]).astype(np.float32)
        return replace(
            both,
            left_out=np.concatenate([both.left_out, column[:, None]], axis=1),
            additions=(*stored.additions, _before(name, self._old)),
        )

    def _basis(self, pictures: StoredPictures) -> NDArray[np.float32]:
        return basis_of(self._old.recognizer, pictures.vectors, pictures.presence)


def _before(name: str, old: OpenBundle) -> Addition:
    rule = None if old.rule is None else old.rule.to_json()
    info = old.info
    return Addition(name, info.classes, info.temperature, info.limits, info.results, rule)


def with_added(training: Mapping[str, Scalar], names: Sequence[str]) -> dict[str, Scalar]:
    """Return training options that tell which classes were added without training."""
    others = {key: value for key, value in training.items() if key != _ADDED}
    return {**others, _ADDED: ", ".join(names)} if names else others


def held_pictures(
    old: OpenBundle, stored: StoredPictures, classes: ClassRows, info: BundleInfo, reference: Reference | None
) -> HeldPictures:
    """Return the pictures that thresholds of some classes may be fitted on.

    Args:
        old: the bundle, whose network is the same.
        stored: all pictures.
        classes: the classes' rows.
        info: names the classes.
        reference: the reference pictures of these classes.
    """
    held = stored.take(stored.held_out(info.classes))
    logits = held_logits(held, basis_of(old.recognizer, held.vectors, held.presence), classes, info.classes)
    own = tuple(name if left else "" for name, left in zip(held.ids, held.was_left_out(), strict=True))
    added = tuple(addition.name for addition in stored.additions)
    return HeldPictures(logits, held.labels, held_similarities(reference, held, old.rule, own), added)


def held_logits(
    held: StoredPictures, basis: NDArray[np.float32], classes: ClassRows, names: Sequence[str]
) -> NDArray[np.float64]:
    """Return logits (n, N) of held-out pictures; of rows that were fitted to a picture, what they are without it."""
    logits = classes.logits(basis)
    for column, addition in enumerate(held.additions):
        known = np.isfinite(held.left_out[:, column])
        logits[known, names.index(addition.name)] = held.left_out[known, column]
    return logits


def _flat(basis: NDArray[np.float32]) -> NDArray[np.float32]:
    return basis.reshape(len(basis), basis.shape[1] * basis.shape[2])


def _with_pictures(reference: Reference | None, seen: StoredPictures, label: int) -> Reference | None:
    if reference is None:
        return None
    own = normalised(seen.embedding.astype(np.float32))
    return Reference(
        np.concatenate([reference.embeddings, own]),
        np.concatenate([reference.labels, np.full(len(own), label, dtype=np.int64)]),
        (*reference.ids, *seen.ids),
    )


def _checked_name(name: str, info: BundleInfo) -> str:
    wanted = name.strip()
    if not wanted:
        raise ConfigError("A class's name can't be empty.", 'Give it a name, such as "Plain Thornfinch".')
    if not wanted.isprintable():
        raise ConfigError(f"The name {wanted!r} holds characters that can't be seen.", "Use letters, digits and signs.")
    if len(wanted) > _MOST_LETTERS:
        raise ConfigError(f"The name has {len(wanted)} letters.", f"Use at most {_MOST_LETTERS}.")
    for label in info.classes:
        if label.casefold() == wanted.casefold():
            raise ConfigError(
                f"There is a class {label!r} already.",
                f'Choose another name, or remove that class first: fieldmark remove-class RUN "{label}".',
            )
    return wanted


def _checked_lineage(name: str, lineage: Sequence[str], info: BundleInfo) -> tuple[str, ...]:
    """Return all ranks of the class, coarse to fine; none where none are given."""
    if not lineage:
        return ()
    wanted = name.strip()
    ranks = tuple(rank.strip() for rank in lineage)
    full = ranks if len(ranks) == len(info.rank_names) and ranks[-1] == wanted else (*ranks, wanted)
    if len(full) != len(info.rank_names) or not all(full):
        above = "/".join(info.rank_names[:-1])
        cure = f"Give the ranks above it as {above}." if above else "Leave it out: the classes have no ranks."
        raise ConfigError(f"The lineage {'/'.join(ranks)!r} does not fit the bundle's ranks.", cure)
    return full


def _read(images: Sequence[ImageSource], preprocessing: Preprocessing) -> tuple[GivenPictures, tuple[BrokenRow, ...]]:
    """Decode the pictures, each once; return them and what could not be read.

    Raises:
        DataError: none can be read.
    """
    if not images:
        raise DataError("There are no pictures of the class.", "Name at least one; five do much better.")
    names, fitted, broken, known = [], [], [], set()
    for number, image in enumerate(images, start=1):
        called = source_name(image, number)
        try:
            picture = fitted_image(image, preprocessing)
        except BrokenImageError as error:
            broken.append(BrokenRow(called, called, error.message))
            continue
        if (content := picture.pixels.tobytes()) not in known:
            known.add(content)
            names.append(str(Path(image).resolve()) if isinstance(image, str | Path) else called)
            fitted.append(picture)
    if not fitted:
        listed = "\n".join(f"  {row.path}: {row.reason}" for row in broken[:FEW])
        raise DataError(
            f"None of the {len(broken)} pictures can be read:\n{listed}", "Name pictures that can be opened."
        )
    return GivenPictures(tuple(names), tuple(fitted)), tuple(broken)


def _notes(
    stored: StoredPictures, seen: StoredPictures, old: OpenBundle, ranks: tuple[str, ...], promises: Promises
) -> tuple[str, ...]:
    notes = [promises.lost] if promises.lost else []
    if len(seen) > FEW:
        notes.append(f"{len(seen)} pictures are worth a training: it would make more of them.")
    if len(seen) == 1:
        notes.append("One picture tells little, and nothing of how well it is recognised; five do much better.")
    if old.info.lineage and not ranks:
        notes.append("The class has no lineage: at every rank it stands for itself.")
    if not len(stored.held_out(old.info.classes)):
        notes.append("No pictures are held out: what the class takes from others could not be looked at.")
    likeness = normalised(seen.embedding.astype(np.float32)) @ normalised(stored.embedding.astype(np.float32)).T
    for row, place in enumerate(likeness.argmax(axis=1)):
        if likeness[row, place] > _SAME:
            label = stored.labels[place] or "no class"
            notes.append(f"{seen.files[row]} looks the same as {stored.files[place]} of {label}.")
    return tuple(notes)
