"""Predict with a trained bundle, from whatever holds a picture."""

from fieldmark.predict.contract import ImageSource, Predictor
from fieldmark.predict.load import load_predictor
from fieldmark.predict.sources import displayable, expand_sources

__all__ = ["ImageSource", "Predictor", "displayable", "expand_sources", "load_predictor"]
