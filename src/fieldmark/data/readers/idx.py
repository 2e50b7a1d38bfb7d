"""MNIST and its kin: pictures and labels in IDX files."""

from pathlib import Path

from fieldmark.data.containers import read_idx, read_idx_pictures
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError

#: Beginning of the files' names → split.
_SPLITS = {"train": "train", "t10k": "test", "test": "test"}


class IdxReader:
    """``train-images-idx3-ubyte`` with its labels and ``t10k-…``, gzipped or not."""

    looks_for = "train-images-idx3-ubyte(.gz) and its labels"

    def recognise(self, path: Path) -> str | None:
        """Look for files of pictures."""
        found = _image_files(path)
        return ", ".join(file.name for file in found.values()) if found else None

    def read(self, path: Path) -> Table:
        """Read one row a picture; ``path`` is ``file#index``."""
        rows: dict[str, list[str | None]] = {"path": [], "label": [], "split": []}
        files = _image_files(path)
        if not files:
            raise DataError(f"{path} holds no IDX pictures.", "Look for train-images-idx3-ubyte.gz.")
        for prefix, file in files.items():
            count = len(read_idx_pictures(file))
            labels = _labels(path, prefix, file)
            if len(labels) != count:
                raise DataError(f"{file.name} has {count} pictures but {len(labels)} labels.", "Download both again.")
            rows["path"] += [f"{file.name}#{index}" for index in range(count)]
            rows["label"] += labels
            rows["split"] += [_SPLITS[prefix]] * count
        return make_table(rows, path, reader="idx")


def _image_files(path: Path) -> dict[str, Path]:
    """Return prefix → file of pictures, in the order of ``_SPLITS``."""
    candidates = {
        prefix: [path / f"{prefix}-images-idx3-ubyte{ending}" for ending in ("", ".gz")] for prefix in _SPLITS
    }
    return {prefix: file for prefix, files in candidates.items() for file in files[::-1] if file.is_file()}


def _labels(path: Path, prefix: str, images: Path) -> list[str]:
    for ending in ("", ".gz"):
        file = path / f"{prefix}-labels-idx1-ubyte{ending}"
        if file.is_file():
            labels = read_idx(file)
            if labels.ndim != 1:
                raise DataError(f"{file} has {labels.ndim} dimensions; labels have one.", "Download it again.")
            return [str(label) for label in labels]
    raise DataError(f"{images.name} has no labels beside it.", f"Add {prefix}-labels-idx1-ubyte.gz.")
