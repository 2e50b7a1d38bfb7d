"""A training picture that is like another one: what lists of neighbours and explanations show."""

from dataclasses import dataclass, field

from fieldmark.record_files import check_picture_address
from fieldmark.records import Box


@dataclass(frozen=True, slots=True)
class SimilarPicture:
    """A training picture that is like another one.

    Attributes:
        id: the row's id in the run's table.
        path: the picture's file.
        label: its class; empty where it has none.
        similarity: cosine of the two vectors, in -1..1.
        box: the part in px of that picture; ``None`` where the whole picture is compared, or the part is no place.
        thumbnail: what was compared, cut out, as a data address; empty where the picture went missing.
    """

    id: str
    path: str
    label: str
    similarity: float
    box: Box | None = None
    thumbnail: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        check_picture_address(self.thumbnail)
