"""A bundle's decisions: its rule and reference pictures, read from it, written into it, applied to outputs.

decisions.json          the rule
reference.safetensors   the pictures that new ones are compared with
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldmark.decide import Decider, DecisionRule, Said
from fieldmark.decide.novelty import needs_reference
from fieldmark.errors import BundleError, DataError
from fieldmark.models.bundle import BundleInfo, find_bundle, record_calibration
from fieldmark.models.reference import Reference, load_reference, save_reference
from fieldmark.predict.contract import NetworkOutputs
from fieldmark.predict.neighbours import Neighbours
from fieldmark.record_files import save_text
from fieldmark.records import Decision

RULE_FILE = "decisions.json"

_FIT_AGAIN = "Fit it again: fieldmark calibrate RUN."


class OutputDecider:
    """Applies a bundle's rule to what its network says; of every engine alike.

    Args:
        rule: the thresholds.
        info: the bundle.
        reference: pictures to compare with; ``None`` where the rule's score needs none.

    Raises:
        DataError: the rule is of another number of classes, or looks at reference pictures and there are none.
    """

    def __init__(self, rule: DecisionRule, info: BundleInfo, reference: Reference | None) -> None:
        if reference is None and needs_reference(rule.score):
            raise DataError(f"Reference pictures are missing, and {rule.score} looks at them.", _FIT_AGAIN)
        self.rule = rule
        self._decide = Decider(rule, info.classes, info.rank_names, info.lineage)
        self._neighbours = None if reference is None else Neighbours(reference.embeddings)

    def __call__(self, found: NetworkOutputs, probabilities: NDArray[np.float64]) -> tuple[Decision, ...]:
        """Return one decision for each of B pictures.

        Args:
            found: their outputs.
            probabilities: (B, N) at the bundle's temperature.
        """
        similarities = similarities_to(self._neighbours, found.embedding, self.rule.neighbours)
        return self._decide(Said(found.logits, probabilities, similarities))


def similarities_to(neighbours: Neighbours | None, embedding: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Return the similarities (B, K) to the nearest reference pictures; K is 0 where there are none."""
    if neighbours is None:
        return np.empty((len(embedding), 0))
    return neighbours.nearest(embedding, count)[0]


def load_decider(folder: Path, info: BundleInfo) -> OutputDecider | None:
    """Read what decides of a bundle's outputs; ``None`` where it has no rule.

    Args:
        folder: a bundle, or a run folder that holds one.
        info: the bundle without its tensors.

    Raises:
        BundleError: the rule or its reference pictures can't be read, or don't fit the bundle.
    """
    path = find_bundle(folder) / RULE_FILE
    if not path.is_file():
        return None
    try:
        rule = DecisionRule.from_json(path.read_text(encoding="utf-8"))
        return OutputDecider(rule, info, load_reference(folder))
    except (OSError, DataError) as error:
        reason = error.message if isinstance(error, DataError) else str(error.strerror)
        raise BundleError(f"{path}: {reason}", _FIT_AGAIN) from error


def record_decisions(
    folder: Path, rule: DecisionRule, temperature: float, reference: Reference | None, limits: Sequence[str]
) -> None:
    """Put a rule, its temperature and its reference pictures into a bundle; the model card tells of it.

    The rule comes last: whatever stops half-way leaves a bundle without one, never one whose rule is of other scores.

    Args:
        folder: a bundle, or a run folder that holds one.
        rule: the thresholds.
        temperature: of the probabilities that the rule holds for.
        reference: pictures to compare with, if any.
        limits: sentences for the model card: what can be relied on, and what can't.

    Raises:
        BundleError: there is no bundle, or it can't be read.
    """
    place = find_bundle(folder)
    (place / RULE_FILE).unlink(missing_ok=True)
    record_calibration(place, temperature, limits)
    if reference is not None:
        save_reference(place, reference)
    save_text(place / RULE_FILE, rule.to_json())
