"""Fieldmark: fine-grained image recognition that says which local mark decided."""

__version__ = "0.1.0"
