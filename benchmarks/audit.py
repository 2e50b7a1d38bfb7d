"""Does the audit find faults that are known, and only those? Faults are planted in a copy of the grocery photos.

    python benchmarks/audit.py                  # three seeds: about 10 minutes of one core
    python benchmarks/audit.py --quick

Planted, in a temporary folder, each in rows that carry no other fault, drawn by the seed:

* 60 exact copies: the same bytes under another name in another split, with the right label.
* 60 near copies: re-encoded (JPEG quality 40 to 80), and by turns resized (0.5 to 1.5), mirrored, or both.
* 40 cut copies: cut to 80 to 95 % of each side at a random place and re-encoded. They have no goal.
* 100 wrong labels: 50 of another fine class of the same coarse class, 50 of any other class.
* 20 groups of two rows in train and two in test; and 20 of four rows in train, which are no fault.
* 20 photos blurred by a Gaussian of 6 px, 20 at a tenth of their brightness, 20 of birds (CUB) among the groceries;
  all without a label, so that they don't count among the wrong ones. They have no goal.

A copy counts as found where its family holds its original. A **false alarm** is a pair of pictures in one family, in
whatever splits, that show neither one original (copies of a copy included) nor one of the pairs in ``REAL``; the rate
is their share of all pairs that are reported. ``REAL`` are pairs of photos in the untouched data that were looked at
side by side by a person and show one scene taken twice from one place. The untouched data are audited first: a pair
reported there that is not in ``REAL`` counts as a false alarm of every run.

How comparing grows is measured on made-up hashes and embeddings of 50,000 pictures: processor time, and the most memory
taken beside them. Both compare all pairs, so that 20 times as many pictures take 400 times as long.

Precision at 100 is the share of planted wrong labels among the first 100 suspects. The data's own wrong labels, which
nobody has counted, go against it. Choices (strength of the classifier, number of components, thresholds) were made
with seed 0, which is not run here.
"""

import argparse
import io
import json
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from experiment import Experiment, argument_parser, deviation
from fieldmark.audit import audit_table
from fieldmark.audit.copies import close_hashes
from fieldmark.audit.neighbours import nearest
from fieldmark.audit.network import FrozenNetwork, network_from_weights
from fieldmark.audit.odd import NEIGHBOURS
from fieldmark.audit.projection import COMPARED
from fieldmark.audit_results import AuditResult
from fieldmark.data.images import decode
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table, make_table
from record import Json, Row, write_results

#: Names (without folder and ending, but for the split) of photos of the untouched data that show one scene twice.
REAL: tuple[tuple[str, str], ...] = (
    ("test/Royal-Gala_052", "test/Royal-Gala_062"),
    ("test/Floury-Potato_006", "test/Floury-Potato_016"),
    ("test/Kaiser_005", "test/Kaiser_014"),
    ("train/Passion-Fruit_016", "train/Passion-Fruit_026"),
)

FIRST_SEED, SEEDS = 1, 3

