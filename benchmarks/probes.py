"""What frozen features of an autoencoder are good for: grocery photos, spoken digits, questions to a bank.

    python benchmarks/probes.py                 # all three
    python benchmarks/probes.py --only fsdd

Each is pretrained without labels on all rows outside the test split; then probes read classes from the frozen features
and from what to compare them with. The probes choose by training rows; the test split is read once. Finished runs are
kept and not repeated.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from experiment import MOBILENET, Experiment, argument_parser
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.evaluation import PretrainedBackbone, evaluate_pretraining
from fieldmark.evaluation.features import extract_features
from fieldmark.evaluation.pretraining_inputs import build_inputs
from fieldmark.evaluation.probes import leave_one_group_out
from fieldmark.models.autoencoders.saved import find_autoencoder, load_autoencoder
from fieldmark.models.backbones import BackboneSpec
from fieldmark.training.pretrain import pretrain
from fieldmark.training.pretrain_config import PretrainConfig
from line_observer import LineObserver
from record import Json, Row, Scalar, write_results

GROCERY = PretrainConfig(
    backbone="resnet10t",
    backbone_options={"channels": (32, 64, 128, 256), "output_stride": 16},
    resolution=96,
    block=16,
    mask_ratio=0.6,
    epochs=80,
    batch_size=64,
    learning_rate=2e-3,
    crop_scale=0.4,
    picture_every=0,
)


@dataclass(frozen=True)
class Trial:
    """One pretraining to be probed.

    Attributes:
        data: the data set's folder.
        config: how it is pretrained.
        imagenet_features: whether it predicts features of MobileNetV2 with its ImageNet weights, too.
    """

    data: str
    config: PretrainConfig
    imagenet_features: bool = False


#: What is tried; the first of each data set in the plainest way.
TRIALS = {
    "grocery": Trial("grocery", GROCERY),
    # A deeper network rebuilds less by chance, so that more is left to be learned; its target comes from labels of
    # other data, which the name says.
    "grocery, deeper, ImageNet features": Trial(
        "grocery",
        replace(
            GROCERY,
            backbone="resnet18",
            epochs=40,
            block=32,
            feature_options={"pad_type": "same"},
            feature_mean=MOBILENET["mean"],
            feature_std=MOBILENET["std"],
        ),
        imagenet_features=True,
    ),
    "fsdd": Trial(
        "fsdd",
        PretrainConfig(
            autoencoder="recurrent",
            code_dim=256,
            hidden=256,
            epochs=60,
            batch_size=64,
            learning_rate=2e-3,
            weight_decay=0.01,
            corruption="gaussian",
            corruption_strength=0.3,
            input_dropout=0.7,
            picture_every=0,
        ),
    ),
    "banking77": Trial(
        "banking77",
        PretrainConfig(
            autoencoder="recurrent",
            tokenizer="bpe",
            code_dim=256,
            hidden=256,
            epochs=15,
            batch_size=64,
            learning_rate=2e-3,
            weight_decay=0.01,
            input_dropout=0.5,
            max_tokens=64,
            picture_every=0,
        ),
    ),
}


def main() -> None:
    """Run what is not stored yet and write the results of all."""
    arguments = argument_parser(__doc__, TRIALS, "1", quick="one epoch: does it run?").parse_args()
    bench = Bench("probes", arguments.shared, quick=arguments.quick)
    names = []

    def run(name: str) -> dict[str, Json]:
        return bench.run(TRIALS[name])

    def key(name: str) -> dict[str, Scalar]:
        return bench.key(name)

    rows: list[Row] = []
    for name in TRIALS:
        for result in bench.gather([name], lambda each: arguments.only in (None, each), key, run):
            names.append(name)
            rows += ROWS[TRIALS[name].data](name, result)
    notes = {
        "protocol": "no label in pretraining; probes choose by training rows; test split read once",
        "options": json.dumps({name: json.loads(bench.key(name)["config"]) for name in names}),
        "seed": "0",
    }
    write_results("probes", rows, out=arguments.out, quick=arguments.quick, notes=notes)


class Bench(Experiment):
    """Pretrains and probes."""

    def options(self, trial: Trial) -> PretrainConfig:
        """Return the options of a trial's pretraining."""
        weights = self.mobilenet_weights if trial.imagenet_features else trial.config.feature_weights
        return replace(trial.config, feature_weights=weights, epochs=1 if self.quick else trial.config.epochs)

    def key(self, name: str) -> dict[str, Scalar]:
        """Return what decides a trial's result."""
        return {"data": name, "config": self.portable(self.options(TRIALS[name]))}

    def run(self, trial: Trial) -> dict[str, Json]:
        """Pretrain and probe."""
        data, started = trial.data, time.monotonic()
        with self.scratch() as out:
            table = read_table(self.shared / "data" / data)
            pretrain(table, out, self.options(trial), cache=self.cache, observer=LineObserver())
            compared = imagenet(self) if data == "grocery" else None
            result = evaluate_pretraining(out, cache=self.cache, baseline_weights=compared)
            return {
                "probes": [asdict(score) for score in result.probes],
                "token_accuracy": result.token_accuracy,
                "cpu_hours": result.cpu_hours,
                "minutes": round((time.monotonic() - started) / 60, 2),
                "fingerprint": result.fingerprint,
                "speakers": speakers(out, self.cache) if data == "fsdd" else None,
            }


