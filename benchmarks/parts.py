"""Whether parts that nobody marked are the parts that there are: against true masks, and against keypoints.

    python benchmarks/parts.py                  # generated birds, 3 seeds, then cub50 with 4, 8 and 16 parts, one
    python benchmarks/parts.py --only birds --seeds 1

A recogniser discovers its parts while it learns the classes; no mask and no keypoint is used. Beside it stand a fixed
grid and k-means, with as many clusters as parts and background together, on the very features that the parts were found
in. Two measures:

* keypoints, by the published protocol (Choudhury et al., NeurIPS 2021; PDiscoNet, ICCV 2023): every visible keypoint
  belongs to the part with the largest share at its place; and the error of keypoints that a linear map predicts from
  the parts' centres, fitted on training pictures;
* masks, of generated birds alone: every pixel of the bird; and every pixel of the picture, with the background as one
  more part.

Beside the masks stand two that know the truth, as far as parts can: every pixel given to the nearest true keypoint; and
the true parts, each mark with what it lies on, for a mark that a species lacks is not to be seen in its picture.

Finished runs are kept and not repeated. The test split is read once a run, at its end.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from sklearn.cluster import MiniBatchKMeans

from experiment import MOBILENET, Experiment, argument_parser, deviation
from fieldmark.data.cache import cache_images
from fieldmark.data.table import Table
from fieldmark.evaluation import MappedPictures, evaluate, map_pictures, parts_and_keypoints, regressed_keypoints
from fieldmark.metrics import Agreement, mask_agreement, part_masks
from fieldmark.models.bundle import load_bundle
from fieldmark.synthetic import PARTS, generate_birds
from fieldmark.training.config import TrainConfig
from fieldmark.training.run_folder import TABLE_FILE
from fieldmark.training.samples import Samples, split_samples
from fieldmark.training.train import train
from line_observer import LineObserver
from marks_and_attributes import marks_and_attributes
from record import ROOT, Json, Row, Scalar, chosen_options, write_results

Maps = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Setting:
    """One data set.

    Attributes:
        config: how the recogniser is trained, but for the number of parts.
        parts: the numbers of parts.
        seeds: runs of each number.
    """

    config: TrainConfig
    parts: tuple[int, ...]
    seeds: int


SETTINGS = {
    # Local features: what a part says is then said by the part. Its place is found by a look around.
    "birds": Setting(
        TrainConfig(
            backbone="resnet10t",
            backbone_options={"channels": (48, 96, 128, 160), "features_only": True, "out_indices": (0, 1, 2)},
            resolution=128,
            epochs=25,
            crop_scale=0.6,
        ),
        parts=(10,),
        seeds=3,
    ),
    "cub50": Setting(
        TrainConfig(
            **MOBILENET,
            backbone_options={"pad_type": "same", "output_stride": 16},
            freeze_to_stride=8,
            resolution=160,
            epochs=8,
            weight_decay=0.02,
        ),
        parts=(4, 8, 16),
        seeds=1,
    ),
}

#: The generated birds: species, training and test pictures of each, side in pixels.
BIRDS, QUICK_BIRDS = (24, 60, 20, 128), (4, 6, 3, 64)

#: What is asked of generated birds: agreement with the true masks, and how far above grid and k-means, in points.
GOALS = {"nmi": 80.0, "ari": 70.0}
ABOVE = 15.0

#: What each mark of generated birds lies on: where a species lacks the mark, nothing tells it from this.
LIES_ON = {"crown": "head", "eye ring": "head", "throat": "head", "breast": "body", "wing bar": "wing", "rump": "body"}

#: Published figures on all of CUB with 16 parts, of far larger networks.
ANCHOR = "MPAE (DINOv2-B) NMI 79.0, ARI 66.6; PDiscoFormer (DINOv2-B) NMI 73.4, ARI 55.8, at K = 16 on all of CUB"

#: Cells that k-means is fitted on.
_FITTED = 60_000


class Job(NamedTuple):
    """One run: a data set, a number of parts, a seed."""

    data: str
    parts: int
    seed: int


def main() -> None:
    """Run what is not stored yet and write the results of all."""
    arguments = argument_parser(__doc__, SETTINGS, "3 on birds, 1 on cub50").parse_args()
    bench = Bench("parts", arguments.shared, quick=arguments.quick)
    jobs = [
        Job(name, count, seed)
        for name, each in SETTINGS.items()
        for count in each.parts
        for seed in range(max(each.seeds, arguments.seeds or 0))
    ]

    def wanted(job: Job) -> bool:
        seeds = 1 if arguments.quick else arguments.seeds or SETTINGS[job.data].seeds
        few = not arguments.quick or job.parts == SETTINGS[job.data].parts[0]
        return arguments.only in (None, job.data) and job.seed < seeds and few

    found: list[dict[str, Json]] = []
    for result in bench.gather(jobs, wanted, bench.key, bench.run):
        found.append(result)
        write(found, arguments)  # what is there so far is kept, wherever it ends


class Bench(Experiment):
    """Trains recognisers and measures their parts."""

    def options(self, job: Job) -> TrainConfig:
        """Return the training options of one run."""
        config = replace(SETTINGS[job.data].config, parts=job.parts, seed=job.seed)
        if job.data == "cub50":
            config = replace(config, weights=self.mobilenet_weights)
        return replace(config, epochs=1, resolution=64) if self.quick else config

    def key(self, job: Job) -> dict[str, Scalar]:
        """Return what decides a run's result."""
        return {"data": job.data, "config": self.portable(self.options(job))}

    def run(self, job: Job) -> dict[str, Json]:
        """Train and measure once."""
        data = self.birds() if job.data == "birds" else self.shared / "data" / job.data
        started = time.monotonic()
        with self.scratch() as out:
            train(data, out, self.options(job), cache=self.cache, observer=LineObserver())
            minutes = (time.monotonic() - started) / 60
            outcome = evaluate(out, split="test", cache=self.cache)
            measured = measure(out, job.parts, self.cache, masks=job.data == "birds")
            if job.data == "cub50":
                measured["splitting marks"] = splitting_marks(out, self.cache)
        result: dict[str, Json] = {
            "data": job.data,
            "parts": job.parts,
            "seed": job.seed,
            "top1": round(100 * outcome.top1, 3),
            "measured": measured,
            "minutes": round(minutes, 2),
            "fingerprint": outcome.fingerprint,
        }
        print(json.dumps(result), flush=True)
        return result

    def birds(self) -> Path:
        """Draw the birds, unless they are there already."""
        species, training, test, size = QUICK_BIRDS if self.quick else BIRDS
        folder = ROOT / "runs" / f"parts-birds-{species}x{training}x{size}"
        return generate_birds(folder, species=species, train=training, test=test, size=size)


