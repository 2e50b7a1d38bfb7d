"""Work spread over the processes and machines of a Ray cluster. Nothing outside this folder knows Ray."""

from fieldmark.scale.job import PredictionOptions, PredictionSummary
from fieldmark.scale.predict import predict_table

__all__ = ["PredictionOptions", "PredictionSummary", "predict_table"]
