"""Why a picture is called one class and not another: read the parts, compare, verify, and find examples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fieldmark
from fieldmark.data.thumbnails import data_address
from fieldmark.errors import ConfigError, DataError, unknown_name
from fieldmark.explain.beside import set_beside
from fieldmark.explain.drawing import DRAWN, outlined, tinted
from fieldmark.explain.evidence import EvidenceReader, load_reader
from fieldmark.explain.examples import ClassPictures, alike_examples, nearest_examples, read_class
from fieldmark.explain.marks import FoundMarks, ReadPicture, find_marks, read_picture, verify_marks
from fieldmark.explain.removal import DEFAULT_FILL, painter
from fieldmark.explanations import TOP, Explanation
from fieldmark.predict.contract import ImageSource, NetworkOutputs
from fieldmark.predict.pictures import open_picture, source_name
from fieldmark.records import Progress

#: Training pictures that are shown of each part.
EXAMPLES = 3


def field_marks(
    run: Path | str,
    image: ImageSource,
    versus: str | None = None,
    *,
    cache: Path | str | None = None,
    verify: bool = True,
    fill: str = DEFAULT_FILL,
    top: int = TOP,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Explanation:
    """Explain why a run's recogniser calls a picture what it does, and not another class.

    Args:
        run: a run's folder, or a bundle.
        image: whatever holds the picture.
        versus: the class B to compare with; by default the second most probable.
        cache: folder of decoded pictures, where training pictures of B are looked for; ``None`` looks for none.
        verify: take each part out of the picture, too, and measure what changes.
        fill: what is removed is painted over with: a name in ``explain.removal.FILLS``.
        top: how many parts are outlined and given examples, at least 1.
        device: where the network runs, as torch names it.
        progress: told how far the search for examples has come.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        BrokenImageError: the picture can't be decoded.
        ConfigError: there is no class ``versus``, it is the one the picture is called, or another bad option.
        DataError: the image is nothing that could hold a picture.
    """
    reader = load_reader(run, device=device)
    case = _study(reader, image, versus, verify=verify, fill=fill)
    explanation = _told(case, top, drawn=True)
    if cache is None:
        return explanation
    try:
        others = read_class(Path(run), reader, explanation.rival, Path(cache), progress=progress)
    except DataError as error:
        note = f"No training pictures of {explanation.rival} are shown: {error.message}"
        return replace(explanation, notes=(*explanation.notes, note))
    return _compared(case, explanation, others, top)


def explain_picture(
    reader: EvidenceReader,
    image: ImageSource,
    versus: str | None = None,
    *,
    verify: bool = True,
    fill: str = DEFAULT_FILL,
    top: int = TOP,
    pictures_of: Callable[[str], ClassPictures | None] = lambda _label: None,
    drawn: bool = True,
) -> Explanation:
    """Explain one picture with a recogniser that is already loaded.

    Args:
        reader: the recogniser.
        image: whatever holds the picture.
        versus: the class B to compare with; by default the second most probable.
        verify: take each part out of the picture, too, and measure what changes.
        fill: what is removed is painted over with: a name in ``explain.removal.FILLS``.
        top: how many parts are outlined and given examples, at least 1.
        pictures_of: returns the training pictures of a class, to compare with those of B; ``None`` goes without.
        drawn: draw the picture with the parts outlined, and coloured by its evidence; else both stay empty.

    Raises:
        BrokenImageError: the picture can't be decoded.
        ConfigError: there is no class ``versus``, it is the one the picture is called, or another bad option.
        DataError: the image is nothing that could hold a picture.
    """
    case = _study(reader, image, versus, verify=verify, fill=fill)
    explanation = _told(case, top, drawn=drawn)
    others = pictures_of(explanation.rival)
    return explanation if others is None else _compared(case, explanation, others, top)


@dataclass(frozen=True)
class _Case:
    """What is known of one picture.

    Attributes:
        reader: the recogniser.
        image: whatever holds the picture.
        picture: what was read of it.
        classes: the places of A and B among the classes.
        found: its marks, in the recogniser's order.
    """

    reader: EvidenceReader
    image: ImageSource
    picture: ReadPicture
    classes: tuple[int, int]
    found: FoundMarks

    def ordered(self) -> list[int]:
        """Return the marks' places, that which parts A and B most first."""
        return sorted(range(len(self.found.marks)), key=lambda place: -abs(self.found.marks[place].difference))


