"""What the service answers: frozen records, which the HTTP layer writes as JSON as they are.

Boxes are left, top, width and height in px of the original picture, upright.
"""

from dataclasses import dataclass

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A bundle that is being served.

    Attributes:
        name: what it is asked for by.
        version: 12 hex digits that change with anything in the bundle.
    """

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class ServedModelAnswer:
    """A bundle that is being served, with what a caller may want to know.

    Attributes:
        name: what it is asked for by.
        version: 12 hex digits that change with anything in the bundle.
        default: whether it answers where no model is named.
        classes: how many classes it knows.
        resolution: side of the network's square input in px.
        parts: the names of its parts.
        exact: whether its explanations add up to its answers.
        coverage: share of pictures of known classes whose candidates hold the true class; ``None`` without a decision
            rule.
        loaded: when it was loaded, ISO 8601 in UTC.
    """

    name: str
    version: str
    default: bool
    classes: int
    resolution: int
    parts: tuple[str, ...]
    exact: bool
    coverage: float | None
    loaded: str


@dataclass(frozen=True, slots=True)
class ModelsAnswer:
    """The bundles that are being served, and what the service allows.

    Attributes:
        models: the bundles, the default first.
        feedback: whether corrections are kept.
        pictures_kept: whether a correction's picture is kept, too.
        max_files: pictures in one request.
        max_request_bytes: bytes of one request's body.
        max_pixels: pixels of one picture.
    """

    models: tuple[ServedModelAnswer, ...]
    feedback: bool
    pictures_kept: bool
    max_files: int
    max_request_bytes: int
    max_pixels: int


@dataclass(frozen=True, slots=True)
class ClassAnswer:
    """A class: its name and its lineage, coarse to fine, ending in it."""

    name: str
    lineage: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassesAnswer:
    """The classes that a model knows, with the names of the lineage's ranks, coarse to fine."""

    model: ModelVersion
    rank_names: tuple[str, ...]
    classes: tuple[ClassAnswer, ...]


@dataclass(frozen=True, slots=True)
class ClassShare:
    """A class and its calibrated probability, in 0..1."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """What one part says for the label.

    Attributes:
        name: the part's name.
        presence: how surely it is in the picture, in 0..1.
        evidence: log-odds that it gives the label, less the mean of what it gives all classes.
        box: where it is; ``None`` where it is no place.
        map: its share of every cell, row by row, one byte each (255 is all), in base64; ``None`` unless asked for.
    """

    name: str
    presence: float
    evidence: float
    box: Box | None
    map: str | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the cells of the parts' maps lie on the picture.

    Attributes:
        rows: cells from top to bottom.
        columns: cells from left to right.
        box: the whole grid, in px of the original picture; it reaches beyond the picture where that was padded.
    """

    rows: int
    columns: int
    box: Box


