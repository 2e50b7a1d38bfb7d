"""Layers and functions that several networks share; their names in a state dict are the same in all."""

from fieldmark.models.layers.activations import ACTIVATIONS, build_activation
from fieldmark.models.layers.attention_pooling import AttentionPooling
from fieldmark.models.layers.chain import build_chain
from fieldmark.models.layers.conv import doubling_stage, halving_layers
from fieldmark.models.layers.covariance import covariance, square_root
from fieldmark.models.layers.dense import dense_layers
from fieldmark.models.layers.padding import pad_to_multiple
from fieldmark.models.layers.usual_light import UsualLight

__all__ = [
    "ACTIVATIONS",
    "AttentionPooling",
    "UsualLight",
    "build_activation",
    "build_chain",
    "covariance",
    "dense_layers",
    "doubling_stage",
    "halving_layers",
    "pad_to_multiple",
    "square_root",
]
