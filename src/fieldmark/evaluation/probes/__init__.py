"""Probes: how well classes can be read from frozen features."""

from fieldmark.evaluation.probes.attention import attention_probe
from fieldmark.evaluation.probes.contract import Probe
from fieldmark.evaluation.probes.linear import leave_one_group_out, linear_probe
from fieldmark.evaluation.probes.nearest import knn_probe
from fieldmark.evaluation.probes.texts import tfidf_svm

#: Probe name → probe of vectors (N, D).
VECTOR_PROBES: dict[str, Probe] = {"knn": knn_probe, "linear": linear_probe}

#: Probe name → probe of maps (N, C, h, w).
MAP_PROBES: dict[str, Probe] = {"attention": attention_probe}

__all__ = [
    "MAP_PROBES",
    "VECTOR_PROBES",
    "Probe",
    "attention_probe",
    "knn_probe",
    "leave_one_group_out",
    "linear_probe",
    "tfidf_svm",
]