@dataclass(frozen=True, slots=True)
class DecisionAnswer:
    """What may be relied on; of a bundle without a decision rule there is none.

    Attributes:
        known: whether the picture shows one of the classes, as far as can be told.
        novelty: how little the picture is like those of the known classes.
        candidates: the conformal set, most probable first.
        rank: the deepest rank of the lineage that is certain enough.
        name: what is certain at that rank.
        confidence: probability of ``name``, in 0..1.
        flagged: classes that matter more than others and are probable enough to look twice.
    """

    known: bool
    novelty: float
    candidates: tuple[str, ...]
    rank: str | None
    name: str | None
    confidence: float | None
    flagged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training picture that is much like the one that was sent.

    Attributes:
        label: its class.
        similarity: cosine of the two pictures' embeddings, in -1..1.
        thumbnail: the picture as a data address; empty where the bundle keeps none.
    """

    label: str
    similarity: float
    thumbnail: str


@dataclass(frozen=True, slots=True)
class PictureAnswer:
    """What one picture shows, or why that can't be said.

    Attributes:
        source: the name that the picture was sent under.
        label: the most probable class; ``None`` where the picture is broken.
        probability: calibrated probability of ``label``, in 0..1.
        top: the most probable classes, best first.
        lineage: the names of ``label``'s ranks, coarse to fine.
        parts: what each part says, in the model's order.
        decision: what may be relied on.
        neighbours: the nearest training pictures, the nearest first.
        size: width and height of the original in px, upright.
        grid: where the maps lie; ``None`` unless they were asked for.
        sha256: of the file, in hex: what a correction of this answer is filed under.
        error: why there is no answer; ``None`` where there is one.
    """

    source: str
    label: str | None
    probability: float | None
    top: tuple[ClassShare, ...]
    lineage: tuple[str, ...]
    parts: tuple[PartAnswer, ...]
    decision: DecisionAnswer | None
    neighbours: tuple[Neighbour, ...]
    size: tuple[int, int] | None
    grid: Grid | None
    sha256: str
    error: str | None


@dataclass(frozen=True, slots=True)
class PredictAnswer:
    """What the pictures of a request show, in its order."""

    model: ModelVersion
    predictions: tuple[PictureAnswer, ...]


@dataclass(frozen=True, slots=True)
class RemovalAnswer:
    """A part painted over: by how much the log-odds should change, did, and do when as much goes elsewhere."""

    claimed: float
    measured: float
    elsewhere: float | None


@dataclass(frozen=True, slots=True)
class ExampleAnswer:
    """A training picture of the rival whose part looks most like this picture's.

    Attributes:
        label: its class.
        similarity: cosine of the two parts' vectors, in -1..1.
        thumbnail: the part cut out, as a data address.
    """

    label: str
    similarity: float
    thumbnail: str


@dataclass(frozen=True, slots=True)
class MarkAnswer:
    """What one part says for A and for B, in log-odds; ``difference`` is A less B.

    ``contrast`` is what is said where the part is, less what training pictures of B that stand alike say there; null
    where there are none.
    """

    part: str
    box: Box | None
    presence: float
    evidence: float
    rival_evidence: float
    difference: float
    removal: RemovalAnswer | None
    examples: tuple[ExampleAnswer, ...]
    contrast: float | None


@dataclass(frozen=True, slots=True)
class ExplainAnswer:
    """Why a picture is called A and not B.

    Attributes:
        model: the bundle that explains.
        source: the name that the picture was sent under.
        label: A, the class it was called.
        rival: B, the class it is compared with.
        probability: calibrated probability of A, in 0..1.
        rival_probability: calibrated probability of B, in 0..1.
        log_odds: logit of A less logit of B.
        bias_difference: what is added to it whatever the picture shows.
        unexplained: what neither a mark nor the bias accounts for; 0 but for rounding where ``exact``.
        marks: the parts, largest absolute difference first.
        flip: the fewest parts without which B would be ahead; ``None`` where no set of parts turns it.
        exact: whether the differences add up to the log-odds.
        sentence: what decided, in words.
        size: width and height of the original in px, upright.
        notes: what to bear in mind.
        beside: the picture in grey, coloured where it differs from training pictures of B in the same pose, as a data
            address; empty where none were looked at.
        alike: some of those pictures, the most alike first.
    """

    model: ModelVersion
    source: str
    label: str
    rival: str
    probability: float
    rival_probability: float
    log_odds: float
    bias_difference: float
    unexplained: float
    marks: tuple[MarkAnswer, ...]
    flip: tuple[str, ...] | None
    exact: bool
    sentence: str
    size: tuple[int, int]
    notes: tuple[str, ...]
    beside: str
    alike: tuple[ExampleAnswer, ...]


@dataclass(frozen=True, slots=True)
class FeedbackAnswer:
    """A correction that is on the disk.

    Attributes:
        id: its number.
        picture_kept: whether its picture is kept, too.
    """

    id: int
    picture_kept: bool


@dataclass(frozen=True, slots=True)
class ReloadAnswer:
    """The bundles that were looked at: those that are new, and why others could not be loaded."""

    reloaded: tuple[ModelVersion, ...]
    unchanged: tuple[ModelVersion, ...]
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateAnswer:
    """Whether the service is there: ``"ok"``, ``"starting"`` or ``"stopping"``."""

    state: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request was not answered.

    Attributes:
        code: a word that stays the same.
        message: what is wrong, as a sentence.
        cure: what to do about it; empty where there is nothing.
    """

    code: str
    message: str
    cure: str


@dataclass(frozen=True, slots=True)
class FaultAnswer:
    """The body of every answer that is none."""

    error: Fault
