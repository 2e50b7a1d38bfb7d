"""The training pictures nearest to a picture: frozen records, saved as JSON and shown without torch."""

from dataclasses import dataclass, field, replace

from fieldmark.record_files import RecordFormat, check_picture_address
from fieldmark.records import Box
from fieldmark.similar_pictures import SimilarPicture

_FORMAT = RecordFormat(1, "The list of neighbours", "Look for them again: fieldmark neighbours RUN IMAGE.")

#: Neighbours that are listed where nothing else is asked for.
COUNT = 5


@dataclass(frozen=True, slots=True)
class NearestByPart:
    """The training pictures whose part is most like a picture's.

    Attributes:
        part: the part's name; ``"whole picture"`` where all of it is compared.
        presence: how surely the part is in the picture, in 0..1.
        box: where it is, in px of the picture; ``None`` where it is no place.
        nearest: the nearest first; none where the part is hardly there.
        thumbnail: the part cut out, as a data address.
    """

    part: str
    presence: float
    box: Box | None
    nearest: tuple[SimilarPicture, ...]
    thumbnail: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        check_picture_address(self.thumbnail)


@dataclass(frozen=True, slots=True)
class NearestPictures:
    """The training pictures that a run's network sees as most like a picture.

    Attributes:
        source: the path or name of the picture.
        label: what the recogniser calls it.
        probability: calibrated probability of ``label``, in 0..1.
        compared: by the whole picture first, where that was asked for, then part by part in the recogniser's order.
        searched: number of training pictures that were compared.
        exact: whether all of them were; otherwise an index of approximate neighbours was asked.
        fieldmark_version: the version that looked.
        notes: what to bear in mind.
    """

    source: str
    label: str
    probability: float
    compared: tuple[NearestByPart, ...]
    searched: int
    exact: bool
    fieldmark_version: str
    notes: tuple[str, ...] = ()

    def without_pictures(self) -> "NearestPictures":
        """Return the figures and words alone."""
        bare = tuple(
            replace(each, thumbnail="", nearest=tuple(replace(one, thumbnail="") for one in each.nearest))
            for each in self.compared
        )
        return replace(self, compared=bare)

    def to_json(self) -> str:
        """Return the neighbours as JSON with sorted keys; ``from_json`` gives them back.

        Raises:
            ValueError: a figure is infinite or no number.
        """
        return _FORMAT.to_json(self)

    @staticmethod
    def from_json(text: str) -> "NearestPictures":
        """Read neighbours that ``to_json`` wrote.

        Raises:
            DataError: it isn't such a list, or another version's.
        """
        return _FORMAT.from_json(NearestPictures, text)
