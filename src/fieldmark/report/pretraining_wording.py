"""How the report of a pretraining words what was learned, from what, and how well."""

from dataclasses import dataclass

from fieldmark.pretraining_results import OWN_TARGETS, OutlierScore, PretrainingResult, ProbeScore
from fieldmark.report.probes import PROBES, Comparison, Sentence, best_of, chance, comparisons, verdict
from fieldmark.report.wording import initial_weights, percent, plural, significant, when

#: Modality → what one sample is called.
_NOUNS = {"pictures": "picture", "sounds": "sound", "texts": "text"}

#: Kind of autoencoder → what it is called, and how it learns from samples.
_AUTOENCODERS = {
    "dense": ("dense autoencoder", "by squeezing each into a short code and rebuilding it"),
    "conv": ("convolutional autoencoder", "by squeezing each into a small code and rebuilding it"),
    "recurrent": ("recurrent autoencoder", "by reading each into one code and writing it out again"),
    "masked_conv": ("masked convolutional autoencoder", "by filling in what was hidden of each"),
    "skeleton": ("autoencoder of linked keypoints", "by completing each around a skeleton drawn between keypoints"),
    "parts": ("autoencoder of parts", "by painting each from a few vectors, one a part"),
    "masked_vit": ("masked vision transformer", "by filling in what was hidden of each"),
}
_OTHER_LEARNING = "by rebuilding each"

#: The label of a pretraining that used weights or features learned elsewhere, and of one that did not.
BORROWED, FROM_SCRATCH = "uses ImageNet-trained features", "from scratch"


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure of the headline: what it counts, the figure, a note below it, and whether it warns."""

    term: str
    figure: str
    note: str = ""
    alert: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """The sentences and figures of a pretraining's report.

    Attributes:
        noun: what one sample is called.
        lead: what was learned from how many samples.
        from_scratch: whether nothing learned on other data was used.
        origin: ``BORROWED`` or ``FROM_SCRATCH``.
        origin_note: what that means here.
        found: what the probe found; empty where there is none.
        verdict: by how many points the pretrained features beat others, and where they do not.
        tiles: the figures of the headline, the main one first.
        further: (term, figure) of smaller ones.
        outliers: what the reconstruction error tells of classes never shown; empty where none was held out.
    """

    noun: str
    lead: str
    from_scratch: bool
    origin: str
    origin_note: str
    found: str
    verdict: tuple[Sentence, ...]
    tiles: tuple[Tile, ...]
    further: tuple[tuple[str, str], ...]
    outliers: str


def pretraining_words(result: PretrainingResult) -> Words:
    """Return the sentences and figures of a pretraining's report."""
    noun = _NOUNS.get(result.modality, "sample")
    from_scratch, note = _origin(result)
    return Words(
        noun=noun,
        lead=_lead(result, noun),
        from_scratch=from_scratch,
        origin=FROM_SCRATCH if from_scratch else BORROWED,
        origin_note=note,
        found=_found(result, noun),
        verdict=verdict(result.probes),
        tiles=_tiles(result, noun),
        further=_further(result),
        outliers=_outliers(result.outliers, noun) if result.outliers else "",
    )


def pretraining_facts(result: PretrainingResult) -> list[tuple[str, str]]:
    """List what someone needs to get the same figures again."""
    hours = "not recorded" if result.cpu_hours is None else f"{result.cpu_hours:.2f}"
    return [
        ("Data fingerprint", result.fingerprint),
        ("Autoencoder", result.autoencoder),
        ("Initial weights", initial_weights(result.weights)),
        ("Features it learned to predict", result.feature_target),
        ("Learned on other data", f"nothing: {FROM_SCRATCH}" if _origin(result)[0] else BORROWED),
        ("Seed", str(result.seed)),
        ("Epochs", f"{result.epochs:,}"),
        ("CPU-hours of training", hours),
        ("Fieldmark", result.fieldmark_version),
        ("Evaluated", when(result.evaluated_at)),
    ]


