"""Pictures with known faults, and a network that needs no weights."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fieldmark.audit.network import FrozenNetwork
from fieldmark.data.table import Table, make_table
from fieldmark.records import Preprocessing

#: Class → colour of its pictures.
COLOURS = {"ant": (200, 60, 40), "bee": (60, 180, 60), "cat": (50, 70, 200)}


def picture(seed: int, label: str = "ant", size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Blobs, edges and grain, such as a photo has, in the colour of a class."""
    generator = np.random.default_rng(seed)
    layers = []
    for spread, cells in ((40, (5, 6)), (25, (24, 30))):
        layer = generator.normal(0, spread, (*cells, 3)).astype(np.float32)
        layers.append(np.stack([np.asarray(Image.fromarray(layer[..., c]).resize(size)) for c in range(3)], -1))
    return Image.fromarray((np.array(COLOURS[label]) + sum(layers)).clip(0, 255).astype(np.uint8))


def recoded(image: Image.Image, quality: int) -> Image.Image:
    """Encode a picture as JPEG and decode it."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def cut(image: Image.Image, share: float = 0.9) -> Image.Image:
    """Cut a picture's lower right corner to this share of each side."""
    width, height = round(image.width * share), round(image.height * share)
    return image.crop((image.width - width, image.height - height, image.width, image.height))


def write_table(
    folder: Path,
    pictures: Mapping[str, tuple[str | None, str | None, Image.Image | bytes]],
    **columns: Sequence[object],
) -> Table:
    """Write pictures, each with its label and split, and make their table."""
    for name, (_, _, image) in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(image, bytes):
            (folder / name).write_bytes(image)
        else:
            image.save(folder / name)
    rows = {
        "path": [*pictures],
        "label": [label for label, _, _ in pictures.values()],
        "split": [split for _, split, _ in pictures.values()],
        **columns,
    }
    return make_table(rows, folder, reader="folders")


def three_classes(each: int = 12) -> dict[str, tuple[str | None, str | None, Image.Image | bytes]]:
    """Pictures of three classes, two thirds of them in train, that have no fault."""
    return {
        f"{label}/{index}.png": (label, "test" if index % 3 == 2 else "train", picture(100 * place + index, label))
        for place, label in enumerate(COLOURS)
        for index in range(each)
    }


def colour_network(side: int = 32) -> FrozenNetwork:
    """A network whose embedding is the picture in 4 × 4 blocks: near for like colours, nearer for one picture."""

    def embed(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        blocks = pixels.reshape(len(pixels), 4, side // 4, 4, side // 4, 3).mean(axis=(2, 4))
        return blocks.reshape(len(pixels), -1).astype(np.float32)

    return FrozenNetwork("colours", Preprocessing(side), embed)
