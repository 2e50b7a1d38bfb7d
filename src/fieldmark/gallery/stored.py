"""What a network says of a run's pictures, kept so that none of them has to pass it again.

    gallery.safetensors    vectors, presence and places of every picture, with what the table says of it

In a run's folder it lies beside the table, from the first question on; a bundle to which a class was added carries its
own, since the pictures need not be there any more. n is pictures, P slots of the head's evidence, C channels.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldmark.errors import BundleError
from fieldmark.models.bundle import WEIGHTS_FILE, read_info
from fieldmark.record_files import build_record

#: Raised with every change that older code can't read.
FORMAT = 1

GALLERY_FILE = "gallery.safetensors"

#: Tensors that adding a class changes; what the network sees does not depend on them.
_OF_THE_CLASSES = ("head.", "bias")

#: Bytes that are hashed at once.
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Addition:
    """What a bundle was before a class was added: what it promises again when that class is taken away.

    Attributes:
        name: the class.
        classes: the classes that there were.
        temperature: of the probabilities.
        limits: sentences for the model card.
        results: measured figures, by name.
        rule: the decision rule as JSON; ``None`` where there was none.
    """

    name: str
    classes: tuple[str, ...]
    temperature: float
    limits: tuple[str, ...]
    results: Mapping[str, float]
    rule: str | None


@dataclass(frozen=True)
class StoredPictures:
    """What a network sees in n pictures.

    Attributes:
        ids: the rows' ids in the run's table.
        files: the pictures' files; a part after ``#`` is a picture's index inside a file of many.
        labels: their classes; empty where a row has none.
        splits: ``"train"``, ``"val"``, or ``"leaked"``: a validation row that the network knows from training.
        vectors: (n, P, C) float16, each slot's mean of the features.
        presence: (n, P) float32 in 0..1.
        embedding: (n, C) float16, the mean of the features over the picture.
        boxes: (n, P, 4) float32, left, top, width and height of each part in 0..1 of the picture; NaN where it is no
            place.
        sizes: (n, 2) int32, width and height of the original pictures in px.
        left_out: (n, A) float32, of pictures of classes that were added, logits of the A added classes by rows that
            were fitted without them; NaN where the class's row was never fitted to the picture, or always.
        network: what identifies the network and the data: ``identity`` of them.
        additions: the classes that were added and are still there, in order.
    """

    ids: tuple[str, ...]
    files: tuple[str, ...]
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    vectors: NDArray[np.float16]
    presence: NDArray[np.float32]
    embedding: NDArray[np.float16]
    boxes: NDArray[np.float32]
    sizes: NDArray[np.int32]
    left_out: NDArray[np.float32]
    network: str = ""
    additions: tuple[Addition, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64]) -> "StoredPictures":
        """Return some rows, in the order given."""
        texts = {name: tuple(getattr(self, name)[row] for row in rows) for name in _TEXTS}
        arrays = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return replace(self, **texts, **arrays)  # type: ignore[arg-type]

    def learned_from(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Return the places of the training pictures of some classes."""
        rows = enumerate(zip(self.splits, self.labels, strict=True))
        return np.array([row for row, (split, label) in rows if split == "train" and label in classes], dtype=np.int64)

    def held_out(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Return the places of pictures of some classes that thresholds may be fitted on.

        They are validation pictures, and those of added classes whose own logit is known from a row without them.
        """
        was_left_out = self.was_left_out()
        rows = enumerate(zip(self.splits, self.labels, strict=True))
        kept = [row for row, (split, label) in rows if label in classes and (split == "val" or was_left_out[row])]
        return np.array(kept, dtype=np.int64)

    def was_left_out(self) -> NDArray[np.bool_]:
        """Say of which pictures of added classes the own logit is known from a row without them: (n,)."""
        columns = {addition.name: column for column, addition in enumerate(self.additions)}
        values = [
            self.left_out[row, columns[label]] if label in columns else np.nan for row, label in enumerate(self.labels)
        ]
        return np.asarray(np.isfinite(np.array(values, dtype=np.float64)))

    def turns(self) -> NDArray[np.int64]:
        """Return which picture of its class each picture of an added class is: (n,); -1 of all others."""
        added = {addition.name: 0 for addition in self.additions}
        found = np.full(len(self), -1, dtype=np.int64)
        for row, label in enumerate(self.labels):
            if label in added:
                found[row], added[label] = added[label], added[label] + 1
        return found

    def without(self, name: str) -> "StoredPictures":
        """Return the pictures without those of a class, and without what was known of it."""
        rows = np.array([row for row, label in enumerate(self.labels) if label != name], dtype=np.int64)
        kept = [column for column, addition in enumerate(self.additions) if addition.name != name]
        left_out = self.left_out[rows][:, kept]
        return replace(self.take(rows), left_out=left_out, additions=tuple(self.additions[column] for column in kept))

    def joined(self, other: "StoredPictures") -> "StoredPictures":
        """Return these rows, then those of another gallery of the same network."""
        texts = {name: getattr(self, name) + getattr(other, name) for name in _TEXTS}
        arrays = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _ARRAYS}
        return replace(self, **texts, **arrays)  # type: ignore[arg-type]

    def save(self, folder: Path) -> None:
        """Write the gallery into a run's or a bundle's folder, atomically."""
        from safetensors.numpy import save_file

        texts = {name: getattr(self, name) for name in _TEXTS}
        additions = [asdict(each) for each in self.additions]
        words = json.dumps({"format": FORMAT, "network": self.network, "additions": additions, **texts}).encode()
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        partial = folder / (GALLERY_FILE + ".partial")
        # The words are a tensor, too: a header may not be as long as a million paths.
        save_file({"words": np.frombuffer(words, np.uint8), **arrays}, partial)
        partial.replace(folder / GALLERY_FILE)

    @staticmethod
    def load(folder: Path) -> "StoredPictures":
        """Read a gallery that ``save`` wrote.

        Raises:
            BundleError: there is none, or it is damaged, or another version's.
        """
        import safetensors
        from safetensors.numpy import load_file

        path = folder / GALLERY_FILE
        try:
            tensors: dict[str, NDArray[np.generic]] = load_file(path)
            words = json.loads(tensors.pop("words").tobytes())
            if words.pop("format") != FORMAT:
                raise BundleError(f"{path} is of another version.", f"Remove it: {path}; it is made again.")
            additions = tuple(build_record(Addition, each) for each in words.pop("additions"))
            network = words.pop("network")
            texts = {name: tuple(map(str, words.pop(name))) for name in _TEXTS}
            found = StoredPictures(**texts, **tensors, network=network, additions=additions)  # type: ignore[arg-type]
            _check_shapes(found)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, safetensors.SafetensorError) as error:
            raise BundleError(f"{path} can't be read: {error}.", f"Remove {path}; it is made again.") from error
        return found


_TEXTS = ("ids", "files", "labels", "splits")
_ARRAYS = ("vectors", "presence", "embedding", "boxes", "sizes", "left_out")


def _check_shapes(found: StoredPictures) -> None:
    count, slots, channels = found.vectors.shape
    wanted = {
        "presence": (count, slots),
        "embedding": (count, channels),
        "boxes": (count, slots, 4),
        "sizes": (count, 2),
        "left_out": (count, len(found.additions)),
    }
    for name, shape in wanted.items():
        if getattr(found, name).shape != shape:
            raise ValueError(f"{name} has the shape {getattr(found, name).shape}, not {shape}")
    if any(len(getattr(found, name)) != count for name in _TEXTS):
        raise ValueError("its words are not those of its vectors")


def identity(bundle: Path, data: str) -> str:
    """Return 32 hex digits that change with the network, its classes aside, its input and the data.

    Args:
        bundle: a bundle's folder.
        data: what identifies the pictures that are looked at: the table's fingerprint and where they lie.

    Raises:
        BundleError: the bundle can't be read.
    """
    digest = hashlib.blake2b(json.dumps([FORMAT, data, asdict(read_info(bundle).preprocessing)]).encode())
    path = bundle / WEIGHTS_FILE
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError("it is cut off")
            header: Mapping[str, Mapping[str, Sequence[int]]] = json.loads(stream.read(length))
            for name in sorted(header):
                if name == "__metadata__" or name.startswith(_OF_THE_CLASSES):
                    continue
                start, end = header[name]["data_offsets"]
                stream.seek(8 + length + start)
                digest.update(name.encode())
                for place in range(start, end, _BLOCK):
                    digest.update(stream.read(min(_BLOCK, end - place)))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} can't be read: {error}.", "Train or copy the bundle again.") from error
    return digest.hexdigest()[:32]
