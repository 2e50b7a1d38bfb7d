"""What an audit found, in sentences."""

from collections.abc import Mapping

from fieldmark.audit_kinds import FLAWS
from fieldmark.audit_results import AuditResult
from fieldmark.data.checking import side_of_check

#: Why kinds that need embeddings were not looked for, with the cure.
_NO_NETWORK = "no network was given: --weights FILE or --run RUN"


def faults_of(result: AuditResult) -> tuple[str, ...]:
    """Say what should be put right, beside what the check of the data said."""
    faults = []
    known = {name for leak in result.leaks for name in (leak.first, leak.second)}
    further = [family for family in result.leaking if not known.issuperset(row.id for row in family.rows)]
    if further:
        verb = "pictures lie" if len(further) > 1 else "picture lies"
        faults.append(f"{len(further):,} further {verb} in several splits, in copies that only embeddings tell.")
    conflicting = len(result.conflicting)
    if conflicting:
        verb = "pictures are" if conflicting > 1 else "picture is"
        faults.append(f"{conflicting:,} {verb} given different classes in different copies.")
    return tuple(faults)


def notes_of(result: AuditResult, learned_from: str) -> tuple[str, ...]:
    """Say what is worth knowing.

    Args:
        result: the audit.
        learned_from: fingerprint of the labelled data that the network was trained on; empty where it saw no labels.
    """
    notes = []
    if result.confident:
        verb = "labels look" if len(result.confident) > 1 else "label looks"
        notes.append(f"{len(result.confident):,} {verb} wrong: look at them before trusting any figure.")
    if learned_from:
        same = "these very" if learned_from == result.fingerprint else "other"
        notes.append(
            f"The network was trained on {same} labels: it may have learned wrong ones by heart, and hide them."
        )
    notes.extend(
        f"Class {source.label}: {source.share:.0%} of its pictures have the {source.by} {source.value}, "
        f"{source.elsewhere:.0%} of the others."
        for source in result.single_sources
    )
    return tuple(notes)


def not_looked_for(result: AuditResult) -> Mapping[str, str]:
    """Return what was not looked for → why."""
    if not result.pictures:
        reason = "there is no picture that can be decoded"
        return dict.fromkeys(("leaks", "conflicts", "suspects", *FLAWS, "copies"), reason)
    found = {}
    if result.network is None:
        found = dict.fromkeys(("suspects", "odd"), _NO_NETWORK)
    elif result.estimated_wrong is None:
        found = {"suspects": "it takes labelled pictures of two classes or more"}
    side = side_of_check(result.pictures + len(result.broken))
    if result.picture_sides and max(result.picture_sides) < side:
        found["blurred"] = f"all pictures are smaller than {side} px"
    return found