def measure(run: Path, count: int, cache: Path, *, masks: bool) -> dict[str, dict[str, float]]:
    """Measure a run's parts, a grid and k-means, all on the same test pictures, in per cent."""
    seen, unseen = (map_pictures(run, split, cache=cache) for split in ("train", "test"))
    truth = true_masks(run) if masks else None
    seen_clusters, unseen_clusters = cluster_maps(run, count, cache)
    found = {
        "parts": (seen, unseen),
        "fixed grid": (with_maps(seen, grid_maps(seen.maps, count)), with_maps(unseen, grid_maps(unseen.maps, count))),
        "k-means": (with_maps(seen, seen_clusters), with_maps(unseen, unseen_clusters)),
    }
    measured = {what: figures(*pictures, truth) for what, pictures in found.items()}
    return measured if truth is None else measured | knowing(unseen, truth)


def splitting_marks(run: Path, cache: Path) -> dict[str, float]:
    """Return how often the splitting mark is where attributes differ most, and how often by chance, in per cent."""
    found = marks_and_attributes(run, map_pictures(run, "train", cache=cache), cache)
    return {
        "agreement with attributes": round(100 * found.rate, 3),
        "agreement with attributes by chance": round(100 * found.chance, 3),
    }


def figures(seen: MappedPictures, unseen: MappedPictures, masks: npt.NDArray[np.uint8] | None) -> dict[str, float]:
    """Return all figures of some maps, in per cent."""
    keypoints = parts_and_keypoints(unseen)
    values = {
        "keypoint nmi": keypoints.nmi,
        "keypoint ari": keypoints.ari,
        "keypoint error": regressed_keypoints(seen, unseen).error,
    }
    if masks is not None:
        parts = part_masks(unseen.maps, *masks.shape[1:])
        for where, ignored in (("bird", 0), ("picture", None)):
            agreement = mask_agreement(parts, masks, ignored=ignored)
            values |= {f"{where} nmi": agreement.nmi, f"{where} ari": agreement.ari}
    return {name: round(100 * value, 3) for name, value in values.items()}