GOALS = {"exact": 98.0, "near": 90.0, "false alarms": 1.0, "precision": 50.0}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of each fault are planted."""

    exact: int = 60
    near: int = 60
    cut: int = 40
    labels: int = 100
    groups: int = 20
    flaws: int = 20


@dataclass
class Planted:
    """A copy of the data with faults.

    Attributes:
        table: the faulty table, its pictures in a temporary folder.
        copies: kind → pairs (original, copy) of ids.
        origin: id of a copy → that of its original.
        wrong: ids whose label was changed, by kind of change.
        groups: names of the straddling groups.
        flaws: kind → ids of pictures that have it.
    """

    table: Table
    copies: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, set[str]] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    flaws: dict[str, set[str]] = field(default_factory=dict)


def main() -> None:
    """Plant, audit, compare, write."""
    parser = argument_parser(
        __doc__, ["grocery"], str(SEEDS), quick="600 photos and a tenth of the faults: does it run?"
    )
    arguments = parser.parse_args()
    experiment = Experiment("audit", arguments.shared, quick=arguments.quick)
    seeds = range(FIRST_SEED, FIRST_SEED + (arguments.seeds or (1 if arguments.quick else SEEDS)))
    found = list(
        experiment.gather(
            seeds, lambda _: True, lambda seed: {"seed": seed, "network": "mobilenetv2_100"}, Run(experiment)
        )
    )
    count = 5_000 if arguments.quick else 50_000
    scale = list(experiment.gather([count], lambda _: True, lambda one: {"scale": one}, measure_scale))
    write(found, scale[0], arguments)


class Run:
    """Plants and audits with one seed.

    Args:
        experiment: where data and weights are.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._untouched: dict[str, Json] = {}

    def __call__(self, seed: int) -> dict[str, Json]:
        """Return what was found of the faults planted with a seed."""
        quick = self._experiment.quick
        table = read_table(self._experiment.shared / "data" / "grocery")
        counts = Counts(6, 6, 4, 10, 3, 3) if quick else Counts()
        if quick:
            table = replace(table, frame=table.frame.sample(600, seed=0))
        network = network_from_weights(Path(self._experiment.mobilenet_weights), mean=(0.5,) * 3, std=(0.5,) * 3)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            started = time.process_time()
            untouched = self._look_at_untouched(table, network, folder)
            birds = read_table(self._experiment.shared / "data" / "cub50")
            planted = plant(table, birds, folder / "data", counts, seed)
            result: dict[str, Json] = {"seed": seed, "fingerprint": table.fingerprint(), **untouched}
            for arm, chosen in (("hash", None), ("hash and embedding", network)):
                before = time.process_time()
                audit = audit_table(planted.table, cache=folder / "cache", network=chosen)
                result[arm] = judge(audit, planted)
                result[f"{arm} cpu_minutes"] = (time.process_time() - before) / 60
            result["cpu_minutes"] = (time.process_time() - started) / 60
        print(json.dumps(result), flush=True)
        return result

    def _look_at_untouched(self, table: Table, network: FrozenNetwork, folder: Path) -> dict[str, Json]:
        """Count the pairs that are reported in the untouched data, and name those that are not in ``REAL``."""
        if not self._untouched:
            audit = audit_table(table, cache=folder / "cache", network=network)
            pairs = reported_pairs(audit)
            unknown = sorted(pair for pair in pairs if frozenset(map(short_name, pair)) not in real_pairs())
            self._untouched = {"untouched_pairs": len(pairs), "untouched_unknown": [list(pair) for pair in unknown]}
        return self._untouched


