"""Layers that autoencoders and backbones share; their names in a state dict are the same in both."""

from fieldmark.models.layers.activations import ACTIVATIONS, build_activation
from fieldmark.models.layers.chain import build_chain
from fieldmark.models.layers.conv import doubling_stage, halving_layers
from fieldmark.models.layers.dense import dense_layers
from fieldmark.models.layers.padding import pad_to_multiple

__all__ = [
    "ACTIVATIONS",
    "build_activation",
    "build_chain",
    "dense_layers",
    "doubling_stage",
    "halving_layers",
    "pad_to_multiple",
]
