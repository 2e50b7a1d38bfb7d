"""The training pictures nearest to a picture that was sent, for showing beside it."""

import logging
import threading
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldmark.data.images import decode, sample_source
from fieldmark.data.thumbnails import THUMBNAIL, cut_out, data_address
from fieldmark.errors import BrokenImageError, FieldmarkError
from fieldmark.gallery.collect import stored_pictures
from fieldmark.gallery.search import nearest
from fieldmark.gallery.stored import StoredPictures
from fieldmark.predict.contract import Predictor
from fieldmark.serve.answers import Neighbour

_LOG = logging.getLogger("fieldmark.serve")

#: Thumbnails that are kept in memory, of a few kB each.
_MOST_THUMBNAILS = 2000


class NeighbourShelf:
    """Finds the nearest training pictures; what the network sees in them is read in the background, or made then.

    Args:
        run: a run's folder, or a bundle with a gallery.
        predictor: of that bundle.
        cache: folder of decoded pictures.
    """

    def __init__(self, run: Path, predictor: Predictor, cache: Path) -> None:
        self._stored: StoredPictures | None = None
        self._thread = threading.Thread(
            target=self._open, args=(run, predictor, cache), name="fieldmark-neighbours", daemon=True
        )
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the pictures are there, or can't be; return whether they are."""
        self._thread.join(timeout)
        return self._stored is not None

    def nearest(self, embedding: NDArray[np.float32], count: int) -> tuple[Neighbour, ...]:
        """Return the training pictures whose embedding is most like one (C,), nearest first; none where none are known.

        Args:
            embedding: of the whole picture.
            count: how many.
        """
        stored = self._stored
        if stored is None or count < 1:
            return ()
        wanted = np.array([split == "train" for split in stored.splits])
        found = nearest(stored.embedding, embedding, count, wanted=wanted)
        return tuple(
            Neighbour(stored.labels[place], float(similarity), _thumbnail(stored.files[place]))
            for place, similarity in zip(found.places.tolist(), found.similarities, strict=True)
        )

    def _open(self, run: Path, predictor: Predictor, cache: Path) -> None:
        try:
            self._stored = stored_pictures(run, predictor, cache)
        except (FieldmarkError, OSError) as error:  # answers go without neighbours, and the log says why
            _LOG.warning("neighbours", extra={"facts": {"reason": str(error)}})


@lru_cache(maxsize=_MOST_THUMBNAILS)
def _thumbnail(file: str) -> str:
    """Return a picture made small, as a data address; nothing where it went missing."""
    try:
        picture = decode(sample_source(Path("/"), file), at_least=THUMBNAIL)
    except BrokenImageError:
        return ""
    return data_address(cut_out(picture, None, picture.size))