def measure_scale(count: int) -> dict[str, Json]:
    """Compare made-up hashes and embeddings of so many pictures: processor time (s), memory beside them (MiB)."""
    chance = np.random.default_rng(0)
    looks = chance.integers(0, 2**63, (count, 2), dtype=np.uint64)
    vectors = chance.normal(size=(count, COMPARED)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found: dict[str, Json] = {"pictures": count}
    for name, compare in (
        ("hashes", lambda: sum(len(a) for a, _, _ in close_hashes(looks, np.arange(count)))),
        ("embeddings", lambda: nearest(vectors, NEIGHBOURS)),
    ):
        tracemalloc.start()
        started = time.process_time()
        compare()
        found[f"{name} seconds"] = time.process_time() - started
        found[f"{name} mib"] = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    return found


def plant(table: Table, birds: Table, folder: Path, counts: Counts, seed: int) -> Planted:
    """Copy the pictures of a table and plant faults among them; pictures of ``birds`` are odd there."""
    chance = np.random.default_rng(seed)
    frame = table.frame
    for path in frame["path"]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes((table.root / path).read_bytes())
    rows = {row["id"]: dict(row) for row in frame.to_dicts()}
    planted = Planted(table)
    untouched = list(chance.permutation(frame["id"].to_list()))
    for kind, alter in (("exact", None), ("near", near_copy), ("cut", cut_copy)):
        names = [str(untouched.pop()) for _ in range(getattr(counts, kind))]
        planted.copies[kind] = []
        for place, name in enumerate(names):
            copy = f"planted/{kind}-{place}.jpg"
            source = folder / rows[name]["path"]
            (folder / copy).parent.mkdir(exist_ok=True)
            data = source.read_bytes() if alter is None else encoded(alter(decode(source), place, chance), chance)
            (folder / copy).write_bytes(data)
            other = "test" if rows[name]["split"] == "train" else "train"
            rows[copy] = {**rows[name], "id": copy, "path": copy, "split": other}
            planted.copies[kind].append((name, copy))
            planted.origin[copy] = name
    change_labels(rows, table, untouched, planted, counts.labels, chance)
    make_groups(rows, untouched, planted, counts.groups)
    make_flaws(rows, birds, folder, untouched, planted, counts.flaws, chance)
    columns = {name: [row[name] for row in rows.values()] for name in frame.columns}
    planted.table = make_table(columns, folder, reader="planted", classes=table.classes, rank_names=table.rank_names)
    return planted


def near_copy(image: Image.Image, place: int, chance: np.random.Generator) -> Image.Image:
    """Resize (every first and third of four) or mirror (second and third) a picture; every fourth stays."""
    if place % 4 in (0, 2):
        scale = chance.uniform(0.5, 1.5)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if place % 4 in (1, 2) else image


def cut_copy(image: Image.Image, place: int, chance: np.random.Generator) -> Image.Image:  # noqa: ARG001
    """Cut a picture to 80 to 95 % of each side, at a random place."""
    scale = chance.uniform(0.8, 0.95)
    width, height = round(image.width * scale), round(image.height * scale)
    left, top = chance.integers(image.width - width + 1), chance.integers(image.height - height + 1)
    return image.crop((int(left), int(top), int(left) + width, int(top) + height))


def encoded(image: Image.Image, chance: np.random.Generator) -> bytes:
    """Return a picture as JPEG of quality 40 to 80."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(chance.integers(40, 81)))
    return file.getvalue()


def change_labels(
    rows: dict[str, dict[str, object]],
    table: Table,
    untouched: list[str],
    planted: Planted,
    count: int,
    chance: np.random.Generator,
) -> None:
    """Give half of the rows, of classes that have lookalikes, a class of the same coarse class, and half any other."""
    lineage = table.lineage_of()
    siblings = {
        name: [other for other in table.classes if other != name and lineage[other][0] == lineage[name][0]]
        for name in table.classes
    }
    planted.wrong = {"lookalike": set(), "any": set()}
    for place in range(count):
        kind = "lookalike" if place < count // 2 else "any"
        name = next(one for one in reversed(untouched) if kind == "any" or siblings[str(rows[one]["label"])])
        untouched.remove(name)
        own = str(rows[name]["label"])
        chosen = str(chance.choice(siblings[own] if kind == "lookalike" else [n for n in table.classes if n != own]))
        planted.wrong[kind].add(str(name))
        rows[name] |= {"label": chosen, "lineage": list(lineage[chosen])}


def make_groups(rows: dict[str, dict[str, object]], untouched: list[str], planted: Planted, count: int) -> None:
    """Make groups that straddle train and test, and as many that don't."""
    by_split = {name: [one for one in untouched if rows[one]["split"] == name] for name in ("train", "test")}
    for number in range(count):
        planted.groups.add(f"straddling {number}")
        for members, name in (
            ([by_split[split].pop() for split in ("train", "train", "test", "test")], f"straddling {number}"),
            ([by_split["train"].pop() for _ in range(4)], f"inside {number}"),
        ):
            for member in members:
                rows[member]["group"] = name
                untouched.remove(member)


def make_flaws(
    rows: dict[str, dict[str, object]],
    birds: Table,
    folder: Path,
    untouched: list[str],
    planted: Planted,
    count: int,
    chance: np.random.Generator,
) -> None:
    """Blur and darken photos in place, and put birds among the groceries; none of them keeps a label."""
    changes = {
        "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(6)),
        "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.1),
    }
    for kind, change in changes.items():
        planted.flaws[kind] = {str(untouched.pop()) for _ in range(count)}
        for name in planted.flaws[kind]:
            path = folder / str(rows[name]["path"])
            path.write_bytes(encoded(change(decode(path)), chance))
            rows[name] |= {"label": None, "lineage": None}
    planted.flaws["odd"] = set()
    for place, path in enumerate(birds.frame["path"].sample(count, seed=int(chance.integers(2**31)))):
        name = f"planted/odd-{place}.jpg"
        (folder / name).write_bytes((birds.root / path).read_bytes())
        empty = dict.fromkeys(next(iter(rows.values())))
        rows[name] = {**empty, "id": name, "path": name, "split": "train"}
        planted.flaws["odd"].add(name)


def judge(audit: AuditResult, planted: Planted) -> dict[str, Json]:
    """Hold what was found against what was planted."""
    pairs = reported_pairs(audit)
    found: dict[str, Json] = {
        kind: 100 * statistics.mean(tuple(sorted(pair)) in pairs for pair in copies)
        for kind, copies in planted.copies.items()
    }
    false = [pair for pair in pairs if not is_real(pair, planted)]
    found["pairs"], found["false pairs"] = len(pairs), [list(pair) for pair in sorted(false)]
    found["false alarms"] = 100 * len(false) / max(len(pairs), 1)
    straddling = {entry.group for entry in audit.straddling}
    found["groups"], found["false groups"] = len(straddling & planted.groups), len(straddling - planted.groups)
    for kind, names in planted.flaws.items():
        flawed = {flaw.row.id for flaw in audit.flaws_of(kind)}
        found[kind], found[f"false {kind}"] = 100 * len(flawed & names) / max(len(names), 1), len(flawed - names)
    if audit.network is not None:
        wrong = set().union(*planted.wrong.values())
        first = [suspect.row.id for suspect in audit.suspects[: len(wrong)]]
        found["precision"] = 100 * len(wrong.intersection(first)) / len(first)
        found["suspects"], found["confident"] = len(audit.suspects), len(audit.confident)
        found["estimated wrong"] = audit.estimated_wrong
        confident = {suspect.row.id for suspect in audit.confident}
        for kind, names in planted.wrong.items():
            found[f"confident of {kind}"] = 100 * len(names & confident) / max(len(names), 1)
    return found


def reported_pairs(audit: AuditResult) -> set[tuple[str, str]]:
    """Return all pairs (sorted) of ids that an audit says show one picture."""
    return {pair for family in audit.copies for pair in combinations(sorted(row.id for row in family.rows), 2)}


def is_real(pair: tuple[str, str], planted: Planted) -> bool:
    """Say whether two rows show one picture, by what was planted and by ``REAL``."""
    first, second = (planted.origin.get(name, name) for name in pair)
    return first == second or frozenset((short_name(first), short_name(second))) in real_pairs()


def real_pairs() -> set[frozenset[str]]:
    """Return the pairs of ``REAL``."""
    return {frozenset(pair) for pair in REAL}


def short_name(name: str) -> str:
    """Return a photo's split and name, such as ``"test/Mango_011"``."""
    return f"{Path(name).parts[0]}/{Path(name).stem}"


def write(found: Sequence[Mapping[str, Json]], scale: Mapping[str, Json], arguments: argparse.Namespace) -> None:
    """Average over seeds, hold against the goals, and write."""
    rows = [row for arm in ("hash", "hash and embedding") for row in rows_of(arm, found)]
    rows.append(_row("whole benchmark: processor time a seed (min)", [run["cpu_minutes"] for run in found]))
    for name in ("hashes", "embeddings"):
        rows.append(_row(f"comparing {scale['pictures']:,} {name}: processor time (s)", [scale[f"{name} seconds"]]))
        rows.append(_row(f"comparing {scale['pictures']:,} {name}: memory beside them (MiB)", [scale[f"{name} mib"]]))
    notes = {
        "protocol": "faults planted in a copy of grocery; untouched data audited first; see the docstring",
        "seeds": ", ".join(str(run["seed"]) for run in found),
        "fingerprint": str(found[0]["fingerprint"]),
        "untouched": f"{found[0]['untouched_pairs']} pairs reported, not confirmed: {found[0]['untouched_unknown']}",
        "weights": "MobileNetV2, ImageNet-1k, 160 px",
    }
    write_results("audit", rows, out=arguments.out, quick=arguments.quick, notes=notes)


def rows_of(arm: str, found: Sequence[Mapping[str, Json]]) -> list[Row]:
    """Return the figures of one arm; the goals are those of the audit with a network."""
    of_arm = [run[arm] for run in found]
    goals = arm != "hash"

    def values(name: str) -> list[float]:
        return [one[name] for one in of_arm]

    rows = [
        _row(f"{arm}: exact copies found (%)", values("exact"), at_least=GOALS["exact"]),
        _row(f"{arm}: near copies found (%)", values("near"), at_least=GOALS["near"]),
        _row(f"{arm}: cut copies found (%)", values("cut")),
        _row(f"{arm}: false alarms among reported pairs (%)", values("false alarms"), at_most=GOALS["false alarms"]),
        _row(f"{arm}: straddling groups found (of {Counts().groups})", values("groups")),
        _row(f"{arm}: groups reported that don't straddle", values("false groups")),
    ]
    if goals:
        for kind in ("blurred", "dark", "odd"):
            rows.append(_row(f"{kind} pictures found (%)", values(kind)))
            rows.append(_row(f"{kind} pictures reported that were not planted", values(f"false {kind}")))
        rows += [
            _row("label suspects: precision at 100 (%)", values("precision"), at_least=GOALS["precision"]),
            _row("label suspects: confident ones", values("confident")),
            _row("label suspects: planted lookalike labels among the confident (%)", values("confident of lookalike")),
            _row("label suspects: other planted labels among the confident (%)", values("confident of any")),
            _row("label suspects: wrong labels estimated (100 planted)", values("estimated wrong")),
        ]
    return [*rows, _row(f"{arm}: processor time of an audit (min)", [run[f"{arm} cpu_minutes"] for run in found])]


def _row(metric: str, values: Sequence[float], *, at_least: float | None = None, at_most: float | None = None) -> Row:
    value = round(statistics.mean(values), 2)
    goal = f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}" if at_most is not None else None
    holds = None if goal is None else value >= at_least if at_least is not None else value <= (at_most or 0)
    return Row(metric, value, spread=deviation(values), goal=goal, holds=holds)


if __name__ == "__main__":
    main()
