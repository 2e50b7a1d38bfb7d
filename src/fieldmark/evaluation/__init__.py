"""Evaluation: one protocol per file, each gives a frozen result and writes it into the run's folder."""

from fieldmark.evaluation.classification import evaluate, evaluate_predictor
from fieldmark.evaluation.decisions import fit_decisions, has_held_out_rows
from fieldmark.evaluation.keypoints import (
    KeypointFigures,
    MappedPictures,
    located_keypoints,
    map_pictures,
    parts_and_keypoints,
    regressed_keypoints,
)
from fieldmark.evaluation.paired import compare_runs
from fieldmark.evaluation.pretraining import evaluate_pretraining
from fieldmark.evaluation.reference_networks import PretrainedBackbone
from fieldmark.evaluation.robustness import evaluate_robustness
from fieldmark.evaluation.seeds import evaluate_seeds

__all__ = [
    "KeypointFigures",
    "MappedPictures",
    "PretrainedBackbone",
    "compare_runs",
    "evaluate",
    "evaluate_predictor",
    "evaluate_pretraining",
    "evaluate_robustness",
    "evaluate_seeds",
    "fit_decisions",
    "has_held_out_rows",
    "located_keypoints",
    "map_pictures",
    "parts_and_keypoints",
    "regressed_keypoints",
]