def knowing(pictures: MappedPictures, masks: npt.NDArray[np.uint8]) -> dict[str, dict[str, float]]:
    """Return the agreement of what is made from the truth with the masks (N, side, side), in per cent of the bird."""
    values = np.arange(len(PARTS) + 1, dtype=np.uint8)
    for mark, under in LIES_ON.items():
        values[PARTS.index(mark) + 1] = PARTS.index(under) + 1
    nearest = nearest_keypoints(pictures, masks.shape[1])
    found = {"nearest true keypoint": nearest, "true parts without marks": values[masks]}
    return {what: bird_figures(mask_agreement(parts, masks, ignored=0)) for what, parts in found.items()}


def nearest_keypoints(pictures: MappedPictures, side: int) -> npt.NDArray[np.uint8]:
    """Return the nearest visible keypoint of every pixel (N, side, side)."""
    places = (np.arange(side) + 0.5) / side
    x, y = pictures.positions[..., 0], pictures.positions[..., 1]  # (N, M)
    hidden = np.where(pictures.visible, 0.0, np.inf)[:, :, None, None]
    across = (places - x[..., None])[:, :, None] ** 2  # (N, M, 1, side)
    down = (places - y[..., None])[..., None] ** 2
    distances = (sum(each) for each in zip(across, down, hidden, strict=True))  # (M, side, side) a picture
    return np.stack([each.argmin(0).astype(np.uint8) for each in distances])


def bird_figures(agreement: Agreement) -> dict[str, float]:
    """Return an agreement within the bird, in per cent."""
    return {"bird nmi": round(100 * agreement.nmi, 3), "bird ari": round(100 * agreement.ari, 3)}


def with_maps(pictures: MappedPictures, maps: Maps) -> MappedPictures:
    """Return the same pictures with other maps."""
    return replace(pictures, maps=maps)


def grid_maps(maps: Maps, count: int) -> Maps:
    """Return maps (N, K + 1, H, W) that cut every picture into K equal tiles, as square as they can be."""
    height, width = maps.shape[2:]
    down = max(divisor for divisor in range(1, int(count**0.5) + 1) if count % divisor == 0)
    across = count // down
    rows = np.arange(height) * down // height
    columns = np.arange(width) * across // width
    tiles = rows[:, None] * across + columns
    one = (np.arange(count + 1)[:, None, None] == tiles).astype(np.float32)
    return np.broadcast_to(one, (len(maps), *one.shape))


