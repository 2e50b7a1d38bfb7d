"""Training pictures of a rival to set beside a picture's parts, read when they are first asked for."""

import logging
import threading
from collections import OrderedDict
from pathlib import Path

from fieldmark.data.cache import CachedImages
from fieldmark.errors import FieldmarkError
from fieldmark.explain.evidence import EvidenceReader, load_images
from fieldmark.explain.examples import ClassPictures, class_pictures

_LOG = logging.getLogger("fieldmark.serve")

#: Training pictures of a class that are searched at most; of more, so many are taken evenly.
_MOST_SEARCHED = 100

#: Classes whose evidence is kept in memory.
_MOST_CLASSES = 64


class ExampleShelf:
    """Finds training pictures of a class; its data are decoded in the background, and until then there are none.

    Args:
        run: the run's folder, which holds its table.
        reader: the run's recogniser.
        cache: folder of decoded pictures.
    """

    def __init__(self, run: Path, reader: EvidenceReader, cache: Path) -> None:
        self._reader = reader
        self._classes: OrderedDict[str, ClassPictures | None] = OrderedDict()
        self._images: CachedImages | None = None
        self._thread = threading.Thread(target=self._open, args=(run, cache), name="fieldmark-examples", daemon=True)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the data are decoded, or can't be; return whether they are there."""
        self._thread.join(timeout)
        return self._images is not None

    def of(self, label: str) -> ClassPictures | None:
        """Return a class's training pictures with their evidence; ``None`` where there are none, or not yet."""
        if self._images is None:
            return None
        if label not in self._classes:
            self._classes[label] = class_pictures(self._reader, self._images, label, most=_MOST_SEARCHED)
            if len(self._classes) > _MOST_CLASSES:
                self._classes.popitem(last=False)
        self._classes.move_to_end(label)
        return self._classes[label]

    def _open(self, run: Path, cache: Path) -> None:
        try:
            self._images = load_images(run, self._reader, cache)
        except (FieldmarkError, OSError) as error:  # explanations go without examples, and the log says why
            _LOG.warning("examples", extra={"facts": {"reason": str(error)}})
