"""Train a tiny network on a folder of made-up pictures; run as a script by tests that kill or spread it.

python tiny_run.py DATA OUT CACHE [--pretrain | --joint | --parts] [--resume] [--slow SECONDS]
"""

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("stripes", "checks", "dots")


def make_pictures(folder: Path, per_class: int = 16, side: int = 32) -> Path:
    """Write pictures of three textures into train, val and test folders."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    for split, count in (("train", per_class), ("val", 4), ("test", 8)):
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                period, shift = generator.integers(5, 8), generator.integers(0, 8)
                across, down = (columns + shift) // period % 2, (rows + shift) // period % 2
                pattern = {"stripes": across, "checks": across ^ down, "dots": across & down}[name]
                colors = generator.integers(0, 256, (2, 3))
                noisy = colors[pattern] + generator.normal(0, 12, (side, side, 3))
                picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
                picture.save(folder / split / name / f"{index}.png")
    return folder


class SlowObserver:
    """Waits at every step, so that there is time to kill the process, and says where it is."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def message(self, text: str) -> None:
        print(text, flush=True)

    def start(self, total_steps: int, done_steps: int) -> None:
        print(f"start {done_steps} of {total_steps}", flush=True)

    def step(self, done: int, loss: float) -> None:
        print(f"step {done}", flush=True)
        time.sleep(self.seconds)

    def epoch(self, row: Mapping[str, float | int | str | None]) -> None:
        print(f"epoch {row['epoch']}", flush=True)

    def progress(self, name: str, done: int, total: int) -> None:
        pass


NETWORK = {"backbone": "resnet10t", "backbone_options": {"channels": (8, 16, 24, 32)}, "precision": "32"}


def main(arguments: list[str]) -> None:
    """Run one training."""
    import torch

    from fieldmark.training.config import TrainConfig
    from fieldmark.training.pretrain import pretrain
    from fieldmark.training.pretrain_config import PretrainConfig
    from fieldmark.training.train import train

    torch.set_num_threads(1)
    data, out, cache = (Path(argument) for argument in arguments[:3])
    seconds = float(arguments[arguments.index("--slow") + 1]) if "--slow" in arguments else 0.0
    resume, observer = "--resume" in arguments, SlowObserver(seconds)
    if "--pretrain" in arguments:
        options = PretrainConfig(**NETWORK, resolution=64, epochs=4, batch_size=10, decoder_width=32, picture_every=2)
        outcome = pretrain(data, out, options, cache=cache, resume=resume, observer=observer)
        print(f"loss {outcome.train_loss}", flush=True)
        return
    config = TrainConfig(
        **NETWORK,
        resolution=32,
        epochs=4,
        finish_epochs=1,
        finish_resolution=48,
        batch_size=8,
        mixup=0.2,
        ema_decay=0.9,
        unlabelled_weight=0.3 if "--joint" in arguments else 0.0,
    )
    if "--joint" in arguments:
        config = replace(config, resolution=64, finish_resolution=96)
    if "--parts" in arguments:
        config = replace(config, parts=3, mixup=0.0, part_dropout=0.2, rest=True)
    result = train(data, out, config, cache=cache, resume=resume, observer=observer)
    print(f"val {result.val_top1}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