def _lead(result: PretrainingResult, noun: str) -> str:
    name, how = _AUTOENCODERS.get(result.autoencoder, (f"{result.autoencoder} autoencoder", _OTHER_LEARNING))
    return f"A {name} learned from {plural(result.rows, noun)}, without a single label, {how}."


def _origin(result: PretrainingResult) -> tuple[bool, str]:
    borrowed = []
    if result.weights != "none":
        borrowed.append(f"began with the weights {result.weights}")
    if result.feature_target not in OWN_TARGETS:
        borrowed.append(f"learned to predict the features of {result.feature_target}")
    if not borrowed:
        return True, "Nothing that was learned on other data was used."
    return False, f"The network {' and '.join(borrowed)}."


def _found(result: PretrainingResult, noun: str) -> str:
    own, guess = best_of(result.probes, "pretrained"), chance(result)
    if own is None:
        return ""
    found = (
        f"From its features alone, {_called(own)} tells the class of {percent(own.accuracy)} of "
        f"{plural(result.probe_rows, noun)} it never saw."
    )
    if guess is None:
        return found
    return f"{found} Guessing among {plural(result.probe_classes, 'class', 'classes')} finds {percent(guess)}."


def _tiles(result: PretrainingResult, noun: str) -> tuple[Tile, ...]:
    tiles = [Tile(f"{noun}s learned from", f"{result.rows:,}", f"No label was used{_without_label(result)}.")]
    own = best_of(result.probes, "pretrained")
    if own is not None:
        limits = f"95 % interval {percent(own.interval.low)} to {percent(own.interval.high)}"
        tiles.insert(0, Tile(f"of classes told by {_called(own)}", percent(own.accuracy), limits))
    tiles.extend(_difference(entry) for entry in comparisons(result.probes)[:1])
    tiles.append(_rebuilding(result, noun))
    return tuple(tiles)


def _called(score: ProbeScore) -> str:
    return PROBES[score.probe][1] if score.probe in PROBES else score.probe


def _without_label(result: PretrainingResult) -> str:
    if not result.unlabelled:
        return ""
    if result.unlabelled == result.rows:
        return "; there is none"
    return f"; {plural(result.unlabelled, 'of them has', 'of them have')} none"


def _difference(entry: Comparison) -> Tile:
    points = f"{round(100 * entry.ahead, 1) + 0.0:+.1f}".replace("-", "\u2212")  # 0.0 is added to lose the sign of -0.0
    overlap = "" if entry.clear else ", and the intervals overlap"
    note = f"That one gets {percent(entry.other.accuracy)}{overlap}."
    return Tile(f"points against {entry.rival}", points, note, alert=not entry.beaten)


def _rebuilding(result: PretrainingResult, noun: str) -> Tile:
    """Return the figure of how well it rebuilds; of texts that is the share of right tokens."""
    if result.token_accuracy is not None:
        return Tile("of tokens written right", percent(result.token_accuracy), "From the code alone.")
    if result.test_error is None:
        return Tile("reconstruction error", "–", "There is no test split to measure it on.")
    return Tile("reconstruction error", significant(result.test_error), f"Mean over the {noun}s of the test split.")


def _further(result: PretrainingResult) -> tuple[tuple[str, str], ...]:
    further = [("Epochs", f"{result.epochs:,}")]
    if result.outliers is not None:
        further.append(("AUROC for classes never shown (0.5 is a coin's toss)", f"{result.outliers.auroc:.3f}"))
    if result.token_accuracy is not None and result.test_error is not None:
        further.append(("Reconstruction error, test split", significant(result.test_error)))
    if result.cpu_hours is not None:
        further.append(("CPU-hours", f"{result.cpu_hours:.2f}"))
    return tuple(further)


def _outliers(score: OutlierScore, noun: str) -> str:
    text = (
        f"Take one {noun} of a class that was never shown and one of the others: in {100 * score.auroc:.0f} of 100 "
        "such pairs the unknown one is rebuilt worse."
    )
    if score.auroc < 0.5:
        return text + " That is worse than a coin's toss: the error says nothing of what is unknown here."
    return text + (" That is hardly better than a coin's toss." if score.auroc < 0.6 else "")
