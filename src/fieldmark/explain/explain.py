"""Why a picture is called one class and not another: read the parts, compare, verify, and find examples."""

from collections.abc import Callable, Sequence
from dataclasses import replace
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
from fieldmark.explain.marks import ReadPicture, find_marks, read_picture, verify_marks
from fieldmark.explain.removal import DEFAULT_FILL, Mask, painter
from fieldmark.explanations import TOP, Explanation, PartMark
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
    cache: Path | None = None,
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
    picture = read_picture(reader, image)
    explanation = _explain(reader, image, picture, versus, verify=verify, fill=fill, top=top)
    if cache is None:
        return explanation
    try:
        others = read_class(Path(run), reader, explanation.rival, cache, progress=progress)
    except DataError as error:
        note = f"No training pictures of {explanation.rival} are shown: {error.message}"
        return replace(explanation, notes=(*explanation.notes, note))
    return _compared(reader, image, picture, explanation, others, top=top)


def explain_picture(
    reader: EvidenceReader,
    image: ImageSource,
    versus: str | None = None,
    *,
    verify: bool = True,
    fill: str = DEFAULT_FILL,
    top: int = TOP,
    pictures_of: Callable[[str], ClassPictures | None] = lambda _label: None,
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

    Raises:
        BrokenImageError: the picture can't be decoded.
        ConfigError: there is no class ``versus``, it is the one the picture is called, or another bad option.
        DataError: the image is nothing that could hold a picture.
    """
    picture = read_picture(reader, image)
    explanation = _explain(reader, image, picture, versus, verify=verify, fill=fill, top=top)
    others = pictures_of(explanation.rival)
    return explanation if others is None else _compared(reader, image, picture, explanation, others, top=top)


def _compared(
    reader: EvidenceReader,
    image: ImageSource,
    picture: ReadPicture,
    explanation: Explanation,
    others: ClassPictures,
    *,
    top: int,
) -> Explanation:
    """Give an explanation the pictures of B whose parts look and lie most as here, and what sets it apart from them."""
    table, vectors = others.table, picture.evidence.vectors[0]
    if not explanation.exact:
        return replace(explanation, examples=nearest_examples(table, vectors, [0], EXAMPLES)[0])
    found = nearest_examples(
        table, vectors, [table.names.index(mark.part) for mark in explanation.marks[:top]], EXAMPLES
    )
    nearest = {table.names[slot]: rows for slot, rows in found.items()}
    classes = table.classes.index(explanation.label), table.classes.index(explanation.rival)
    beside = set_beside(reader, picture.fitted.pixels, picture.evidence, others, classes)
    contrasts = dict(zip(table.names, beside.contrasts.tolist(), strict=True))
    marks = tuple(
        replace(mark, examples=nearest.get(mark.part, ()), contrast=contrasts[mark.part]) for mark in explanation.marks
    )
    return replace(
        explanation,
        marks=marks,
        beside=_tinted(image, picture, beside.cells),
        alike=alike_examples(table, beside.poses[:EXAMPLES]),
    )


def _explain(
    reader: EvidenceReader,
    image: ImageSource,
    picture: ReadPicture,
    versus: str | None,
    *,
    verify: bool,
    fill: str,
    top: int,
) -> Explanation:
    painter(fill)  # an error even where nothing is painted over
    if top < 1:
        raise ConfigError(f"{top} parts can't be shown.", "Give a whole number of 1 or more.")
    first, second = classes = _decide(reader, picture.evidence, versus)
    found = find_marks(reader, picture, classes, fill=fill)
    if verify and found.exact:
        found = verify_marks(reader, picture, found, classes, fill=fill)
    order = sorted(range(len(found.marks)), key=lambda place: -abs(found.marks[place].difference))
    marks, masks = [found.marks[place] for place in order], [found.masks[place] for place in order]
    logits = picture.evidence.logits
    probabilities = reader.probabilities(logits)[0]
    return Explanation(
        source=source_name(image, 1),
        label=reader.info.classes[first],
        rival=reader.info.classes[second],
        probability=float(probabilities[first]),
        rival_probability=float(probabilities[second]),
        log_odds=float(logits[0, first] - logits[0, second]),
        bias_difference=float(reader.bias[first] - reader.bias[second]),
        marks=tuple(marks),
        flip=None if found.flip is None else tuple(found.marks[place].part for place in found.flip),
        exact=found.exact,
        size=picture.fitted.size,
        fieldmark_version=fieldmark.__version__,
        picture=_drawing(image, picture, marks[:top], masks[:top]),
        cells=_cells(reader, image, picture, classes) if found.exact else "",
        notes=found.notes,
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


def _drawing(image: ImageSource, picture: ReadPicture, marks: Sequence[PartMark], masks: Sequence[Mask]) -> str:
    """Return the picture with marks outlined, as a data address."""
    width, height = picture.fitted.size
    corners = [None if mark.box is None else (mark.box[0] / width, mark.box[1] / height) for mark in marks]
    original = open_picture(image, at_least=DRAWN)
    return data_address(outlined(original, masks, picture.fitted.window, corners))


def _cells(reader: EvidenceReader, image: ImageSource, picture: ReadPicture, classes: tuple[int, int]) -> str:
    """Return the picture coloured where the log-odds come from, as a data address; empty where that isn't known."""
    direction = np.zeros(len(reader.info.classes), np.float32)
    direction[list(classes)] = 1, -1
    found = reader.cell_evidence(picture.fitted.pixels[None], direction)
    return "" if found is None else _tinted(image, picture, found[0].sum(0))


def _tinted(image: ImageSource, picture: ReadPicture, cells: NDArray[np.floating]) -> str:
    """Return the picture coloured by figures (h, w) of the square's cells, as a data address."""
    left, top, width, height = (length / picture.fitted.pixels.shape[0] for length in picture.fitted.window)
    return data_address(tinted(open_picture(image, at_least=DRAWN), cells, (left, top, width, height)))
