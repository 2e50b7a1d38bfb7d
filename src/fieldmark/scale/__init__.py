"""Work spread over the processes and machines of a Ray cluster. Nothing outside this folder knows Ray."""

from fieldmark.scale.job import PredictionOptions, PredictionSummary
from fieldmark.scale.predict import predict_table
from fieldmark.scale.serve import served, wait_for_stop

__all__ = ["PredictionOptions", "PredictionSummary", "predict_table", "served", "wait_for_stop"]
