"""Evaluation: one protocol per file, each gives a frozen result and writes it into the run's folder."""

from fieldmark.evaluation.classification import evaluate, evaluate_predictor

__all__ = ["evaluate", "evaluate_predictor"]
