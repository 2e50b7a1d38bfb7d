"""Explanations: which parts of a picture decided, and why one class and not another."""

from fieldmark.explain.beside import Beside, set_beside
from fieldmark.explain.evidence import (
    EvidenceReader,
    EvidenceTable,
    collect_evidence,
    evidence_of_rows,
    load_images,
    load_reader,
)
from fieldmark.explain.examples import ClassPictures, class_pictures
from fieldmark.explain.explain import explain_picture, field_marks
from fieldmark.explain.figure import draw_explanation

__all__ = [
    "Beside",
    "ClassPictures",
    "EvidenceReader",
    "EvidenceTable",
    "class_pictures",
    "collect_evidence",
    "draw_explanation",
    "evidence_of_rows",
    "explain_picture",
    "field_marks",
    "load_images",
    "load_reader",
    "set_beside",
]
