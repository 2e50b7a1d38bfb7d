"""Training pictures of a rival to set beside a picture's parts, read when they are first asked for."""

import logging
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.data.cache import CachedImages
from fieldmark.errors import FieldmarkError
from fieldmark.explain.evidence import EvidenceReader, EvidenceTable, evidence_of_rows, load_images

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
        self._tables: OrderedDict[str, EvidenceTable | None] = OrderedDict()
        self._images: CachedImages | None = None
        self._thread = threading.Thread(target=self._open, args=(run, cache), name="fieldmark-examples", daemon=True)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the data are decoded, or can't be; return whether they are there."""
        self._thread.join(timeout)
        return self._images is not None

    def of(self, label: str) -> EvidenceTable | None:
        """Return the evidence of a class's training pictures; ``None`` where there are none, or not yet."""
        if self._images is None:
            return None
        if label not in self._tables:
            self._tables[label] = self._read(self._images, label)
            if len(self._tables) > _MOST_CLASSES:
                self._tables.popitem(last=False)
        self._tables.move_to_end(label)
        return self._tables[label]

    def _read(self, images: CachedImages, label: str) -> EvidenceTable | None:
        wanted = ((pl.col("split") == "train") & (pl.col("label") == label)).fill_null(False)
        rows = np.flatnonzero(images.table.frame.select(wanted).to_series().to_numpy())
        if not len(rows):
            return None
        if len(rows) > _MOST_SEARCHED:
            rows = rows[np.linspace(0, len(rows) - 1, _MOST_SEARCHED).round().astype(np.int64)]
        return evidence_of_rows(self._reader, images, rows)

    def _open(self, run: Path, cache: Path) -> None:
        try:
            self._images = load_images(run, self._reader, cache)
        except (FieldmarkError, OSError) as error:  # explanations go without examples, and the log says why
            _LOG.warning("examples", extra={"facts": {"reason": str(error)}})
