"""A field guide: frozen records that the builder writes as JSON and the pages are made from, without torch.

Evidence is in log-odds. One part may give a class the same evidence on every picture, and another take it away again,
without any prediction changing; so of one class against another only differences between the pictures of both mean
something, and a part favours a class where its evidence lies on that class's side of the middle between the two means.
"""

from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.errors import DataError
from fieldmark.record_files import RecordFormat, save_text
from fieldmark.records import Interval

#: Where a run keeps its guide, seen from the run's folder, and the records inside it.
GUIDE_FOLDER = "guide"
GUIDE_FILE = "guide.json"

#: Where a guide keeps its pictures, seen from the guide's folder.
PICTURES = "pictures"

#: The splits that marks are taken from.
MARK_SPLITS = ("train", "val")

#: The most pairs of lookalikes, and the most tiles of one mark.
DEFAULT_PAIRS = 40
DEFAULT_TILES = 8

_FORMAT = RecordFormat(1, "The guide", "Write the guide again: fieldmark guide RUN.")


@dataclass(frozen=True, slots=True)
class Tile:
    """A square cut around one part of one picture.

    Attributes:
        id: the picture's row in the table.
        label: the picture's true class.
        file: the tile's place, seen from the guide's folder; empty where the picture can't be read.
    """

    id: str
    label: str
    file: str


@dataclass(frozen=True, slots=True)
class PartBox:
    """Where a part lies in a picture: left, top, width and height as shares of the picture's sides, in 0..1."""

    part: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A whole picture of a class.

    Attributes:
        id: the picture's row in the table.
        label: its true class.
        file: the picture's place, seen from the guide's folder; empty where it can't be read.
        width: of the file in pixels.
        height: of the file in pixels.
        boxes: where the parts that are seen in it lie.
    """

    id: str
    label: str
    file: str
    width: int
    height: int
    boxes: tuple[PartBox, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A slot of the recogniser's evidence.

    Attributes:
        index: its place among the slots, from 0.
        name: what it is called: the name that it was given, else the part learner's.
        named: whether the name says what the part is; ``False`` for ``"part 3"``.
        rest: whether it is no part at all but the rest of the picture.
        tiles: what it looks like, in pictures of many classes.
    """

    index: int
    name: str
    named: bool
    rest: bool = False
    tiles: tuple[Tile, ...] = ()

    @property
    def number(self) -> int:
        """The part's number as people count, from 1."""
        return self.index + 1


@dataclass(frozen=True, slots=True)
class Tally:
    """On how many pictures a mark pointed the right way, the wrong way, or was not seen."""

    right: int
    wrong: int
    hidden: int

    @property
    def total(self) -> int:
        """All pictures that were counted."""
        return self.right + self.wrong + self.hidden

    @property
    def share(self) -> float | None:
        """Share of all pictures on which the mark is seen and points the right way; ``None`` without pictures."""
        return self.right / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Mark:
    """A part as a mark of one class, against the classes that look most like it.

    Attributes:
        part: place of the part in the guide's parts.
        strength: log-odds that the part gives the class over its lookalikes, in the mean over the class's pictures and
            its lookalikes.
        against: the lookalikes that the mark helps to tell it from.
        tally: over held-out pictures of the class, each counted once against every one of those.
        tiles: the part in pictures of the class.
    """

    part: int
    strength: float
    against: tuple[str, ...]
    tally: Tally
    tiles: tuple[Tile, ...] = ()


@dataclass(frozen=True, slots=True)
class GuideClass:
    """A class's page.

    Attributes:
        name: the class.
        lineage: its names from coarse to fine, ending in the class; empty where there is no lineage.
        pictures: number of pictures that its marks were taken from.
        held_out: number of held-out pictures.
        lookalikes: the classes most like it, the nearest first.
        exemplars: some whole pictures.
        marks: its parts, the strongest mark first.
    """

    name: str
    lineage: tuple[str, ...]
    pictures: int
    held_out: int
    lookalikes: tuple[str, ...] = ()
    exemplars: tuple[Exemplar, ...] = ()
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class SplittingMark:
    """A part that tells two classes apart.

    Attributes:
        part: place of the part in the guide's parts.
        effect: mean over pictures of the first class minus mean over pictures of the second of (evidence for the first
            minus evidence for the second), in log-odds, with its 95 % bootstrap interval over pictures.
        auroc: how well that difference alone tells held-out pictures of both apart, in 0..1; ``None`` without any.
        first: the mark on held-out pictures of the first class.
        second: the mark on held-out pictures of the second class.
        first_tiles: the part in pictures of the first class.
        second_tiles: the part in pictures of the second class.
        counter_examples: pictures of either class in which the mark points to the other, the worst first.
    """

    part: int
    effect: Interval
    auroc: float | None
    first: Tally
    second: Tally
    first_tiles: tuple[Tile, ...] = ()
    second_tiles: tuple[Tile, ...] = ()
    counter_examples: tuple[Tile, ...] = ()

    @property
    def splits(self) -> bool:
        """Whether the effect's whole interval lies above nothing."""
        return self.effect.low > 0


