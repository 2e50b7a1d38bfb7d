"""What the parts of pictures say, as numpy arrays: of one picture, of many, of a whole split of a run's table.

``EvidenceReader`` turns pictures into ``NetworkOutputs``; ``collect_evidence`` goes through a split and keeps what a
field guide or an explanation asks for. In shapes, B is pictures, K parts, P slots of the head (K, or K + 1 with the
rest of the picture), N classes, C channels, h and w cells of a map, R pixels per side of the square.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fieldmark.augment import side_partners
from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.table import Table
from fieldmark.errors import DataError
from fieldmark.models.bundle import BundleInfo, load_bundle
from fieldmark.models.heads import HEADS
from fieldmark.models.recognizer import Recognizer
from fieldmark.predict.contract import NetworkOutputs, Predictor
from fieldmark.predict.picture_predictor import PicturePredictor
from fieldmark.predict.regions import box_in_picture, part_region, region_box, region_centre
from fieldmark.predict.torch_engine import TorchEngine
from fieldmark.records import Box, Progress
from fieldmark.training.run_folder import TABLE_FILE

#: A picture of this grey (0..255) shows nothing.
_GREY = 128

#: Pictures whose maps are in memory at once while a split is gone through.
_CHUNK = 128


@dataclass(frozen=True)
class EvidenceTable:
    """What the parts of the pictures of many rows say, n rows.

    Attributes:
        names: the names of the P slots.
        classes: the N class names, in the order of the evidence.
        bias: (N,) float64, what is added to the evidence whatever the picture shows.
        root: the folder that paths are relative to.
        ids: the rows' ids in the run's table.
        paths: their pictures, relative to ``root``.
        labels: their classes; ``None`` where a row has none.
        predicted: the class that each was called.
        evidence: (n, P, N) float32 in log-odds.
        presence: (n, P) float32 in 0..1.
        vectors: (n, P, C) float32.
        boxes: (n, P, 4) float32, left, top, width, height of each part in 0..1 of the square; NaN where a slot is no
            place, as the rest of the picture is none.
        centres: (n, P, 2) float32, x and y of each part in 0..1 of the square; NaN like ``boxes``.
        windows: (n, 4) float32, left, top, width, height of each picture in px of the square.
        sizes: (n, 2) int32, width and height of the original pictures in px.
        side: pixels per side of the square.
        maps: (n, K + 1, h, w) float16, the parts' maps, the background's last; (n, 0, 0, 0) where they weren't kept.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    bias: NDArray[np.float64]
    root: Path
    ids: tuple[str, ...]
    paths: tuple[str, ...]
    labels: tuple[str | None, ...]
    predicted: tuple[str, ...]
    evidence: NDArray[np.float32]
    presence: NDArray[np.float32]
    vectors: NDArray[np.float32]
    boxes: NDArray[np.float32]
    centres: NDArray[np.float32]
    windows: NDArray[np.float32]
    sizes: NDArray[np.int32]
    side: int
    maps: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.ids)

    def box_in_picture(self, row: int, slot: int) -> Box | None:
        """Return a part's box in px of the original picture; ``None`` where it is no place on it."""
        left, top, width, height = (float(value) for value in self.windows[row])
        size = int(self.sizes[row, 0]), int(self.sizes[row, 1])
        return box_in_picture(self.boxes[row, slot], self.side, (left, top, width, height), size)


