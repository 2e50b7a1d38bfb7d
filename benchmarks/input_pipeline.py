"""Does the input keep up with the network, and does decoding keep up with the disk?

    python benchmarks/input_pipeline.py

Two comparisons, each measured side by side in one process:

* training steps on augmented pictures from the cache against the same steps on one random batch held in memory,
  in alternating blocks;
* a folder of 4000 × 3000 JPEGs into the cache against a plain Pillow loop (open, convert, resize), alternating.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.reading import read_table
from fieldmark.records import Preprocessing
from fieldmark.training.assembly import build_model, make_task
from fieldmark.training.config import TrainConfig
from fieldmark.training.observer import SilentObserver
from fieldmark.training.processes import make_fabric
from fieldmark.training.supervised import SupervisedBatch, SupervisedTask
from record import Row, write_results

SIDE = 160
NETWORKS = {
    "MobileNetV2, layers to stride 4 frozen": TrainConfig(
        backbone="mobilenetv2_100", freeze_to_stride=4, resolution=SIDE, epochs=1
    ),
    "ResNet-18": TrainConfig(backbone="resnet18", resolution=SIDE, epochs=1),
}


def main() -> None:
    """Measure both comparisons and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("FIELDMARK_SHARED", "../shared")))
    parser.add_argument("--quick", action="store_true", help="fewer blocks and pictures")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    blocks = 2 if arguments.quick else 6
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        table = read_table(arguments.shared / "data" / "grocery")
        images = cache_images(table, Preprocessing(SIDE), Path(folder) / "cache")
        for name, config in NETWORKS.items():
            rows += throughput(name, config, images, Path(folder), blocks)
        rows += decoding(Path(folder), pictures=12 if arguments.quick else 60, blocks=2 if arguments.quick else 3)
    notes = {"data": f"grocery at {SIDE} px", "batch": "32", "blocks": str(blocks)}
    write_results("input_pipeline", rows, out=arguments.out, quick=arguments.quick, notes=notes)


def throughput(name: str, config: TrainConfig, images: CachedImages, folder: Path, blocks: int) -> list[Row]:
    """Compare cached and augmented pictures with a random batch already in memory."""
    recognizer, preprocessing = build_model(config, classes=len(images.table.classes))
    out = folder / config.backbone
    fabric = make_fabric(config.precision)
    task = make_task(fabric, config, recognizer, images, preprocessing, out, SilentObserver())
    task.begin_epoch()
    real = task.batches(epoch=0, resolution=SIDE)
    first = next(real)
    random = SupervisedBatch(torch.randn_like(first.x), first.targets)
    timed_steps(task, repeat(random), 2)
    rates: dict[str, list[float]] = {"real": [], "random": []}
    for _ in range(blocks):
        rates["real"].append(timed_steps(task, real, 6))
        rates["random"].append(timed_steps(task, repeat(random), 6))
    shares = [100 * a / b for a, b in zip(rates["real"], rates["random"], strict=True)]
    share = statistics.median(shares)
    return [
        Row(f"{name}: cached pictures (images/s)", statistics.median(rates["real"])),
        Row(f"{name}: random tensors in memory (images/s)", statistics.median(rates["random"])),
        Row(f"{name}: share kept (%)", share, spread=statistics.stdev(shares), goal=">= 90", holds=share >= 90),
    ]


def timed_steps(task: SupervisedTask, batches: Iterator[SupervisedBatch], count: int) -> float:
    """Return images per second over some steps, the making of the batches included."""
    started, seen = time.perf_counter(), 0
    for batch in islice(batches, count):
        task.update(batch)
        seen += len(batch.x)
    return seen / (time.perf_counter() - started)


def decoding(folder: Path, pictures: int, blocks: int) -> list[Row]:
    """Compare decoding a folder of large JPEGs to the cache with plain Pillow."""
    source = folder / "large"
    source.mkdir()
    generator = np.random.default_rng(0)
    for index in range(pictures):
        coarse = generator.integers(0, 256, (94, 125, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((4000, 3000), Image.Resampling.BICUBIC)
        noise = generator.normal(0, 6, (750, 1000, 3)).astype(np.int16)
        grain = np.kron(noise, np.ones((4, 4, 1), np.int16))
        Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8)).save(
            source / f"{index}.jpg", quality=90
        )
    table = read_table(source)

    def to_cache(block: int) -> None:
        cache_images(table, Preprocessing(SIDE), folder / f"decoded-{block}")

    def plain(_: int) -> None:
        for path in sorted(source.glob("*.jpg")):
            with Image.open(path) as picture:
                picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)

    seconds = {"cache": [], "plain": []}
    for block in range(blocks):
        seconds["cache"].append(timed(to_cache, block))
        seconds["plain"].append(timed(plain, block))
    ratios = [b / a for a, b in zip(seconds["cache"], seconds["plain"], strict=True)]
    ratio = statistics.median(ratios)
    return [
        Row("4000×3000 JPEG to cache (pictures/s)", pictures / statistics.median(seconds["cache"])),
        Row("plain Pillow decode + resize (pictures/s)", pictures / statistics.median(seconds["plain"])),
        Row("cache over plain Pillow (times)", ratio, spread=statistics.stdev(ratios), goal=">= 2", holds=ratio >= 2),
    ]


def timed(work: Callable[[int], None], block: int) -> float:
    """Return the seconds that a piece of work takes."""
    started = time.perf_counter()
    work(block)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
