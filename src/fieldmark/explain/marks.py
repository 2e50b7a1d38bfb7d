"""From a picture to its marks: read off the sum where the recogniser adds up, measured where it doesn't."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fieldmark.data.images import FittedImage
from fieldmark.errors import BrokenImageError
from fieldmark.explain.contributions import smallest_flip
from fieldmark.explain.evidence import EvidenceReader
from fieldmark.explain.occlusion import measured_flip, occlude
from fieldmark.explain.removal import Mask, removal_effects, removed_mask
from fieldmark.explanations import PartMark, Removal
from fieldmark.predict.contract import ImageSource, NetworkOutputs
from fieldmark.predict.pictures import fitted_image, source_name
from fieldmark.predict.regions import box_in_picture, inside_mask, part_region, pixel_mask, region_box
from fieldmark.records import Box

_NOT_EXACT = "Not exact: {reason}, so places were covered one by one and the change was measured."


@dataclass(frozen=True)
class ReadPicture:
    """A picture as the network sees it, and what its parts say.

    Attributes:
        fitted: the picture in the network's square of R pixels per side.
        inside: (R, R), where in the square the picture is.
        evidence: of this one picture.
    """

    fitted: FittedImage
    inside: Mask
    evidence: NetworkOutputs

    def in_original(self, box: NDArray[np.float32]) -> Box | None:
        """Take a box from 0..1 of the square to px of the original; ``None`` where it is not on the picture."""
        return box_in_picture(box, self.fitted.pixels.shape[0], self.fitted.window, self.fitted.size)


@dataclass(frozen=True)
class FoundMarks:
    """The marks of a picture, in the recogniser's order.

    Attributes:
        marks: one for each part or place.
        masks: (R, R) each, where it is in the square; nothing where it is no place.
        flip: places in ``marks`` of the fewest whose absence turns the decision; ``None`` where nothing turns it.
        exact: whether the marks add up to the decision.
        notes: what to bear in mind.
        cells: (h, w), what each cell adds to the log-odds of A against B; ``None`` where that isn't known.
    """

    marks: tuple[PartMark, ...]
    masks: tuple[Mask, ...]
    flip: tuple[int, ...] | None
    exact: bool
    notes: tuple[str, ...] = ()
    cells: NDArray[np.float64] | None = None


def read_picture(reader: EvidenceReader, image: ImageSource) -> ReadPicture:
    """Decode a picture and read its evidence.

    Raises:
        BrokenImageError: it can't be decoded.
        DataError: it is nothing that could hold a picture.
    """
    try:
        fitted = fitted_image(image, reader.info.preprocessing)
    except BrokenImageError as error:
        raise BrokenImageError(
            f"{source_name(image, 1)} can't be explained: {error.message}.", "Name a picture that can be opened."
        ) from error
    return ReadPicture(fitted, inside_mask(fitted), reader.read(fitted.pixels[None]))


def has_parts(reader: EvidenceReader) -> bool:
    """Say whether a recogniser adds up evidence of several parts; otherwise its explanations are measured."""
    return reader.additive and len(reader.names) > 1


def find_marks(reader: EvidenceReader, picture: ReadPicture, classes: tuple[int, int], *, fill: str) -> FoundMarks:
    """Find what speaks for A and against B.

    Args:
        reader: the recogniser.
        picture: what it read.
        classes: the places of A and B among the classes.
        fill: what places are painted over with where they have to be covered.
    """
    if has_parts(reader):
        return _added_up(reader, picture, classes)
    return _measured(reader, picture, classes, fill)


def verify_marks(
    reader: EvidenceReader, picture: ReadPicture, found: FoundMarks, classes: tuple[int, int], *, fill: str
) -> FoundMarks:
    """Take every part that is a place out of the picture, each by itself, and add what was measured to its mark.

    Args:
        reader: the recogniser.
        picture: what it read.
        found: its marks.
        classes: the places of A and B among the classes.
        fill: what a part is painted over with.
    """
    places = [place for place, mark in enumerate(found.marks) if mark.box is not None]
    if not places:
        return found
    removed = np.stack([removed_mask(found.masks[place], picture.inside) for place in places])
    effects = removal_effects(reader, picture.fitted.pixels, removed, picture.inside, classes, fill=fill)
    marks = list(found.marks)
    for place, measured, elsewhere in zip(places, effects.measured, effects.elsewhere, strict=True):
        removal = Removal(
            fill=fill,
            claimed=-marks[place].difference,
            measured=float(measured),
            elsewhere=None if np.isnan(elsewhere) else float(elsewhere),
        )
        marks[place] = replace(marks[place], removal=removal)
    return replace(found, marks=tuple(marks))


def _added_up(reader: EvidenceReader, picture: ReadPicture, classes: tuple[int, int]) -> FoundMarks:
    read, side = picture.evidence, picture.fitted.pixels.shape[0]
    first, second = classes
    evidence = read.evidence[0].astype(np.float64)  # (P, N)
    marks, masks = [], []
    for slot, name in enumerate(reader.names):
        region = part_region(read.maps[0, slot]) if slot < read.maps.shape[1] - 1 else None
        box = None if region is None else picture.in_original(region_box(region))
        mark = PartMark(
            part=name,
            box=box,
            presence=float(read.presence[0, slot]),
            evidence=float(evidence[slot, first]),
            rival_evidence=float(evidence[slot, second]),
            difference=float(evidence[slot, first] - evidence[slot, second]),
        )
        marks.append(mark)
        nowhere = region is None or box is None
        masks.append(np.zeros((side, side), np.bool_) if nowhere or region is None else pixel_mask(region, side))
    log_odds = float(read.logits[0, first] - read.logits[0, second])
    # what is no place can't be absent: the rest of the picture is always there
    places = [place for place, mark in enumerate(marks) if mark.box is not None]
    flip = smallest_flip(log_odds, [marks[place].difference for place in places])
    turning = None if flip is None else tuple(places[index] for index in flip)
    said = reader.cell_evidence(picture.fitted.pixels[None], reader.direction(classes))
    cells = None if said is None else said[0].sum(0, dtype=np.float64)
    return FoundMarks(tuple(marks), tuple(masks), turning, exact=True, cells=cells)


def _measured(reader: EvidenceReader, picture: ReadPicture, classes: tuple[int, int], fill: str) -> FoundMarks:
    pixels, inside = picture.fitted.pixels, picture.inside
    first, second = classes
    places = occlude(reader, pixels, inside, fill=fill)
    marks = tuple(
        PartMark(
            part=name,
            box=picture.in_original(region_box(mask)),
            presence=1.0,
            evidence=float(row[first]),
            rival_evidence=float(row[second]),
            difference=float(row[first] - row[second]),
        )
        for name, mask, row in zip(places.names, places.masks, places.evidence, strict=True)
    )
    flip = measured_flip(reader, pixels, inside, places, classes, fill=fill)
    reason = "the recogniser's head is not additive"
    if reader.additive:
        reason = "the recogniser looks at the whole picture as one part"
    return FoundMarks(marks, tuple(places.masks), flip, exact=False, notes=(_NOT_EXACT.format(reason=reason),))