class EvidenceReader:
    """Reads the parts' evidence from pictures, with a recogniser in torch.

    Args:
        recognizer: the network; it is moved to ``device`` and set to evaluation mode.
        info: its bundle.
        device: where the network runs, as torch names it.
        batch_size: pictures that go through the network at once, at least 1.

    Attributes:
        info: the bundle, without its tensors.
        names: the names of the P slots.
        additive: whether the slots' evidence adds up to the logits part by part.

    Raises:
        ConfigError: an unknown device, or a size below 1.
    """

    def __init__(self, recognizer: Recognizer, info: BundleInfo, *, device: str = "cpu", batch_size: int = 32) -> None:
        self.info = info
        self.names = info.part_names  # those that people gave
        self.additive = recognizer.additive
        self._recognizer = recognizer
        self._engine: TorchEngine | None = TorchEngine(recognizer, info.preprocessing, device=device)
        self._predictor: Predictor = PicturePredictor(self._engine, info, batch_size=batch_size)

    @property
    def mirrored(self) -> tuple[int, ...] | None:
        """Which of the K parts takes each one's name in a mirror image; ``None`` where each keeps its own.

        Keypoints are learned so that left and right are exchanged; a discovered part knows no sides, whatever it is
        called.
        """
        parts = self.info.model.get("parts")
        if not isinstance(parts, Mapping) or parts.get("name") != "keypoints":
            return None
        return side_partners([str(name) for name in parts["names"]])

    @property
    def bias(self) -> NDArray[np.float64]:
        """What is added to the evidence of each class (N,), whatever the picture shows."""
        return np.asarray(self._recognizer.bias.detach().double().cpu().numpy())

    def read(self, pixels: NDArray[np.uint8]) -> NetworkOutputs:
        """Read the evidence of fitted pictures.

        Args:
            pixels: (B, R, R, 3) in RGB, B at least 1, R being ``info.preprocessing.resolution``.

        Raises:
            DataError: another shape or type, or no picture.
        """
        return self._predictor.outputs(pixels)

    def direction(self, classes: tuple[int, int]) -> NDArray[np.float32]:
        """Return what asks evidence for that of A against B, given their places: (N,), 1 at A and -1 at B."""
        found = np.zeros(len(self.info.classes), np.float32)
        found[list(classes)] = 1, -1
        return found

    def cell_evidence(self, pixels: NDArray[np.uint8], direction: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Tell where in fitted pictures the evidence comes from, cell by cell.

        Args:
            pixels: (B, R, R, 3), as of ``read``; they go through the network at once.
            direction: (N,), what of the evidence is asked for, such as ``direction`` of A and B.

        Returns:
            (B, P, h, w), which add up over the cells to ``read(pixels).evidence @ direction``; ``None`` where the slots
            don't add up to the logits, or the network doesn't run in torch.
        """
        return self._engine.cell_evidence(pixels, direction) if self._engine is not None and self.additive else None

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the logits (B, N) of fitted pictures (B, R, R, 3), before any temperature.

        Raises:
            DataError: another shape or type, or no picture.
        """
        return self._predictor.outputs(pixels).logits

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn logits (B, N) into calibrated probabilities, as a predictor of the same bundle gives them."""
        scaled = logits / self.info.temperature
        weights = np.exp(scaled - scaled.max(1, keepdims=True))
        return np.asarray(weights / weights.sum(1, keepdims=True))


def load_reader(run: Path | str, *, device: str = "cpu", batch_size: int = 32) -> EvidenceReader:
    """Load the recogniser of a run, ready to read evidence.

    Args:
        run: a run's folder, or a bundle.
        device: where the network runs, as torch names it.
        batch_size: pictures that go through the network at once, at least 1.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        ConfigError: an unknown device, or a size below 1.
    """
    recognizer, info = load_bundle(Path(run))
    return EvidenceReader(recognizer, info, device=device, batch_size=batch_size)


class _AroundPredictor(EvidenceReader):
    """Reads by way of a predictor; the bias is what the logits of any picture exceed its evidence by."""

    def __init__(self, predictor: Predictor) -> None:
        self.info = predictor.info
        self.names = predictor.info.part_names
        self.additive = HEADS[str(predictor.info.model.get("head", "linear"))].additive
        self._predictor = predictor
        engine = predictor.engine if isinstance(predictor, PicturePredictor) else None
        # another engine's network can't be asked cell by cell
        self._engine = engine if isinstance(engine, TorchEngine) else None
        side = predictor.info.preprocessing.resolution
        read = predictor.outputs(np.full((1, side, side, 3), _GREY, np.uint8))
        self._bias: NDArray[np.float64] = np.asarray(read.logits - read.evidence.astype(np.float64).sum(1))[0]

    @property
    def bias(self) -> NDArray[np.float64]:
        """What is added to the evidence of each class (N,), whatever the picture shows."""
        return self._bias


def reader_around(predictor: Predictor) -> EvidenceReader:
    """Return a reader around a predictor that is already loaded, whatever engine runs its network."""
    return _AroundPredictor(predictor)


def load_images(run: Path, reader: EvidenceReader, cache: Path, *, progress: Progress | None = None) -> CachedImages:
    """Open the pictures of a run's table, decoded as its recogniser wants them.

    Args:
        run: the run's folder.
        reader: the run's recogniser.
        cache: folder of decoded pictures; pictures that it lacks are decoded.
        progress: told how many pictures are decoded.

    Raises:
        DataError: the run holds no table, or its pictures are gone.
    """
    file = run / TABLE_FILE
    if not file.is_file():
        raise DataError(
            f"{run} does not say which data it was trained on.", "Give a run's folder, not only its bundle."
        )
    return cache_images(Table.load(file), reader.info.preprocessing, cache, progress=progress)


def collect_evidence(
    run: Path, split: str, cache: Path, *, reader: EvidenceReader | None = None, progress: Progress | None = None
) -> EvidenceTable:
    """Read the evidence of every usable picture of a split of a run's table, labelled or not.

    Args:
        run: the run's folder.
        split: ``"train"``, ``"val"`` or ``"test"``.
        cache: folder of decoded pictures, shared by runs.
        reader: the run's recogniser, where it is already loaded.
        progress: told how far decoding, then reading, has come.

    Raises:
        BundleError: the run has no bundle, or it can't be read.
        DataError: the run holds no table, its pictures are gone, or the split has none.
    """
    reader = reader or load_reader(run)
    images = load_images(run, reader, cache, progress=progress)
    wanted = images.table.frame.select((pl.col("split") == split).fill_null(False)).to_series()
    rows = np.flatnonzero(wanted.to_numpy())
    if not len(rows):
        counts = ", ".join(f"{name} ({count})" for name, count in images.table.counts().items())
        raise DataError(f"{run} has no pictures in split {split!r}.", f"Pictures by split: {counts}.")
    return evidence_of_rows(reader, images, rows, progress=progress)


def evidence_of_rows(
    reader: EvidenceReader,
    images: CachedImages,
    rows: NDArray[np.int64],
    *,
    keep_maps: bool = False,
    progress: Progress | None = None,
) -> EvidenceTable:
    """Read the evidence of some rows of decoded pictures.

    Memory grows with rows × slots × (classes + channels), and with rows × (parts + 1) × cells where maps are kept.

    Args:
        reader: the recogniser.
        images: pictures at its resolution.
        rows: places in ``images.table``, one or more.
        keep_maps: keep the parts' maps, too.
        progress: told how many rows are done.
    """
    chunks: list[tuple[NDArray[np.float32], ...]] = []
    maps: list[NDArray[np.float16]] = []
    called: list[int] = []
    for start in range(0, len(rows), _CHUNK):
        places = rows[start : start + _CHUNK]
        read = reader.read(np.asarray(images.pixels[places]))
        chunks.append((read.evidence, read.presence, read.vectors, *_places_of(read)))
        called.extend(read.logits.argmax(1).tolist())
        maps.append(read.maps.astype(np.float16) if keep_maps else np.empty((len(places), 0, 0, 0), np.float16))
        if progress is not None:
            progress(start + len(places), len(rows))
    evidence, presence, vectors, boxes, centres = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    frame = images.table.frame[rows.tolist()]
    classes = reader.info.classes
    return EvidenceTable(
        names=reader.names,
        classes=classes,
        bias=reader.bias,
        root=images.table.root,
        ids=tuple(frame["id"]),
        paths=tuple(frame["path"]),
        labels=tuple(frame["label"]),
        predicted=tuple(classes[index] for index in called),
        evidence=evidence,
        presence=presence,
        vectors=vectors,
        boxes=boxes,
        centres=centres,
        windows=images.windows[rows],
        sizes=images.sizes[rows],
        side=reader.info.preprocessing.resolution,
        maps=np.concatenate(maps),
    )


def _places_of(read: NetworkOutputs) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return boxes (B, P, 4) and centres (B, P, 2); NaN in slots that have no map of their own."""
    count, slots = read.presence.shape
    boxes, centres = np.full((count, slots, 4), np.nan, np.float32), np.full((count, slots, 2), np.nan, np.float32)
    for picture in range(count):
        for slot, share in enumerate(read.maps[picture, :-1]):
            region = part_region(share)
            boxes[picture, slot] = region_box(region)
            centres[picture, slot] = region_centre(share, region)
    return boxes, centres
