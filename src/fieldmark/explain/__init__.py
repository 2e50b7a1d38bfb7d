"""Explanations: which parts of a picture decided, and why one class and not another."""

from fieldmark.explain.evidence import (
    EvidenceReader,
    EvidenceTable,
    PictureEvidence,
    collect_evidence,
    evidence_of_rows,
    load_images,
    load_reader,
)

__all__ = [
    "EvidenceReader",
    "EvidenceTable",
    "PictureEvidence",
    "collect_evidence",
    "evidence_of_rows",
    "load_images",
    "load_reader",
]
