"""Folders of runs that look evaluated, from predictions made up by hand."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.evaluation.figures import measure
from fieldmark.evaluation.outcome import PREDICTIONS_FILE, Outcome
from fieldmark.models.bundle import INFO_FILE, BundleInfo, _write_texts
from fieldmark.records import Leak, Preprocessing
from fieldmark.results import PICTURE_FOLDER

CLASSES = ("ant", "bee", "cat", "dog")
LINEAGE = {name: ("insect" if name in ("ant", "bee") else "mammal", name) for name in CLASSES}


@dataclass(frozen=True)
class MadeUp:
    """What a made-up evaluation was on.

    Attributes:
        count: number of pictures.
        split: their split.
        fingerprint: that of the data.
        shift: by how much the pictures' ids are shifted.
        grouped: pictures of each group; 1 is no groups.
        leaks: number of leaks.
        ranks: names of the lineage's ranks.
    """

    count: int = 200
    split: str = "test"
    fingerprint: str = "f" * 16
    shift: int = 0
    grouped: int = 1
    leaks: int = 0
    ranks: tuple[str, ...] = field(default=("kind", "species"))


def write_evaluated_run(run: Path, share: float, seed: int = 0, data: MadeUp | None = None) -> Path:
    """Write what the evaluation of a run leaves; it is right in a share of the pictures, drawn by the seed.

    A picture has one difficulty, the same for every seed, so that runs agree on most of the pictures; they grow harder
    from the first to the last, so that pictures of one group are alike.
    """
    data = data or MadeUp()
    truth = np.arange(data.count) % len(CLASSES)
    hardness = np.sort(np.random.default_rng(99).random(data.count))
    luck = np.random.default_rng(seed + 1).normal(0, 0.05, data.count)
    predicted = np.where(hardness + luck < share, truth, (truth + 1) % len(CLASSES))
    probabilities = 0.1 + 0.6 * np.eye(len(CLASSES))[predicted]
    groups = [str(place // data.grouped) if data.grouped > 1 else None for place in range(data.count)]
    columns = {
        "id": [f"{place + data.shift:05d}" for place in range(data.count)],
        "group": groups,
        "label": [CLASSES[index] for index in truth],
    }
    info = BundleInfo(
        CLASSES,
        Preprocessing(32),
        model={},
        rank_names=data.ranks,
        lineage=LINEAGE if len(data.ranks) > 1 else {},
        training={"seed": seed, "epochs": 3, "weights": "none", "seconds": 10.0 + seed},
    )
    schema = {"id": pl.String, "group": pl.String, "label": pl.String}
    outcome = Outcome(pl.DataFrame(columns, schema=schema), CLASSES, truth, probabilities)
    leaks = (Leak("exact", "x", columns["id"][0], "train", data.split),) * data.leaks
    (run / PICTURE_FOLDER).mkdir(parents=True)
    (run / "bundle").mkdir()
    _write_texts(run / "bundle", info)
    assert (run / "bundle" / INFO_FILE).is_file()
    outcome.save_predictions(run / PICTURE_FOLDER / PREDICTIONS_FILE)
    measure(outcome, info, split=data.split, fingerprint=data.fingerprint, leaks=leaks).save(run)
    return run


def write_evaluated_seeds(folder: Path, shares: tuple[float, ...], data: MadeUp | None = None) -> Path:
    """Write the folder of several seeds."""
    for seed, share in enumerate(shares):
        write_evaluated_run(folder / f"seed-{seed}", share, seed, data)
    return folder
