"""Whether explanations name what really decided, on generated birds whose marks are known.

    python benchmarks/explanations.py
    python benchmarks/explanations.py --seeds 1
    python benchmarks/explanations.py --seeds 1 --only annotated

Trains three recognisers on generated birds, the same way: one adds up parts that it discovered, one parts that are
annotated, and the plain one looks at the whole picture. Then it draws individuals that none has seen, each as all four
species of its genus and with each mark hidden, and asks what ``explanation_protocols`` asks; of those that add up parts
also by Grad-CAM and input times gradient. Finished runs are kept and not repeated; a training that was stopped goes on.

Grad-CAM needs pytorch-grad-cam (``pip install grad-cam``, part of the extra ``benchmarks``); without it its rows are
empty.
"""

import functools
import hashlib
import json
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import polars as pl

from attributions import METHODS, Attribution
from experiment import Experiment, argument_parser, deviation
from explained_birds import Individual, Pixels, draw_individuals
from explanation_protocols import (
    BESIDE,
    Called,
    Tally,
    accuracy,
    mark_protocols,
    occlusion_safety,
    part_protocols,
    scores,
)
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.errors import DataError
from fieldmark.evaluation import fit_decisions, has_held_out_rows
from fieldmark.explain import ClassPictures, EvidenceReader, class_pictures, load_images
from fieldmark.models.bundle import load_bundle
from fieldmark.predict import load_predictor
from fieldmark.synthetic import generate_birds
from fieldmark.training.config import TrainConfig
from fieldmark.training.train import train
from line_observer import LineObserver
from record import ROOT, Json, Row, Scalar, chosen_options, write_results

#: All that decides the figures but the seed: the birds, how many individuals of each genus are explained, how every arm
#: trains, and by what the arms differ. The arms with parts are explained.
CONFIG: dict[str, dict[str, Json]] = {
    "birds": {"species": 24, "train": 60, "test": 20, "size": 128},
    # Trials were scored on those from 1,000,000 on.
    "explained": {"individuals": 20, "first": 2_000_000},
    # Local features, so that what a cell says is of its place; occluders, so that a hidden mark isn't a missing mark.
    # Leaves, with which marks are hidden here, are not trained with.
    "training": {
        "backbone": "resnet10t",
        "backbone_options": {"channels": (96, 128, 160, 160), "features_only": True, "out_indices": (0, 1)},
        "resolution": 128,
        "epochs": 60,
        "batch_size": 32,
        "occlusion": 0.7,
        "occluders": ("grey", "noise", "texture", "superpixels"),
    },
    "discovered": {"parts": 12, "part_dropout": 0.2, "teacher": "second_order"},
    "annotated": {"keypoints": True, "part_dropout": 0.2, "teacher": "second_order"},
    "plain": {},
}

#: Options of ``--quick`` that differ.
QUICK: dict[str, dict[str, Json]] = {
    "birds": {"species": 4, "train": 6, "test": 2, "size": 64},
    "explained": {"individuals": 1},
    "training": {"epochs": 1, "resolution": 32, "batch_size": 8},
    "discovered": {},
    "annotated": {},
    "plain": {},
}

#: The arms, and those of them that add up parts.
ARMS, PARTED = ("discovered", "annotated", "plain"), ("discovered", "annotated")
SEEDS = 3

#: Smallest share of pictures whose mark's part comes first, and where its removal costs more; per cent.
NAMED_GOAL, REMOVAL_GOAL = 95.0, 95.0

#: The smallest scores after FunnyBirds, in 0..1.
PROTOCOL_GOALS = {"completeness": 0.95, "correctness": 0.85, "contrastivity": 0.90}

#: Largest share of occlusion pairs that make it sure of a wrong class; per cent.
SAFETY_GOAL = 1.0


class Job(NamedTuple):
    """One run: an arm, with a seed."""

    arm: str
    seed: int


def main() -> None:
    """Run what is not stored yet and write the results of all."""
    arguments = argument_parser(__doc__, ARMS, f"{SEEDS}", "one epoch, one genus, one seed: does it run?").parse_args()
    bench = Bench("explanations", arguments.shared, quick=arguments.quick)
    seeds = 1 if arguments.quick else arguments.seeds or SEEDS

    def wanted(job: Job) -> bool:
        return arguments.only in (None, job.arm) and job.seed < seeds

    def runs_of(arm: str) -> list[dict[str, Json]]:
        jobs = [Job(arm, seed) for seed in range(max(SEEDS, seeds))]
        return list(bench.gather(jobs, wanted, bench.key, bench.run))

    found = {arm: runs for arm in ARMS if (runs := runs_of(arm))}
    notes = {
        "protocol": "individuals outside the training data; definitions in benchmarks/explanation_protocols.py",
        "config": json.dumps(bench.config),
        "seeds": json.dumps({arm: len(runs) for arm, runs in found.items()}),
        "source": "FunnyBirds: Hesse, Schaub-Meyer and Roth, ICCV 2023",
    }
    write_results("explanations", rows_of(found), out=arguments.out, quick=arguments.quick, notes=notes)