def _study(reader: EvidenceReader, image: ImageSource, versus: str | None, *, verify: bool, fill: str) -> _Case:
    """Read a picture and find its marks."""
    painter(fill)  # an error even where nothing is painted over
    picture = read_picture(reader, image)
    classes = _decide(reader, picture.evidence, versus)
    found = find_marks(reader, picture, classes, fill=fill)
    if verify and found.exact:
        found = verify_marks(reader, picture, found, classes, fill=fill)
    return _Case(reader, image, picture, classes, found)


def _told(case: _Case, top: int, *, drawn: bool) -> Explanation:
    """Say what was found, without other pictures."""
    if top < 1:
        raise ConfigError(f"{top} parts can't be shown.", "Give a whole number of 1 or more.")
    reader, found, order = case.reader, case.found, case.ordered()
    first, second = case.classes
    logits = case.picture.evidence.logits
    probabilities = reader.probabilities(logits)[0]
    return Explanation(
        source=source_name(case.image, 1),
        label=reader.info.classes[first],
        rival=reader.info.classes[second],
        probability=float(probabilities[first]),
        rival_probability=float(probabilities[second]),
        log_odds=float(logits[0, first] - logits[0, second]),
        bias_difference=float(reader.bias[first] - reader.bias[second]),
        marks=tuple(found.marks[place] for place in order),
        flip=None if found.flip is None else tuple(found.marks[place].part for place in found.flip),
        exact=found.exact,
        size=case.picture.fitted.size,
        fieldmark_version=fieldmark.__version__,
        picture=_outlined(case, order[:top]) if drawn else "",
        cells=_tinted(case, found.cells) if drawn and found.cells is not None else "",
        notes=found.notes,
    )


def _compared(case: _Case, explanation: Explanation, others: ClassPictures, top: int) -> Explanation:
    """Give an explanation the pictures of B whose parts look and lie most as here, and what sets it apart from them."""
    table, vectors = others.table, case.picture.evidence.vectors[0]
    if not explanation.exact:
        return replace(explanation, examples=nearest_examples(table, vectors, [0], EXAMPLES)[0])
    found = nearest_examples(
        table, vectors, [table.names.index(mark.part) for mark in explanation.marks[:top]], EXAMPLES
    )
    nearest = {table.names[slot]: rows for slot, rows in found.items()}
    beside = set_beside(
        case.reader, case.picture.fitted.pixels, case.picture.evidence, others, case.classes, own=case.found.cells
    )
    contrasts = dict(zip(table.names, beside.contrasts.tolist(), strict=True))
    marks = tuple(
        replace(mark, examples=nearest.get(mark.part, ()), contrast=contrasts[mark.part]) for mark in explanation.marks
    )
    return replace(
        explanation,
        marks=marks,
        beside=_tinted(case, beside.cells),
        alike=alike_examples(table, beside.poses[:EXAMPLES]),
    )


def _decide(reader: EvidenceReader, read: NetworkOutputs, versus: str | None) -> tuple[int, int]:
    """Return the places of A and B among the classes."""
    classes = reader.info.classes
    if len(classes) < 2:
        raise ConfigError("The recogniser knows one class, so there is no other to compare with.", "Train on more.")
    first, next_best = (int(place) for place in np.argsort(-read.logits[0], kind="stable")[:2])
    if versus is None:
        return first, next_best
    if versus not in classes:
        raise unknown_name("class", versus, classes)
    if versus == classes[first]:
        raise ConfigError(
            f"The picture is called {versus}; it can't be compared with itself.",
            f"Name another class, such as the next most probable: {classes[next_best]}.",
        )
    return first, classes.index(versus)


def _outlined(case: _Case, places: Sequence[int]) -> str:
    """Return the picture with some marks outlined, as a data address."""
    width, height = case.picture.fitted.size
    boxes = [case.found.marks[place].box for place in places]
    corners = [None if box is None else (box[0] / width, box[1] / height) for box in boxes]
    original = open_picture(case.image, at_least=DRAWN)
    masks = [case.found.masks[place] for place in places]
    return data_address(outlined(original, masks, case.picture.fitted.window, corners))


def _tinted(case: _Case, cells: NDArray[np.floating]) -> str:
    """Return the picture coloured by figures (h, w) of the square's cells, as a data address."""
    fitted = case.picture.fitted
    left, top, width, height = (length / fitted.pixels.shape[0] for length in fitted.window)
    return data_address(tinted(open_picture(case.image, at_least=DRAWN), cells, (left, top, width, height)))
