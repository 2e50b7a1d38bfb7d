"""Augmentation of whole batches, and corruptions by which robustness is measured, on tensors."""

from fieldmark.augment.batch import BatchAugment, Drawn, mix_batch, normalise
from fieldmark.augment.keypoints import move_keypoints, side_partners, uncovered
from fieldmark.augment.lighting import LIGHTS, TRAINED_LIGHTS, lighting_series
from fieldmark.augment.occluders import OCCLUDERS
from fieldmark.augment.occlusion import FRACTIONS, Occlusion, occlusion_series
from fieldmark.augment.seeds import picture_seed

__all__ = [
    "FRACTIONS",
    "LIGHTS",
    "OCCLUDERS",
    "TRAINED_LIGHTS",
    "BatchAugment",
    "Drawn",
    "Occlusion",
    "lighting_series",
    "mix_batch",
    "move_keypoints",
    "normalise",
    "occlusion_series",
    "picture_seed",
    "side_partners",
    "uncovered",
]
