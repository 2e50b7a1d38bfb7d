"""How far generated birds can be told apart without looking at their marks.

Two baselines that see no local mark as such: multinomial logistic regression on small raw pixels, and colour histograms
with a strong classifier. Both choose their settings by folds of the training pictures; the test pictures are scored
once for each generated set. Run it from the repository's root::

    python benchmarks/generated_difficulty.py [--quick] [--out FILE]
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fieldmark.synthetic import generate_birds
from record import Row, write_results

SPECIES, PIXELS_SIDE, BINS = 24, 32, 8
PIXELS_GOAL, COLOURS_GOAL = 0.40, 0.60

Classifiers = Mapping[str, Callable[[], ClassifierMixin]]


def scaled(classifier: Callable[[], ClassifierMixin]) -> ClassifierMixin:
    """Return a classifier that first brings every feature to mean 0 and variance 1."""
    return make_pipeline(StandardScaler(), classifier())


def logistic(c: float) -> ClassifierMixin:
    """Return multinomial logistic regression; ``c`` is the inverse strength of its weight decay."""
    return LogisticRegression(C=c, max_iter=400)


PIXEL_CLASSIFIERS: Classifiers = {
    f"logistic regression, C={c:g}": partial(scaled, partial(logistic, c)) for c in (1e-4, 1e-3, 1e-2, 1e-1)
}
COLOUR_CLASSIFIERS: Classifiers = {
    **{f"logistic regression, C={c:g}": partial(logistic, c) for c in (1, 10, 100)},
    **{f"SVM, C={c:g}": partial(scaled, partial(SVC, C=c)) for c in (1, 10)},
    "extra trees": partial(ExtraTreesClassifier, 500, random_state=0),
}


@dataclass(frozen=True)
class Samples:
    """The pictures of one generated set: raw pixels and colour histograms (N, features), labels, split."""

    pixels: NDArray[np.float64]
    colours: NDArray[np.float64]
    labels: NDArray[np.int64]
    train: NDArray[np.bool_]


def column(path: Path) -> list[str]:
    """Return the second column of one of CUB's lists."""
    return [line.split(" ", 1)[1] for line in path.read_text(encoding="utf-8").splitlines()]


def histogram(picture: Image.Image, mode: str) -> NDArray[np.float64]:
    """Return the square root of the joint histogram of a picture's channels: ``BINS`` bins each."""
    binned = np.asarray(picture.convert(mode)).reshape(-1, 3).astype(np.int64) * BINS // 256
    counts = np.bincount(binned @ (BINS**2, BINS, 1), minlength=BINS**3)
    return np.sqrt(counts / len(binned))


def read_samples(folder: Path) -> Samples:
    """Read a generated set."""
    pixels, colours = [], []
    for path in column(folder / "images.txt"):
        with Image.open(folder / "images" / path) as picture:
            small = picture.resize((PIXELS_SIDE, PIXELS_SIDE), Image.Resampling.BOX)
            pixels.append(np.asarray(small).ravel() / 255)
            colours.append(np.concatenate([histogram(picture, mode) for mode in ("RGB", "HSV")]))
    labels = np.array(column(folder / "image_class_labels.txt"), dtype=np.int64)
    train = np.array(column(folder / "train_test_split.txt")) == "1"
    return Samples(np.stack(pixels), np.stack(colours), labels, train)


def measure(classifiers: Classifiers, features: NDArray[np.float64], samples: Samples) -> tuple[float, str]:
    """Choose a classifier by folds of the training pictures; return its test accuracy and its name."""
    x, y = features[samples.train], samples.labels[samples.train]
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = {name: cross_val_score(make(), x, y, cv=folds).mean() for name, make in classifiers.items()}
    best = max(scores, key=lambda name: scores[name])
    model = classifiers[best]().fit(x, y)
    return float(model.score(features[~samples.train], samples.labels[~samples.train])), best


def row(metric: str, results: list[tuple[float, str]], goal: float) -> Row:
    """Summarise one baseline over the generated sets; its mean has to stay below the goal."""
    values = [value for value, _ in results]
    mean = float(np.mean(values))
    spread = float(np.std(values)) if len(values) > 1 else None
    chosen = ", ".join(sorted({name for _, name in results}))
    anchor = f"chance {1 / SPECIES:.3f}; chosen on folds: {chosen}"
    return Row(metric, mean, spread, f"< {goal:.2f}", anchor, mean < goal)


def main() -> None:
    """Generate, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small set instead of three of the demo's size")
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    options = parser.parse_args()
    seeds, train, test = ((0,), 12, 8) if options.quick else ((0, 1, 2), 60, 20)
    pixels, colours = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in seeds:
            folder = generate_birds(Path(scratch) / str(seed), species=SPECIES, train=train, test=test, seed=seed)
            samples = read_samples(folder)
            pixels.append(measure(PIXEL_CLASSIFIERS, samples.pixels, samples))
            colours.append(measure(COLOUR_CLASSIFIERS, samples.colours, samples))
    rows = [
        row("top-1 of logistic regression on raw pixels", pixels, PIXELS_GOAL),
        row("top-1 of colour histograms", colours, COLOURS_GOAL),
    ]
    write_results("generated_difficulty", rows, out=options.out, quick=options.quick)


if __name__ == "__main__":
    main()
