"""Recognisers whose parts are known: the quadrants of the picture, instead of learned parts."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fieldmark.data.table import Table, make_table
from fieldmark.explain.evidence import EvidenceReader
from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.bundle import BundleInfo, save_bundle
from fieldmark.models.heads import LinearHead
from fieldmark.models.parts import PARTS, PartsSpec
from fieldmark.models.recognizer import Recognizer
from fieldmark.predict.contract import Engine
from fieldmark.records import Preprocessing

CLASSES = ("Plain Thornfinch", "Rufous Thornfinch", "Barred Thornfinch")
QUADRANTS = ("top left", "top right", "bottom left", "bottom right")
SIDE = 64
PREPROCESSING = Preprocessing(SIDE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

SPEC = ModelSpec(
    BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32), "output_stride": 8}),
    classes=len(CLASSES),
    parts=PartsSpec(name="quadrants"),
    rest=True,
)


class Quadrants(nn.Module):
    """The four quarters of the picture as its parts; a tenth of every cell is background."""

    names = QUADRANTS

    background = True

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, C, H, W) into maps (B, 5, H, W)."""
        batch, _, height, width = features.shape
        maps = torch.zeros(batch, 5, height, width)
        middle, centre = (height + 1) // 2, (width + 1) // 2
        maps[:, 0, :middle, :centre] = 0.9
        maps[:, 1, :middle, centre:] = 0.9
        maps[:, 2, middle:, :centre] = 0.9
        maps[:, 3, middle:, centre:] = 0.9
        maps[:, 4] = 0.1
        return maps


class Colours(nn.Module):
    """A backbone whose features are the mean colours of cells of eight pixels: a cell sees itself alone."""

    feature_dim, stride, preprocessing = 3, 8, PREPROCESSING

    def forward_features(self, x: Tensor) -> Tensor:
        """Turn pictures (B, 3, H, W) into features (B, 3, H / 8, W / 8)."""
        return nn.functional.avg_pool2d(x, 8)

    def layers_to_stride(self, stride: int) -> list[nn.Module]:
        """Return nothing: no layer has weights."""
        return []


class Summed(nn.Module):
    """A head that is not additive: it gives one sum for the whole picture."""

    additive, parts = False, None

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, classes))

    def forward(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Turn vectors (B, P, 3) and presence (B, P) into evidence (B, 1, N): a product of parts, so no sum."""
        return (vectors.prod(1) @ self.weight).unsqueeze(1)


def colour_reader(weight: Tensor | None = None, *, rest: bool = False) -> EvidenceReader:
    """Return a reader of three classes whose evidence of a quadrant is a linear function of its mean colour.

    Args:
        weight: (P, 3, 3), slot, class, colour channel; by default random.
        rest: give the head the background as a slot, too.
    """
    torch.manual_seed(0)
    head = LinearHead(3, 4 + rest, len(CLASSES))
    with torch.no_grad():
        head.weight.copy_(torch.randn(head.weight.shape) if weight is None else weight)
    recognizer = Recognizer(Colours(), Quadrants(), head, len(CLASSES), rest=rest)
    return EvidenceReader(recognizer, bundle_info(names=recognizer.evidence_names))


class AnotherEngine:
    """Runs what another engine runs, and nothing else: one that can't be asked cell by cell."""

    parallel = 1

    def __init__(self, engine: Engine) -> None:
        self.run = engine.run


def bundle_info(temperature: float = 1.0, names: tuple[str, ...] = (*QUADRANTS, "rest of the picture")) -> BundleInfo:
    """Return what a bundle of such a recogniser keeps."""
    return BundleInfo(CLASSES, PREPROCESSING, asdict(SPEC), part_names=names, temperature=temperature)


def register_quadrants(patch: pytest.MonkeyPatch) -> None:
    """Make ``quadrants`` the name of a part learner."""
    patch.setitem(PARTS, "quadrants", lambda _spec, _dim: Quadrants())


def write_quadrant_run(folder: Path) -> Path:
    """Write a run with random weights whose parts are the quadrants and the rest, and the table it might be from."""
    torch.manual_seed(3)
    recognizer = build_recognizer(SPEC)
    nn.init.normal_(recognizer.bias)
    save_bundle(folder / "run" / "bundle", recognizer, bundle_info(temperature=2.0))
    write_table(folder / "pictures").save(folder / "run" / "table.parquet")
    return folder / "run"


def write_table(folder: Path) -> Table:
    """Write five noisy pictures of each class, of odd shapes; three are for training, one each for val and test."""
    folder.mkdir()
    random = np.random.default_rng(0)
    rows: dict[str, list[str]] = {"path": [], "label": [], "split": []}
    for label in CLASSES:
        for number in range(5):
            name = f"{label[:5]}{number}.png"
            noise = random.integers(0, 256, (40 + 9 * number, 90 - 11 * number, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / name)
            rows["path"].append(name)
            rows["label"].append(label)
            rows["split"].append(("train", "train", "train", "val", "test")[number])
    return make_table(rows, folder, reader="folders", classes=CLASSES)