@dataclass(frozen=True, slots=True)
class LookalikePair:
    """Two classes that are easily confused, with what splits them.

    Attributes:
        first: a class.
        second: a class.
        reason: why the pair is in the guide: ``"confused"``, ``"nearest"`` or ``"siblings"``.
        mistakes: pictures of either that the evaluation took for the other; ``None`` without an evaluation.
        evaluated: pictures of both in the evaluation; ``None`` without one.
        total: the effects of all parts added up: by how much the logits differ, in log-odds.
        marks: all parts, the largest effect first.
        first_exemplar: a whole picture of the first class.
        second_exemplar: a whole picture of the second class.
    """

    first: str
    second: str
    reason: str
    mistakes: int | None
    evaluated: int | None
    total: float
    marks: tuple[SplittingMark, ...]
    first_exemplar: Exemplar | None = None
    second_exemplar: Exemplar | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """One answer to a question of the key.

    Attributes:
        groups: what lies behind it, at the rank that the question splits: genera, say, or single classes.
        classes: all classes behind it.
        step: the next question; ``None`` where only one class is left.
        tiles: the part in pictures of these classes.
    """

    groups: tuple[str, ...]
    classes: tuple[str, ...]
    step: int | None
    tiles: tuple[Tile, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyStep:
    """A question of the key: which of two kinds of this part is it?

    Attributes:
        part: place of the part in the guide's parts.
        first: one answer.
        second: the other.
        right: held-out pictures of these classes that the part sends the right way.
        total: held-out pictures of these classes.
    """

    part: int
    first: Branch
    second: Branch
    right: int
    total: int


@dataclass(frozen=True, slots=True)
class Key:
    """A key: questions about one part each, from all classes down to one.

    Attributes:
        steps: the questions, the first one first; empty where there is nothing to split.
        right: held-out pictures that the whole key brings to their class.
        recognised: held-out pictures that the recogniser, which weighs all parts, recognises.
        total: held-out pictures.
    """

    steps: tuple[KeyStep, ...]
    right: int
    recognised: int
    total: int


@dataclass(frozen=True, slots=True)
class Guide:
    """A field guide.

    Attributes:
        title: the run's name.
        classes: one entry per class, in the order of the bundle.
        parts: one entry per slot of the evidence.
        pairs: the lookalikes, the most confused first.
        key: the key to all classes.
        rank_names: the names of the lineage's ranks, coarse to fine.
        mark_splits: the splits that the marks were taken from.
        held_out_split: the split that tells how reliable they are; ``None`` where there is none.
        fingerprint: fingerprint of the data.
        fieldmark_version: the version that made it.
        made_at: when, as ISO 8601 in UTC.
        warnings: what to bear in mind when reading it.
    """

    title: str
    classes: tuple[GuideClass, ...]
    parts: tuple[Part, ...]
    pairs: tuple[LookalikePair, ...]
    key: Key
    rank_names: tuple[str, ...]
    mark_splits: tuple[str, ...]
    held_out_split: str | None
    fingerprint: str
    fieldmark_version: str
    made_at: str
    warnings: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """Return the guide as JSON with sorted keys; ``from_json`` gives it back.

        Raises:
            ValueError: a figure is infinite or no number.
        """
        return _FORMAT.to_json(self)

    @staticmethod
    def from_json(text: str) -> "Guide":
        """Read a guide that ``to_json`` wrote.

        Raises:
            DataError: it isn't such a guide, or another version's.
        """
        return _FORMAT.from_json(Guide, text)

    def save(self, folder: Path) -> Path:
        """Write the guide's records into its folder, atomically, and return the file."""
        return save_text(folder / GUIDE_FILE, self.to_json())

    @staticmethod
    def load(folder: Path) -> "Guide":
        """Read the records in a guide's folder.

        Raises:
            DataError: there is no guide, or it can't be read.
        """
        path = folder / GUIDE_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(f"{path} can't be read: {error.strerror}.", _FORMAT.cure) from error
        return Guide.from_json(text)
