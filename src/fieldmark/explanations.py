"""Why a picture was called one class and not another: frozen records, saved as JSON and shown without torch."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from fieldmark.errors import DataError
from fieldmark.record_files import RecordFormat, check_picture_address, save_text
from fieldmark.records import Box
from fieldmark.similar_pictures import SimilarPicture

_FORMAT = RecordFormat(1, "The explanation", "Explain the picture again: fieldmark explain RUN IMAGE.")

#: How many parts are outlined, shown and given examples, where nothing else is asked for.
TOP = 7

#: Parts that a sentence names; the rest are counted.
_NAMED = 3

#: The colours of what speaks for A and of what speaks for B, in a picture (RGB, 0..255).
FOR_A, FOR_B = (0, 122, 90), (230, 140, 0)

#: The colours of the outlines, by a part's place among the marks, told apart by colour-blind people too (Okabe and
#: Ito, 2008, without black and with a lighter blue).
PART_COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#2f8fff")


@dataclass(frozen=True, slots=True)
class Removal:
    """A part taken out of the picture: by how much the log-odds of A against B should change, and did.

    Attributes:
        fill: what the part was painted over with: a name in ``explain.removal.FILLS``.
        claimed: the change that the sum says, minus the part's contribution.
        measured: the change of the recogniser's answer.
        elsewhere: the mean change when regions of the same shape are taken out elsewhere; ``None`` where there is no
            room for one.
    """

    fill: str
    claimed: float
    measured: float
    elsewhere: float | None = None


@dataclass(frozen=True, slots=True)
class PartMark:
    """What one part says for A and for B.

    Attributes:
        part: the part's name; of an explanation that is not exact, the name of a place.
        box: where it is, in px of the original picture; ``None`` where it is no place, as the rest of the picture is.
        presence: how surely it is there, in 0..1.
        evidence: log-odds that it gives A.
        rival_evidence: log-odds that it gives B.
        difference: its contribution to the log-odds of A against B: ``evidence - rival_evidence``.
        removal: what taking it out of the picture did; ``None`` where that was not tried.
        examples: the nearest training pictures of B, the nearest first.
        contrast: what is said where the part is, for A and against B, less the mean of what training pictures of B that
            stand alike say at the same place: by how much this place sets the picture apart from them, also by what it
            lacks; ``None`` where no such pictures were looked at.
    """

    part: str
    box: Box | None
    presence: float
    evidence: float
    rival_evidence: float
    difference: float
    removal: Removal | None = None
    examples: tuple[SimilarPicture, ...] = ()
    contrast: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a picture is called A and not B.

    Of an exact explanation the marks' differences and the bias's add up to the log-odds, because the recogniser itself
    adds them up. Otherwise places were covered and the change was measured; what they leave over is ``unexplained``.

    Attributes:
        source: the path or name of the picture.
        label: A, the class it was called.
        rival: B, the class it is compared with.
        probability: calibrated probability of A, in 0..1.
        rival_probability: calibrated probability of B, in 0..1.
        log_odds: logit of A minus logit of B, before any temperature.
        bias_difference: bias of A minus bias of B: what is added whatever the picture shows.
        marks: the parts, largest absolute contribution first.
        flip: names of the fewest parts without which B would have the higher logit, largest contribution first;
            ``None`` where no set of parts turns it.
        exact: whether the differences add up to the log-odds.
        size: width and height of the original picture in px.
        fieldmark_version: the version that explained.
        examples: the nearest training pictures of B as wholes, where there are no parts to compare.
        picture: the picture with the first marks outlined and numbered, as a data address; may be empty.
        cells: the picture in grey, coloured where the evidence comes from (green for A, orange for B, the stronger the
            more), as a data address; empty where that isn't known cell by cell.
        beside: the same of what sets the picture apart from training pictures of B that stand alike; empty where none
            were looked at.
        alike: some of those pictures, mirrored where they had to be, the most alike first.
        notes: what to bear in mind, such as that no examples could be looked for.
    """

    source: str
    label: str
    rival: str
    probability: float
    rival_probability: float
    log_odds: float
    bias_difference: float
    marks: tuple[PartMark, ...]
    flip: tuple[str, ...] | None
    exact: bool
    size: tuple[int, int]
    fieldmark_version: str
    examples: tuple[SimilarPicture, ...] = ()
    picture: str = field(default="", repr=False)
    cells: str = field(default="", repr=False)
    beside: str = field(default="", repr=False)
    alike: tuple[SimilarPicture, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_picture_address(self.picture)
        check_picture_address(self.cells)
        check_picture_address(self.beside)

    @property
    def unexplained(self) -> float:
        """The log-odds that neither a mark nor the bias accounts for; 0 but for rounding where it is exact."""
        return self.log_odds - self.bias_difference - sum(mark.difference for mark in self.marks)

    def without_pictures(self) -> "Explanation":
        """Return the figures and words alone."""
        marks = tuple(replace(mark, examples=_bare(mark.examples)) for mark in self.marks)
        examples, alike = _bare(self.examples), _bare(self.alike)
        return replace(self, picture="", cells="", beside="", marks=marks, examples=examples, alike=alike)

    def to_json(self) -> str:
        """Return the explanation as JSON with sorted keys; ``from_json`` gives it back.

        Raises:
            ValueError: a figure is infinite or no number.
        """
        return _FORMAT.to_json(self)

    @staticmethod
    def from_json(text: str) -> "Explanation":
        """Read an explanation that ``to_json`` wrote.

        Raises:
            DataError: it isn't such an explanation, or another version's.
        """
        return _FORMAT.from_json(Explanation, text)

    def save(self, path: Path) -> Path:
        """Write the explanation with its pictures, atomically, and return the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return save_text(path, self.to_json())

    @staticmethod
    def load(path: Path) -> "Explanation":
        """Read an explanation from a file.

        Raises:
            DataError: there is no such file, or it holds no explanation.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise DataError(f"{path} can't be read: {reason}.", "Name a file that explain --out wrote.") from error
        return Explanation.from_json(text)


def in_words(explanation: Explanation) -> str:
    """Say in a sentence or two what decided, such as ``"A and not B: the crown decides (+3.1 of +4.0 log-odds)."``."""
    head = f"{explanation.label} and not {explanation.rival}"
    total = signed(explanation.log_odds)
    speaking = [mark for mark in explanation.marks if mark.difference > 0]
    if not speaking:
        return f"{head}: no part speaks for it; the bias decides ({signed(explanation.bias_difference)} of {total})."
    first = max(speaking, key=lambda mark: mark.difference)
    if not explanation.exact:
        said = f"covering {named(first.part)} costs most ({signed(first.difference)} of {total} log-odds, measured)"
        return f"{head}: {said}.{_would_be(explanation, 'With', 'covered ')}"
    if explanation.flip is None:
        name, most = named(first.part), first.difference
        if explanation.bias_difference > most:
            name, most = "the bias", explanation.bias_difference
        return f"{head}: {name} says most of it ({signed(most)} of {total} log-odds); no part's absence would turn it."
    deciding = [mark for mark in explanation.marks if mark.part in explanation.flip]
    names = _joined([named(mark.part) for mark in sorted(deciding, key=lambda mark: -mark.difference)])
    verb = "decides" if len(deciding) == 1 else "decide together"
    share = signed(sum(mark.difference for mark in deciding))
    return f"{head}: {names} {verb} ({share} of {total} log-odds).{_would_be(explanation, 'Without', '')}"


def beside_rival(explanation: Explanation) -> str:
    """Say which part sets the picture apart from those of B; nothing where that isn't known, or none does.

    What speaks for A need not be that: a mark that B has and A lacks is seen nowhere in the picture.
    """
    known = [(mark.contrast, mark) for mark in explanation.marks if mark.contrast is not None and mark.contrast > 0]
    if not known:
        return ""
    contrast, mark = max(known, key=lambda entry: entry[0])
    pictures = f"pictures of {explanation.rival} in the same pose"
    return f"Beside {pictures}, {named(mark.part)} differs most ({signed(contrast)})."


def _would_be(explanation: Explanation, begin: str, after: str) -> str:
    if not explanation.flip:
        return ""
    parts = _joined([named(name) for name in explanation.flip])
    return f" {begin} {parts} {after}it would be {explanation.rival}."


def named(part: str) -> str:
    """Return a part's name as a sentence takes it: ``"the crown"``, but ``"part 3"``."""
    return part if part[-1:].isdigit() else f"the {part}"


def signed(value: float) -> str:
    """Return a figure with its sign and one decimal, two where it is small; never a signed zero."""
    text = f"{value:+.1f}" if abs(value) >= 0.95 else f"{value:+.2f}"
    return text if float(text) else text[1:]


def _joined(names: list[str]) -> str:
    if len(names) > _NAMED + 1:  # a single other one has a name, too
        names = [*names[:_NAMED], f"{len(names) - _NAMED} others"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _bare(examples: tuple[SimilarPicture, ...]) -> tuple[SimilarPicture, ...]:
    return tuple(replace(example, thumbnail="") for example in examples)
