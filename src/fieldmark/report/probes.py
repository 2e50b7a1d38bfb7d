"""The probes of a pretraining as a table, and what they say in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass

from fieldmark.pretraining_results import PretrainingResult, ProbeScore
from fieldmark.report.wording import enumeration, percent

#: Whose features a probe read, in the table's order → (what a table calls them, what a sentence calls them, what
#: they stand for).
FEATURES: dict[str, tuple[str, str, str]] = {
    "pretrained": ("This pretraining", "this pretraining", "what the network learned without labels"),
    "untrained": ("Untrained network", "the untrained network", "the same network with random weights"),
    "pca": ("PCA", "PCA of the raw input", "principal components of the raw input: no network at all"),
    "tfidf": ("TF-IDF", "TF-IDF", "weighted counts of the words: no network at all"),
    "imagenet": ("ImageNet network", "the ImageNet network", "trained on a million labelled photos: a yardstick"),
}

#: Probe, in the table's order → (what a table calls it, what a sentence calls it, how it reads features).
PROBES: dict[str, tuple[str, str, str]] = {
    "knn": ("k-NN", "a vote of nearest neighbours", "lets the most similar training samples vote; it learns nothing"),
    "linear": ("Linear", "a linear probe", "weighs the entries of one vector a sample"),
    "attention": (
        "Attention",
        "an attention probe",
        "learns where in the sample to look, then weighs; what was learned by rebuilding often needs this one",
    ),
    "svm": ("SVM", "a support vector machine", "draws the widest margin between the classes"),
}

#: The features that the sentence compares the pretrained ones with; ImageNet's are a yardstick that saw labels.
_RIVALS = ("untrained", "pca", "tfidf")

_OVERLAP = "the 95 % intervals overlap"

#: A difference of less is none when shown with one decimal.
_ROUNDING = 0.0005


@dataclass(frozen=True, slots=True)
class ProbeCell:
    """One score in the table, and whether it is the best of its column."""

    score: ProbeScore
    best: bool


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """One row of the table: whose features, what they stand for, and their scores in the order of the columns."""

    name: str
    meaning: str
    dims: str
    own: bool
    cells: tuple[ProbeCell | None, ...]


@dataclass(frozen=True, slots=True)
class ProbeTable:
    """The table: (name, how it reads) of every column, and the rows."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[ProbeRow, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and its tone: ``"good"``, ``"bad"`` or neither, which is empty."""

    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The pretrained features against others, each read in the way that suits it best.

    Attributes:
        rival: what a sentence calls the others.
        ahead: by how much more of 1 the pretrained features give; negative where they give less.
        own: the best score of the pretrained features.
        other: the best score of the others.
    """

    rival: str
    ahead: float
    own: ProbeScore
    other: ProbeScore

    @property
    def beaten(self) -> bool:
        """Whether the pretrained features give more, by what is shown."""
        return self.ahead >= _ROUNDING

    @property
    def clear(self) -> bool:
        """Whether the two intervals do not overlap."""
        own, other = self.own.interval, self.other.interval
        return own.low > other.high or other.low > own.high


def probe_table(scores: Sequence[ProbeScore]) -> ProbeTable:
    """Lay out scores as a table: a row for each kind of features, a column for each probe.

    Features and probes that have no name in ``FEATURES`` and ``PROBES`` come last and are called as they are.
    """
    probes = _ordered([score.probe for score in scores], tuple(PROBES))
    features = _ordered([score.features for score in scores], tuple(FEATURES))
    found = {(score.features, score.probe): score for score in scores}
    best = {probe: max(score.accuracy for score in scores if score.probe == probe) for probe in probes}
    rows = []
    for kind in features:
        name, _, meaning = FEATURES.get(kind, (kind, kind, ""))
        cells = tuple(
            ProbeCell(score, best=score.accuracy == best[probe]) if (score := found.get((kind, probe))) else None
            for probe in probes
        )
        dims = sorted({cell.score.dim for cell in cells if cell})
        rows.append(ProbeRow(name, meaning, " or ".join(f"{dim:,}" for dim in dims), kind == "pretrained", cells))
    columns = tuple((name, how) for name, _, how in (PROBES.get(probe, (probe, probe, "")) for probe in probes))
    return ProbeTable(columns, tuple(rows))


def best_of(scores: Sequence[ProbeScore], features: str) -> ProbeScore | None:
    """Return the best score of some features; ``None`` where they have none."""
    own = [score for score in scores if score.features == features]
    return max(own, key=lambda score: score.accuracy) if own else None


def comparisons(scores: Sequence[ProbeScore]) -> tuple[Comparison, ...]:
    """Compare the pretrained features with each kind that they should beat; none where they were not probed."""
    own = best_of(scores, "pretrained")
    if own is None:
        return ()
    others = ((FEATURES[kind][1], best_of(scores, kind)) for kind in _RIVALS)
    return tuple(Comparison(name, own.accuracy - other.accuracy, own, other) for name, other in others if other)


def verdict(scores: Sequence[ProbeScore]) -> tuple[Sentence, ...]:
    """Say by how many points the pretrained features beat others, and where they do not; empty without rivals."""
    found = comparisons(scores)
    clear = [_ahead(entry) for entry in found if entry.beaten and entry.clear]
    perhaps = [_ahead(entry) for entry in found if entry.beaten and not entry.clear]
    sentences = []
    if clear:
        sentences.append(Sentence(f"The pretrained features beat {enumeration(clear)}.", "good"))
    if perhaps:
        who = "They are also" if clear else "The pretrained features are"
        sentences.append(Sentence(f"{who} ahead of {enumeration(perhaps)}, which may be chance: {_OVERLAP}.", ""))
    for entry in found:
        if not entry.beaten:
            who = "They do" if sentences else "The pretrained features do"
            sentences.append(Sentence(f"{who} not beat {entry.rival}: {_behind(entry)}.", "bad"))
    return tuple(sentences)


def chance(result: PretrainingResult) -> float | None:
    """Return the share that guessing among the classes finds, in 0..1; ``None`` where there are none."""
    return 1 / result.probe_classes if result.probe_classes else None


def _ahead(entry: Comparison) -> str:
    return f"{entry.rival} by {_points(entry.ahead)}"


def _behind(entry: Comparison) -> str:
    if entry.ahead > -_ROUNDING:
        return f"both find {percent(entry.other.accuracy)}"
    more = f"it finds {_points(-entry.ahead)} more ({percent(entry.other.accuracy)})"
    return more if entry.clear else f"{more}, which may be chance: {_OVERLAP}"


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _ordered(found: Sequence[str], known: tuple[str, ...]) -> list[str]:
    return sorted(dict.fromkeys(found), key=lambda name: known.index(name) if name in known else len(known))