class Bench(Experiment):
    """Trains arms, and explains with them."""

    def __init__(self, name: str, shared: Path, *, quick: bool) -> None:
        super().__init__(name, shared, quick=quick)
        self.config = {part: {**options, **(QUICK[part] if quick else {})} for part, options in CONFIG.items()}
        self.folder = ROOT / "runs" / ("explanations-quick" if quick else "explanations")
        self._individuals: list[Individual] = []

    def options(self, job: Job) -> TrainConfig:
        """Return the training options of a run."""
        return replace(TrainConfig(**self.config["training"], **self.config[job.arm]), seed=job.seed)

    def key(self, job: Job) -> dict[str, Scalar]:
        """Return what decides a run's result."""
        kept = {part: self.config[part] for part in ("birds", "explained")}
        return {"data": json.dumps(kept, sort_keys=True), "config": chosen_options(self.options(job))}

    def run(self, job: Job) -> dict[str, Json]:
        """Train an arm and measure it; a training that was stopped goes on."""
        birds = held_out(generate_birds(self.folder / "birds", **self.config["birds"]))
        out = self.folder / hashlib.sha256(json.dumps(self.key(job)).encode()).hexdigest()[:12]
        train(birds, out, self.options(job), cache=self.cache, resume=True, observer=LineObserver())
        if has_held_out_rows(out):  # a quick run has too few
            fit_decisions(out, cache=self.cache)
        found = self.measure(out)
        shutil.rmtree(out)
        return found

    def measure(self, run: Path) -> dict[str, Json]:
        """Ask of a trained recogniser how often it is right and safe; where it adds up parts, every protocol."""
        recognizer, info = load_bundle(run)
        reader = EvidenceReader(recognizer, info)
        individuals = self.individuals(reader)
        tallies = [accuracy(reader, individuals), occlusion_safety(caller(run), info, individuals)]
        protocols: dict[str, Json] = {}
        if len(reader.names) > 1:
            methods = {name: made for name in METHODS if (made := build(name, recognizer, info)) is not None}
            tallies.append(mark_protocols(reader, individuals, methods, self.training_pictures(run, reader)))
            print(f"{run.name}: marks and occlusion done", flush=True)
            for name, method in methods.items():
                protocols[name] = scores(part_protocols(reader, individuals, method))
                print(f"{run.name}: protocols of {name} done", flush=True)
        return {"parts": len(reader.names), "means": together(tallies), "counts": counts(tallies), **protocols}

    def training_pictures(self, run: Path, reader: EvidenceReader) -> Callable[[str], ClassPictures]:
        """Return what gives the training pictures of a species; each is read once."""
        images = load_images(run, reader, self.cache)

        @functools.cache
        def of(species: str) -> ClassPictures:
            found = class_pictures(reader, images, species)
            if found is None:
                raise DataError(f"No training picture shows a {species}.", "Draw some.")
            return found

        return of

    def individuals(self, reader: EvidenceReader) -> list[Individual]:
        """Return the individuals to explain, drawn once."""
        if not self._individuals:
            birds, explained = self.config["birds"], self.config["explained"]
            drawn = draw_individuals(
                birds["species"],
                explained["individuals"],
                birds["size"],
                reader.info.preprocessing,
                first=explained["first"],
            )
            self._individuals = list(drawn)
        return self._individuals


def held_out(birds: Path) -> Table:
    """Return generated birds with their test rows as validation rows: decisions are fitted on them, nothing is tested.

    Args:
        birds: the folder.
    """
    table = read_table(birds)
    split = pl.col("split").replace("test", "val")
    return replace(table, frame=table.frame.with_columns(split))


def caller(run: Path) -> Callable[[Pixels], Called]:
    """Return what calls fitted pictures by a trained run, with its calibration and its decision rule."""
    predictor = load_predictor(run)

    def call(pixels: Pixels) -> Called:
        found = predictor.outputs(pixels)
        decisions = predictor.decisions(found)
        certain = [decision.name if decision is not None and decision.known else None for decision in decisions]
        return Called(predictor.calibrated(found.logits), certain)

    return call


def build(name: str, *bundle: object) -> Attribution | None:
    """Build a method; ``None`` where its library is not installed."""
    try:
        return METHODS[name](*bundle)
    except ImportError as error:
        print(f"{name} is left out: {error}", flush=True)
        return None


def together(tallies: Sequence[Tally]) -> dict[str, float]:
    """Return the means of several tallies."""
    return {name: value for tally in tallies for name, value in tally.means().items()}


def counts(tallies: Sequence[Tally]) -> dict[str, int]:
    """Return over how many pictures each mean of several tallies goes."""
    return {name: value for tally in tallies for name, value in tally.counts.items()}


