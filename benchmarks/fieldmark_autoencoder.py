"""Train the classical autoencoder of digits with Fieldmark, in a process of its own; prints one JSON line.

    python benchmarks/fieldmark_autoencoder.py ../shared/data/mnist --epochs 50 --learning-rate 0.01

``autoencoder_vs_keras.py`` runs it beside ``keras_autoencoder.py``.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from fieldmark.training.observer import SilentObserver
from fieldmark.training.pretrain import pretrain
from fieldmark.training.pretrain_config import PretrainConfig


class Clock(SilentObserver):
    """Notes when the steps began, and when the last epoch was over: measured, logged and saved."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0
        self.rows: list[Mapping[str, float | int | str | None]] = []

    def start(self, total_steps: int, done_steps: int) -> None:  # noqa: ARG002
        """Note the time."""
        self.began = time.perf_counter()

    def epoch(self, row: Mapping[str, float | int | str | None]) -> None:
        """Note the time and the epoch's losses."""
        self.ended = time.perf_counter()
        self.rows.append(row)


def main() -> None:
    """Train once and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the four IDX files")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--learning-rate", type=float, default=1e-2, help="peak of the cosine")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "fieldmark")
    arguments = parser.parse_args()
    config = PretrainConfig(
        autoencoder="dense",
        resolution=28,
        grey=True,
        hidden_sizes=(128, 64),
        batch_size=256,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        warmup_epochs=1.0,
        weight_decay=0.0,
        flip=False,
        crop_scale=1.0,
        validate_on="test",
        picture_every=0,
        precision=arguments.precision,
        seed=arguments.seed,
    )
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        outcome = pretrain(arguments.data, Path(folder) / "run", config, cache=arguments.cache, observer=clock)
    result = {
        "seconds": clock.ended - clock.began,
        "steps_seconds": outcome.seconds,
        "train_loss": [row["train_loss"] for row in clock.rows],
        "val_loss": [row["val_loss"] for row in clock.rows],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
