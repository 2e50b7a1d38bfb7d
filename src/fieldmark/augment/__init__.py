"""Augmentation of whole batches, on tensors."""

from fieldmark.augment.batch import BatchAugment, mix_batch, normalise
from fieldmark.augment.keypoints import move_keypoints, side_partners

__all__ = ["BatchAugment", "mix_batch", "move_keypoints", "normalise", "side_partners"]
