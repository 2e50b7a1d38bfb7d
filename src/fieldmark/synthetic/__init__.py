"""Generated lookalikes: birds drawn from parts, whose marks are known."""

from fieldmark.synthetic.rendering import GeneratedBird, Keypoint, render_bird
from fieldmark.synthetic.species import (
    MARK_PARTS,
    MAX_SPECIES,
    PARTS,
    Genus,
    Species,
    lookalike_pairs,
    marks_between,
    species_catalogue,
)
from fieldmark.synthetic.writing import generate_birds, separating_marks

__all__ = [
    "MARK_PARTS",
    "MAX_SPECIES",
    "PARTS",
    "GeneratedBird",
    "Genus",
    "Keypoint",
    "Species",
    "generate_birds",
    "lookalike_pairs",
    "marks_between",
    "render_bird",
    "separating_marks",
    "species_catalogue",
]
