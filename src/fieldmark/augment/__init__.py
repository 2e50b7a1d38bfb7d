"""Augmentation of whole batches, on tensors."""

from fieldmark.augment.batch import BatchAugment, mix_batch, normalise

__all__ = ["BatchAugment", "mix_batch", "normalise"]
