"""Explanations: which parts of a picture decided, and why one class and not another."""

from fieldmark.explain.evidence import (
    EvidenceReader,
    EvidenceTable,
    collect_evidence,
    evidence_of_rows,
    load_images,
    load_reader,
)
from fieldmark.explain.explain import explain_picture, field_marks, with_examples
from fieldmark.explain.figure import draw_explanation

__all__ = [
    "EvidenceReader",
    "EvidenceTable",
    "collect_evidence",
    "draw_explanation",
    "evidence_of_rows",
    "explain_picture",
    "field_marks",
    "load_images",
    "load_reader",
    "with_examples",
]
