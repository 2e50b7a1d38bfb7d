"""Train the classical autoencoder of digits with Keras 3, in a process of its own; prints one JSON line.

    KERAS_BACKEND=jax python benchmarks/keras_autoencoder.py ../shared/data/mnist --epochs 50

Written as Keras's documentation would have it: a functional model, float32 arrays in memory, ``compile`` with its own
choice of just-in-time compilation, ``fit`` with shuffling and validation data. ``autoencoder_vs_keras.py`` runs it.
"""

import argparse
import gzip
import json
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers

#: Bytes before the pixels in an IDX file of pictures.
HEADER = 16


def main() -> None:
    """Train once and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the four IDX files")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--cosine", action="store_true", help="one epoch of warm-up, then a cosine down to zero")
    parser.add_argument("--threads", type=int, default=2, help="torch's; JAX takes the cores that the process may use")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(arguments.threads)
    keras.utils.set_random_seed(arguments.seed)
    train = pictures(arguments.data / "train-images-idx3-ubyte.gz")
    test = pictures(arguments.data / "t10k-images-idx3-ubyte.gz")

    given = keras.Input((784,))
    x = layers.Dense(128, activation="relu")(given)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dense(128, activation="relu")(x)
    autoencoder = keras.Model(given, layers.Dense(784, activation="sigmoid")(x))
    rate = schedule(arguments) if arguments.cosine else arguments.learning_rate
    autoencoder.compile(optimizer=keras.optimizers.Adam(rate), loss="binary_crossentropy")

    started = time.perf_counter()
    history = autoencoder.fit(
        train,
        train,
        batch_size=256,
        epochs=arguments.epochs,
        shuffle=True,
        validation_data=(test, test),
        verbose=0,
    )
    seconds = time.perf_counter() - started
    losses = {"train_loss": history.history["loss"], "val_loss": history.history["val_loss"]}
    print(json.dumps({"seconds": seconds, "keras": keras.version(), **losses}))


def schedule(arguments: argparse.Namespace) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return Fieldmark's schedule in Keras's terms."""
    steps = -(-60_000 // 256)
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, arguments.epochs - 1) * steps, warmup_target=arguments.learning_rate, warmup_steps=steps
    )


def pictures(path: Path) -> np.ndarray:
    """Read pictures as float32 values in 0..1, (N, 784)."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=HEADER).reshape(-1, 784) / np.float32(255)


if __name__ == "__main__":
    main()
