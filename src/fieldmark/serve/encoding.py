"""From predictions and explanations to what the service answers: its last step."""

import base64

import numpy as np
from numpy.typing import NDArray

from fieldmark.data.images import FittedImage
from fieldmark.explanations import Explanation, PartMark, in_words
from fieldmark.predict.contract import NetworkOutputs
from fieldmark.predict.regions import box_in_picture, part_region, region_box
from fieldmark.records import Decision, Prediction
from fieldmark.serve.answers import (
    Box,
    ClassShare,
    DecisionAnswer,
    ExampleAnswer,
    ExplainAnswer,
    Grid,
    MarkAnswer,
    ModelVersion,
    Neighbour,
    PartAnswer,
    PictureAnswer,
    RemovalAnswer,
)
from fieldmark.similar_pictures import SimilarPicture


def picture_answer(
    prediction: Prediction,
    maps: NDArray[np.float32],
    fitted: FittedImage,
    *,
    source: str,
    sha256: str,
    neighbours: tuple[Neighbour, ...] = (),
    with_maps: bool = False,
) -> PictureAnswer:
    """Say what one picture shows.

    Args:
        prediction: of the picture.
        maps: (K + 1, h, w), each cell's shares of the parts and, last, of the background.
        fitted: the picture in the network's square.
        source: the name that it was sent under.
        sha256: of its file, in hex.
        neighbours: the nearest training pictures.
        with_maps: add the maps, for drawing.
    """
    places = [_box(share, fitted) for share in maps[:-1]]
    drawn = [_map_text(share) if with_maps else None for share in maps[:-1]]
    # A slot beyond the parts, the rest of the picture, is no place.
    beyond = len(prediction.evidence) - len(places)
    places, drawn = [*places, *[None] * beyond], [*drawn, *[None] * beyond]
    return PictureAnswer(
        source=source,
        label=prediction.label,
        probability=prediction.probability,
        top=tuple(ClassShare(label, value) for label, value in prediction.top),
        lineage=prediction.lineage,
        parts=tuple(
            PartAnswer(part.name, part.presence, part.evidence, box, text)
            for part, box, text in zip(prediction.evidence, places, drawn, strict=False)
        ),
        decision=None if prediction.decision is None else _decision(prediction.decision),
        neighbours=neighbours,
        size=fitted.size,
        grid=_grid(maps, fitted) if with_maps else None,
        sha256=sha256,
        error=None,
    )


def broken_answer(*, source: str, sha256: str, error: str) -> PictureAnswer:
    """Say why a picture can't be read."""
    return PictureAnswer(source, None, None, (), (), (), None, (), None, None, sha256, error)


def outputs_of(found: NetworkOutputs, place: int) -> NetworkOutputs:
    """Return what the network says of one picture of a batch."""
    one = slice(place, place + 1)
    return NetworkOutputs(
        logits=found.logits[one],
        embedding=found.embedding[one],
        vectors=found.vectors[one],
        presence=found.presence[one],
        evidence=found.evidence[one],
        maps=found.maps[one],
    )


def explain_answer(explanation: Explanation, model: ModelVersion, source: str) -> ExplainAnswer:
    """Say why a picture is called A and not B.

    Args:
        explanation: what was found.
        model: the bundle that explains.
        source: the name that the picture was sent under.
    """
    return ExplainAnswer(
        model=model,
        source=source,
        label=explanation.label,
        rival=explanation.rival,
        probability=explanation.probability,
        rival_probability=explanation.rival_probability,
        log_odds=explanation.log_odds,
        bias_difference=explanation.bias_difference,
        unexplained=explanation.unexplained,
        marks=tuple(_mark(mark) for mark in explanation.marks),
        flip=explanation.flip,
        exact=explanation.exact,
        sentence=in_words(explanation),
        size=explanation.size,
        notes=explanation.notes,
        beside=explanation.beside,
        alike=tuple(_example(example) for example in explanation.alike if example.thumbnail),
    )


def _mark(mark: PartMark) -> MarkAnswer:
    removal = mark.removal
    return MarkAnswer(
        part=mark.part,
        box=mark.box,
        presence=mark.presence,
        evidence=mark.evidence,
        rival_evidence=mark.rival_evidence,
        difference=mark.difference,
        removal=None if removal is None else RemovalAnswer(removal.claimed, removal.measured, removal.elsewhere),
        examples=tuple(_example(example) for example in mark.examples if example.thumbnail),
        contrast=mark.contrast,
    )


def _example(example: SimilarPicture) -> ExampleAnswer:
    return ExampleAnswer(example.label, example.similarity, example.thumbnail)


def _decision(decision: Decision) -> DecisionAnswer:
    return DecisionAnswer(
        known=decision.known,
        novelty=decision.novelty,
        candidates=decision.candidates,
        rank=decision.rank,
        name=decision.name,
        confidence=decision.confidence,
        flagged=decision.flagged,
    )


def _box(share: NDArray[np.float32], fitted: FittedImage) -> Box | None:
    return box_in_picture(region_box(part_region(share)), fitted.pixels.shape[0], fitted.window, fitted.size)


def _map_text(share: NDArray[np.float32]) -> str:
    shares = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return base64.b64encode(shares.tobytes()).decode("ascii")


def _grid(maps: NDArray[np.float32], fitted: FittedImage) -> Grid:
    side = fitted.pixels.shape[0]
    left, top, width, height = fitted.window
    across, down = fitted.size[0] / width, fitted.size[1] / height
    return Grid(
        rows=maps.shape[1],
        columns=maps.shape[2],
        box=(-left * across, -top * down, side * across, side * down),
    )
