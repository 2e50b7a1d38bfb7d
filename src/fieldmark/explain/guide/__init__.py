"""The field guide: from the parts' evidence on many pictures to the marks that tell the classes apart. numpy only."""

from fieldmark.explain.guide.build import GuideSource, build_guide
from fieldmark.explain.guide.evidence import LabelledEvidence
from fieldmark.explain.guide.tiles import PartPictures

__all__ = ["GuideSource", "LabelledEvidence", "PartPictures", "build_guide"]
