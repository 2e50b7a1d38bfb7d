"""Runs to export: trained briefly, because neither equality nor speed depends on how right a network is."""

from dataclasses import replace
from pathlib import Path

from experiment import MOBILENET, Experiment
from fieldmark.evaluation import fit_decisions
from fieldmark.predict.deciding import RULE_FILE
from fieldmark.synthetic import generate_birds
from fieldmark.training.config import TrainConfig
from fieldmark.training.run_folder import BUNDLE
from fieldmark.training.train import train
from line_observer import LineObserver
from record import ROOT

_FROZEN = {**MOBILENET, "backbone_options": {"pad_type": "same"}, "freeze_to_stride": 32, "weight_decay": 0.02}

#: Data set → how it is trained: one of each kind of parts.
CONFIGS = {
    "grocery": TrainConfig(**_FROZEN, initial_head="logistic", resolution=224, epochs=1),
    "cub50": TrainConfig(**_FROZEN, keypoints=True, resolution=224, epochs=2, holdout=0.1),
    "birds": TrainConfig(
        backbone="resnet10t",
        backbone_options={"channels": (48, 96, 128, 160), "features_only": True, "out_indices": (0, 1, 2)},
        parts=8,
        rest=True,
        resolution=128,
        epochs=2,
        crop_scale=0.6,
        holdout=0.15,
    ),
}

#: The generated birds: species, training and test pictures of each, side in pixels.
_BIRDS, _QUICK_BIRDS = (24, 40, 45, 128), (4, 60, 10, 64)


def short_run(bench: Experiment, name: str) -> Path:
    """Return the folder of a trained run with a decision rule, making it where it isn't there.

    Args:
        bench: where data, weights and the cache are.
        name: a name in ``CONFIGS``.
    """
    config = _config(bench, name)
    out = ROOT / "runs" / f"exported-{name}{'-quick' if bench.quick else ''}"
    if not (out / BUNDLE).is_dir():
        train(_data(bench, name), out, config, cache=bench.cache, resume=out.exists(), observer=LineObserver())
    if not (out / BUNDLE / RULE_FILE).is_file():
        fit_decisions(out, cache=bench.cache)
    return out


def _config(bench: Experiment, name: str) -> TrainConfig:
    config = CONFIGS[name]
    if config.backbone == MOBILENET["backbone"]:
        config = replace(config, weights=bench.mobilenet_weights)
    return replace(config, epochs=1, resolution=64) if bench.quick else config


def _data(bench: Experiment, name: str) -> Path:
    if name != "birds":
        return bench.shared / "data" / name
    species, training, test, size = _QUICK_BIRDS if bench.quick else _BIRDS
    folder = ROOT / "runs" / f"exported-birds-{species}x{training}x{test}x{size}"
    return generate_birds(folder, species=species, train=training, test=test, size=size)