def cluster_maps(run: Path, count: int, cache: Path) -> tuple[Maps, Maps]:
    """Cluster the cells of a run's features; return the maps (N, K + 1, H, W) of training and test pictures."""
    recognizer, info = load_bundle(run)
    images = cache_images(Table.load(run / TABLE_FILE), info.preprocessing, cache)

    @torch.inference_mode()
    def cells(samples: Samples) -> npt.NDArray[np.float32]:
        batches = samples.plain_batches(info.preprocessing, 64)
        maps = [recognizer.backbone.forward_features(x).float() for x, _ in batches]
        return torch.nn.functional.normalize(torch.cat(maps), dim=1).permute(0, 2, 3, 1).numpy()

    training, test = (cells(split_samples(images, split)) for split in ("train", "test"))
    flat = training.reshape(-1, training.shape[-1])
    chosen = np.random.default_rng(0).permutation(len(flat))[:_FITTED]
    clusters = MiniBatchKMeans(count + 1, random_state=0, n_init=3, batch_size=4096).fit(flat[chosen])

    def maps_of(features: npt.NDArray[np.float32]) -> Maps:
        named = clusters.predict(features.reshape(-1, features.shape[-1])).reshape(features.shape[:3])
        return (np.arange(count + 1)[:, None, None] == named[:, None]).astype(np.float32)

    return maps_of(training), maps_of(test)


def true_masks(run: Path) -> npt.NDArray[np.uint8]:
    """Read the true masks (N, side, side) of a run's test pictures, in the order of its maps; 0 is background."""
    table = Table.load(run / TABLE_FILE).split("test")
    files = [
        table.root / "masks" / Path(path).relative_to("images").with_suffix(".png") for path in table.frame["path"]
    ]
    return np.stack([np.asarray(Image.open(file)) for file in files])


def write(found: Sequence[Mapping[str, Json]], arguments: argparse.Namespace) -> None:
    """Average over seeds, hold against the goals, and write."""
    rows = []
    for name, setting in SETTINGS.items():
        for count in setting.parts:
            runs = [run for run in found if (run["data"], run["parts"]) == (name, count)]
            rows += rows_of(name, count, runs) if runs else []
    notes = {
        "protocol": "no mask and no keypoint in training; test split read once a run",
        "weights": "birds: none; cub50: MobileNetV2, ImageNet-1k",
        "options": json.dumps({name: json.loads(chosen_options(each.config)) for name, each in SETTINGS.items()}),
        "runs": str(len(found)),
    }
    write_results("parts", rows, out=arguments.out, quick=arguments.quick, notes=notes)


def rows_of(name: str, count: int, runs: Sequence[Mapping[str, Json]]) -> list[Row]:
    """Return the rows of one number of parts."""
    what = f"{name}, K = {count}"
    top1 = [run["top1"] for run in runs]
    rows = [Row(f"{what}: top-1 (%)", round(statistics.mean(top1), 2), spread=deviation(top1))]
    values = {
        finder: {metric: [run["measured"][finder][metric] for run in runs] for metric in metrics}
        for finder, metrics in runs[0]["measured"].items()
    }
    for finder, metrics in values.items():
        for metric, each in metrics.items():
            goal = GOALS.get(metric.removeprefix("bird ")) if finder == "parts" and name == "birds" else None
            mean = statistics.mean(each)
            rows.append(
                Row(
                    f"{what}, {finder}: {metric} (%)",
                    round(mean, 2),
                    spread=deviation(each),
                    goal=f">= {goal:g}" if goal else None,
                    anchor=ANCHOR
                    if name == "cub50" and finder == "parts" and metric.startswith("keypoint n")
                    else None,
                    holds=mean >= goal if goal else None,
                )
            )
    if name == "birds":
        rows += [above(what, values, rival) for rival in ("fixed grid", "k-means")]
    return rows


def above(what: str, values: Mapping[str, Mapping[str, Sequence[float]]], rival: str) -> Row:
    """Return by how much the parts' agreement with the masks is above a rival's."""
    gains = [mine - other for mine, other in zip(values["parts"]["bird nmi"], values[rival]["bird nmi"], strict=True)]
    gain = statistics.mean(gains)
    return Row(
        f"{what}: bird nmi above {rival} (points)",
        round(gain, 2),
        spread=deviation(gains),
        goal=f">= {ABOVE:g}",
        holds=gain >= ABOVE,
    )


if __name__ == "__main__":
    main()