def imagenet(bench: Experiment) -> PretrainedBackbone:
    """Return MobileNetV2 with its ImageNet weights."""
    spec = BackboneSpec(MOBILENET["backbone"], {"pad_type": "same"}, mean=MOBILENET["mean"], std=MOBILENET["std"])
    return PretrainedBackbone(spec, Path(bench.mobilenet_weights))


def speakers(run: Path, cache: Path) -> dict[str, Json]:
    """Return the linear probe's accuracy on each speaker, learned from the other ones' recordings."""
    autoencoder, info = load_autoencoder(run)
    table = Table.load(run / "table.parquet")
    inputs = build_inputs(table, info, autoencoder.input_kind, find_autoencoder(run), cache)
    features = extract_features(autoencoder.encode, inputs, np.arange(len(inputs.table)))
    labels = inputs.table.label_indices().to_numpy().astype(np.int64)
    return dict(leave_one_group_out(features.vectors, labels, inputs.table.frame["group"].to_list()))


def grocery(name: str, found: Mapping[str, Json]) -> list[Row]:
    """Return all probes, and by how much the attention probe beats the untrained network and PCA."""
    scores = by_name(found)
    mine = scores["pretrained", "attention"]
    gains = [
        gain(f"{name}, attention probe over {words}", mine - scores[rival, "attention"], least)
        for rival, words, least in (("untrained", "the untrained network", 15.0), ("pca", "PCA of patches", 10.0))
    ]
    return [*listed(name, found), *gains]


def fsdd(name: str, found: Mapping[str, Json]) -> list[Row]:
    """Return all probes, the goal on the linear one, and the accuracy on voices that were left out."""
    scores = by_name(found)
    linear = scores["pretrained", "linear"]
    voices = [100 * value for value in found["speakers"].values()]
    return [
        *listed(name, found),
        Row(f"{name}, linear probe, official split (%)", round(linear, 2), goal=">= 95", holds=linear >= 95),
        Row(
            f"{name}, linear probe, a speaker left out (%)",
            round(float(np.mean(voices)), 2),
            spread=round(float(np.std(voices, ddof=1)), 2),
            anchor=", ".join(f"{name} {100 * value:.1f}" for name, value in found["speakers"].items()),
        ),
    ]


def banking77(name: str, found: Mapping[str, Json]) -> list[Row]:
    """Return all probes beside TF-IDF, and how many tokens are rebuilt from the code alone."""
    tokens = 100 * found["token_accuracy"]
    return [
        *listed(name, found),
        Row(f"{name}, tokens rebuilt from the code alone (%)", round(tokens, 2)),
    ]


ROWS: dict[str, Callable[[str, Mapping[str, Json]], list[Row]]] = {
    "grocery": grocery,
    "fsdd": fsdd,
    "banking77": banking77,
}


def by_name(found: Mapping[str, Json]) -> dict[tuple[str, str], float]:
    """Return accuracy in per cent by features and probe."""
    return {(score["features"], score["probe"]): 100 * score["accuracy"] for score in found["probes"]}


def listed(name: str, found: Mapping[str, Json]) -> list[Row]:
    """Return one row a probe, with its bootstrap interval, and the processor time."""
    rows = [
        Row(
            f"{name}, {score['features']}, {score['probe']} probe (%)",
            round(100 * score["accuracy"], 2),
            anchor=f"95 % interval {100 * score['interval']['low']:.1f} to {100 * score['interval']['high']:.1f}",
        )
        for score in found["probes"]
    ]
    return [*rows, Row(f"{name}, processor time of pretraining (h)", found["cpu_hours"])]


def gain(what: str, points: float, least: float) -> Row:
    """Return a row that asks for a least gain."""
    return Row(f"{what} (points)", round(points, 2), goal=f">= {least:g}", holds=points >= least)


if __name__ == "__main__":
    main()
