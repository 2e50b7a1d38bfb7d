"""The kinds of findings of an audit: what each is called, what it means, and what to do about it."""

from dataclasses import dataclass

#: Names of what may be wrong with one picture.
FLAWS = ("blurred", "dark", "bright", "odd")


@dataclass(frozen=True, slots=True)
class AuditKind:
    """A kind of finding: what it is called, what it means, what to do about it."""

    title: str
    meaning: str
    advice: str


#: Every kind of finding, the gravest first.
KINDS = {
    "broken": AuditKind("Broken pictures", "Files that can't be decoded.", "Replace the files; --fix drops the rows."),
    "leaks": AuditKind(
        "Copies across splits",
        "One picture on both sides of a split, so that figures flatter.",
        "--fix keeps the copies in the test split and drops the others.",
    ),
    "groups": AuditKind(
        "Groups across splits",
        "One animal, patient or product on both sides of a split, so that figures flatter.",
        "Split again by group, or let --fix with --drop groups keep one side.",
    ),
    "conflicts": AuditKind(
        "Copies with different labels",
        "One picture that is given several classes.",
        "Find out which label is right; --fix drops all of these copies.",
    ),
    "suspects": AuditKind(
        "Suspicious labels",
        "Labels that a classifier which never saw the picture holds for wrong, the surest first.",
        "Look at each beside its suggested class and correct it; --fix with --drop suspects drops the sure ones.",
    ),
    "odd": AuditKind(
        "Odd pictures", "Pictures that resemble no other.", "Make sure that they belong to the data at all."
    ),
    "blurred": AuditKind(
        "Blurred pictures",
        "Hardly anything in them is sharp.",
        "Keep them if such pictures will be asked about; else leave them out.",
    ),
    "dark": AuditKind("Dark pictures", "Nearly black all over.", "Take them anew, or leave them out."),
    "bright": AuditKind("Bright pictures", "Nearly white all over.", "Take them anew, or leave them out."),
    "sources": AuditKind(
        "Classes of a single source",
        "Classes that could be told by where their pictures come from.",
        "Add pictures from elsewhere, or give all classes the same sizes and formats.",
    ),
    "imbalance": AuditKind(
        "Class imbalance",
        "Classes with many times the pictures of others.",
        "Read macro recall beside accuracy, and try train --class-balanced.",
    ),
    "copies": AuditKind(
        "Copies inside a split",
        "One picture several times in one split.",
        "Keep one of each, unless they are meant to count twice.",
    ),
}