def rows_of(found: Mapping[str, Sequence[Mapping[str, Json]]]) -> list[Row]:
    """Average over seeds and hold against the goals."""
    rows = []
    for arm, runs in found.items():
        if arm in PARTED:
            rows.append(Row(f"{arm}: parts of the recogniser", runs[0]["parts"]))
        rows.append(share(f"{arm}: individuals called rightly (%)", runs, "called rightly"))
        rows.append(
            share(f"{arm}: individuals called rightly within the genus (%)", runs, "called rightly within the genus")
        )
    for arm in (arm for arm in PARTED if arm in found):
        rows += part_rows(arm, found[arm])
        for name in (*METHODS, BESIDE):
            rows += method_rows(arm, name, found[arm])
        for name in METHODS:
            rows += protocol_rows(f"{arm}, {name}", name, found[arm])
    return rows + safety_rows(found)


def part_rows(arm: str, runs: Sequence[Mapping[str, Json]]) -> list[Row]:
    """Return whether an arm's parts name the mark."""
    rows = []
    for which, said in (("first part", "the mark's part comes first"), ("most apart", "it has the largest contrast")):
        rows.append(share(f"{arm}: {said} (%)", runs, which, at_least=NAMED_GOAL))
        rows += [
            share(f"{arm}: {said}, the mark is {there} (%)", runs, f"{which} {there}") for there in ("there", "missing")
        ]
    rows.append(share(f"{arm}: where the mark is missing, its place is of the part that has it (%)", runs, "same part"))
    for name, said in (("part", "first part"), ("most apart", "part with the largest contrast")):
        metric = f"{arm}: removing the {said} costs more than as much elsewhere (%)"
        rows.append(share(metric, runs, f"removal {name}", at_least=REMOVAL_GOAL))
    return rows


def method_rows(arm: str, name: str, runs: Sequence[Mapping[str, Json]]) -> list[Row]:
    """Return whether a method names the mark; only Fieldmark's own are held against the goals."""
    named, removal = (NAMED_GOAL, REMOVAL_GOAL) if name in ("evidence", BESIDE) else (None, None)
    what = f"{arm}, {name}"
    return [
        share(f"{what}: the mark is ranked first of all (%)", runs, f"first mark {name}", at_least=named),
        *(
            share(f"{what}: the same, the mark is {there} (%)", runs, f"first mark {there} {name}")
            for there in ("there", "missing")
        ),
        share(f"{what}: the maximum lies on the mark (%)", runs, f"pointing {name}"),
        share(
            f"{what}: removing the named region costs more than as much elsewhere (%)",
            runs,
            f"removal {name}",
            at_least=removal,
        ),
    ]


def safety_rows(found: Mapping[str, Sequence[Mapping[str, Json]]]) -> list[Row]:
    """Return what hiding a mark does to each arm; only those with parts are held against the goal."""
    asked = {
        "sure of a wrong class when a mark is hidden (%)": ("unsafe", SAFETY_GOAL),
        "a wrong name given as certain when a mark is hidden (%)": ("unsafe decision", SAFETY_GOAL),
        "called rightly when a mark is hidden (%)": ("right hidden", None),
    }
    return [
        share(f"{arm}: {metric}", found[arm], name, at_most=goal if arm in PARTED else None)
        for metric, (name, goal) in asked.items()
        for arm in found
    ]


def protocol_rows(what: str, name: str, runs: Sequence[Mapping[str, Json]]) -> list[Row]:
    """Return one method's scores after FunnyBirds; only Fieldmark's own are held against goals."""
    scored = [run.get(name, {}) for run in runs]
    rows = []
    for score in ("completeness", "correctness", "contrastivity", "CSDC", "PC", "DC", "D"):
        values = [run[score] for run in scored if run.get(score) is not None]
        value = round(statistics.mean(values), 4) if values else None
        least = PROTOCOL_GOALS.get(score) if name == "evidence" else None
        rows.append(
            Row(
                f"{what}: {score}",
                value,
                spread=deviation(values, 4),
                goal=f">= {least:g}" if least is not None else None,
                anchor="at most 0.75 where all are called rightly" if score == "DC" else None,
                holds=None if least is None else value is not None and value >= least,
            )
        )
    return rows


def share(
    metric: str,
    runs: Sequence[Mapping[str, Json]],
    name: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Row:
    """Return a share over seeds in per cent; a goal holds only where something was measured."""
    values = [100 * run["means"][name] for run in runs if name in run["means"]]
    pictures = sum(run["counts"].get(name, 0) for run in runs)
    value = round(statistics.mean(values), 2) if values else None
    goal = holds = None
    if at_least is not None:
        goal, holds = f">= {at_least:g}", value is not None and value >= at_least
    if at_most is not None:
        goal, holds = f"<= {at_most:g}", value is not None and value <= at_most
    return Row(metric, value, spread=deviation(values, 4), goal=goal, anchor=f"of {pictures:,} pictures", holds=holds)


if __name__ == "__main__":
    main()
