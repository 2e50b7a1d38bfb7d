"""Evaluation with a predictor whose answers are known: it goes by the colour of a picture."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image

from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError
from fieldmark.evaluation import classification, evaluate, evaluate_predictor
from fieldmark.evaluation.pictures import MISTAKES_PER_PAIR
from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.bundle import BundleInfo, read_info, save_bundle
from fieldmark.records import BrokenRow, Preprocessing
from fieldmark.results import EvalResult

CLASSES = ("red", "green", "blue")
LINEAGE = {"red": ("warm", "red"), "green": ("cold", "green"), "blue": ("cold", "blue")}
TRAIN, TEST = 4, 10

#: Test pictures whose colour is not that of their label: (label, place) → colour.
MISLEADING = {("green", 0): "blue", ("green", 1): "blue", ("blue", 0): "green", ("red", 3): "blue"}


class ByColor:
    """Gives the class of the strongest channel the more probability, the purer the colour."""

    def __init__(self, info: BundleInfo) -> None:
        self.info = info

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        assert pixels.shape[1:] == (32, 32, 3)
        assert pixels.dtype == np.uint8
        scores = np.exp(pixels.astype(np.float64).mean(axis=(1, 2)) / 40)
        return scores / scores.sum(axis=1, keepdims=True)


def draw(path: Path, color: str, generator: np.random.Generator) -> None:
    """Draw a random pattern, strongest in one channel."""
    coarse = generator.integers(0, 90, size=(8, 8, 3))
    coarse[..., CLASSES.index(color)] += 140
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse.astype(np.uint8)).resize((32, 32), Image.Resampling.NEAREST).save(path)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    root = tmp_path_factory.mktemp("colours")
    generator = np.random.default_rng(0)
    rows: dict[str, list[object]] = {"path": [], "label": [], "split": [], "lineage": []}
    for label in CLASSES:
        for split, count in (("train", TRAIN), ("test", TEST)):
            for place in range(count):
                path = f"{split}/{label}_{place}.png"
                color = MISLEADING.get((label, place), label) if split == "test" else label
                draw(root / path, color, generator)
                for name, value in zip(rows, (path, label, split, LINEAGE[label]), strict=True):
                    rows[name].append(value)
    shutil.copy(root / "train/red_0.png", root / "test/red_9.png")  # an exact leak
    return make_table(rows, root, reader="test", classes=CLASSES, rank_names=("warmth", "colour"))


@pytest.fixture
def predictor(table: Table) -> ByColor:
    return ByColor(
        BundleInfo(
            classes=("blue", "red", "green"),  # another order than the table's: channels are red, green, blue
            preprocessing=Preprocessing(32),
            model={},
            rank_names=table.rank_names,
            lineage=LINEAGE,
            training={"seed": 7, "weights": "none", "cpu_hours": 0.5},
            data_fingerprint=table.fingerprint(),
        )
    )


class InBundleOrder(ByColor):
    """Puts the probabilities into the order of the bundle's classes."""

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        channels = super().probabilities(pixels)
        return channels[:, [CLASSES.index(name) for name in self.info.classes]]


@pytest.fixture
def found(predictor: ByColor, table: Table, tmp_path: Path) -> EvalResult:
    run = tmp_path / "run"
    return evaluate_predictor(InBundleOrder(predictor.info), table, run, cache=tmp_path / "cache")


def test_figures_are_those_known_by_construction(found: EvalResult) -> None:
    assert found.n == 30
    assert found.top1 == pytest.approx(26 / 30)
    assert found.top5 == 1
    assert found.macro_recall == pytest.approx(26 / 30)
    assert found.accuracy_by_rank == pytest.approx({"warmth": 29 / 30, "colour": 26 / 30})
    assert found.intervals["top1"].low < 26 / 30 < found.intervals["top1"].high
    recalls = {row.name: row.recall for row in found.per_class}
    assert recalls == pytest.approx({"red": 0.9, "green": 0.8, "blue": 0.9})
    assert found.nll > 0
    assert 0 < found.ece < 1


def test_severity_is_known_by_construction(found: EvalResult, predictor: ByColor, table: Table, tmp_path: Path) -> None:
    """Of four mistakes three are between the cold colours, which meet one rank up, and one goes to the root."""
    assert found.severity is not None
    assert found.severity.root == 2
    assert found.severity.of_mistakes == pytest.approx(5 / 4)
    assert found.severity.of_all == pytest.approx(5 / 30)
    # of three classes all count: 0, 1 and 2 of a cold colour, 0, 2 and 2 of red
    assert found.severity.of_top5 == pytest.approx((20 * 3 + 10 * 4) / 90)
    flat = replace(predictor.info, rank_names=("colour",), lineage={})
    run = tmp_path / "flat"
    assert evaluate_predictor(InBundleOrder(flat), table, run, cache=tmp_path / "cache").severity is None


def test_least_risk_names_the_likelier_warmth(predictor: ByColor, table: Table, tmp_path: Path) -> None:
    """Red is the most probable colour, but the two cold ones together are more probable: one of them costs less."""

    class Unsure(InBundleOrder):
        def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
            return np.tile([0.36, 0.4, 0.24], (len(pixels), 1))  # blue, red, green

    result = evaluate_predictor(Unsure(predictor.info), table, tmp_path / "run", cache=tmp_path / "cache")
    assert result.severity is not None
    assert result.top1 == pytest.approx(1 / 3)
    assert result.severity.of_mistakes == 2
    risk = result.severity.least_risk
    assert (risk.top1, risk.of_mistakes, risk.of_all) == pytest.approx((1 / 3, 1.5, 1))


def test_pairs_come_with_pictures_of_both_sides(found: EvalResult, tmp_path: Path) -> None:
    pair = found.pairs[0]
    assert (pair.first, pair.second, pair.first_as_second, pair.second_as_first) == ("green", "blue", 2, 1)
    assert {item.id for item in pair.first_mistakes} == {"test/green_0.png", "test/green_1.png"}
    assert [item.id for item in pair.second_mistakes] == ["test/blue_0.png"]
    assert len(pair.first_right) == 3
    assert all(item.label == item.predicted == "green" for item in pair.first_right)
    assert len(pair.first_mistakes) <= MISTAKES_PER_PAIR
    for item in (*pair.first_mistakes, *pair.first_right, *found.recognised):
        with Image.open(tmp_path / "run" / item.file) as image:
            assert max(image.size) == 224


def test_the_surest_mistake_comes_first(found: EvalResult) -> None:
    probabilities = [item.probability or 0 for item in found.worst_mistakes]
    assert len(probabilities) == 4
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(item.label != item.predicted for item in found.worst_mistakes)


def test_leaks_are_found_and_accuracy_is_told_without_them(found: EvalResult) -> None:
    assert found.leak_counts == {"exact": 1}
    (leak,) = found.leaks
    assert (leak.first, leak.second) == ("train/red_0.png", "test/red_9.png")
    assert found.top1_without_leaks == pytest.approx(25 / 29)
    assert found.leak_pictures[0].first.file
    assert found.leak_pictures[0].second.predicted == "red"


def test_what_is_written_is_complete_and_reads_back(found: EvalResult, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert sorted(entry.name for entry in run.iterdir()) == ["evaluation", "evaluation.json"]
    assert EvalResult.load(run) == found
    named = {item.file for item in found.worst_mistakes} | {item.file for item in found.recognised}
    assert named <= {f"evaluation/{entry.name}" for entry in (run / "evaluation").iterdir()}
    keys = set(json.loads((run / "evaluation.json").read_text()))
    assert {"fingerprint", "split", "n", "top1", "top5", "macro_recall", "intervals", "leaks", "per_class"} <= keys


def test_predictions_are_kept_for_paired_tests(found: EvalResult, tmp_path: Path) -> None:
    frame = pl.read_parquet(tmp_path / "run" / "evaluation" / "predictions.parquet")
    assert frame.columns == ["id", "group", "label", "predicted", "probability", "probabilities"]
    assert frame.height == found.n
    assert (frame["label"] == frame["predicted"]).mean() == pytest.approx(found.top1)
    best = frame["probabilities"].list.arg_max()
    assert [found.classes[index] for index in best] == frame["predicted"].to_list()


def test_what_the_figures_came_from_is_told(found: EvalResult, table: Table) -> None:
    assert found.fingerprint == table.fingerprint()
    assert found.seeds == {"training": 7, "bootstrap": 0}
    assert (found.weights, found.cpu_hours, found.resolution) == ("none", 0.5, 32)
    assert found.warnings == ()


def test_evaluating_again_gives_the_same_and_leaves_nothing_behind(
    found: EvalResult, predictor: ByColor, table: Table, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    (run / "evaluation" / "old.jpg").write_bytes(b"")
    again = evaluate_predictor(InBundleOrder(predictor.info), table, run, cache=tmp_path / "cache")
    assert replace(again, evaluated_at=found.evaluated_at) == found
    assert not (run / "evaluation" / "old.jpg").exists()


def test_an_empty_split_names_those_there_are(predictor: ByColor, table: Table, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"test \(30\), train \(12\)"):
        evaluate_predictor(predictor, table, tmp_path, split="val", cache=tmp_path)


def test_unknown_classes_are_named(predictor: ByColor, table: Table, tmp_path: Path) -> None:
    info = replace(predictor.info, classes=("red", "lilac", "teal"))
    with pytest.raises(DataError, match=r"blue, green\. Only in the bundle: lilac, teal"):
        evaluate_predictor(ByColor(info), table, tmp_path, cache=tmp_path)


def test_other_data_absent_classes_and_trained_rows_are_warned_of(
    predictor: ByColor, table: Table, tmp_path: Path
) -> None:
    info = replace(predictor.info, data_fingerprint="other")
    some = table.where(pl.col("label") != "blue")
    result = evaluate_predictor(InBundleOrder(info), some, tmp_path, split="train", cache=tmp_path / "cache")
    trained, other, absent = result.warnings
    assert "trained on" in trained
    assert "not the data of the training" in other
    assert "was not checked" in other
    assert "1 of 3 classes" in absent
    assert absent.endswith("blue.")


def test_pictures_trained_on_are_found_in_other_data(predictor: ByColor, table: Table, tmp_path: Path) -> None:
    """The same pictures split otherwise: what was trained on is now tested on."""
    swapped = pl.when(pl.col("split") == "train").then(pl.lit("test")).otherwise(pl.lit("train")).alias("split")
    other = replace(table, frame=table.frame.with_columns(swapped))
    result = evaluate_predictor(
        InBundleOrder(predictor.info), other, tmp_path / "run", cache=tmp_path / "cache", trained=table
    )
    assert result.n == len(result.leaks) == 3 * TRAIN
    assert result.top1_without_leaks is None
    assert result.warnings == ()


def test_trained_pictures_that_are_gone_are_said_to_be(predictor: ByColor, table: Table, tmp_path: Path) -> None:
    gone = replace(table, root=tmp_path / "gone")
    info = replace(predictor.info, data_fingerprint="other")
    result = evaluate_predictor(InBundleOrder(info), table, tmp_path / "run", cache=tmp_path / "cache", trained=gone)
    (warning,) = result.warnings
    assert "was not checked" in warning


def test_a_group_is_drawn_whole_and_leaks_whole(
    found: EvalResult, predictor: ByColor, table: Table, tmp_path: Path
) -> None:
    """All misleading pictures and one of train are of one animal; every other picture is its own."""
    animal = [f"test/{label}_{place}.png" for label, place in MISLEADING] + ["train/blue_0.png"]
    group = pl.when(pl.col("path").is_in(animal)).then(pl.lit("animal")).alias("group")
    grouped = replace(table, frame=table.frame.with_columns(group))
    result = evaluate_predictor(InBundleOrder(predictor.info), grouped, tmp_path / "grouped", cache=tmp_path / "cache")
    wide, narrow = result.intervals["top1"], found.intervals["top1"]
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)
    assert result.leak_counts == {"exact": 1, "group": 1}
    assert result.top1_without_leaks == 1


def test_broken_rows_of_the_split_are_listed(
    predictor: ByColor, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (BrokenRow("test/red_0.png", "test/red_0.png", "cut"), BrokenRow("train/red_0.png", "", "cut"))
    honest = classification.cache_images

    def with_broken(*arguments: object, **options: object) -> object:
        return replace(honest(*arguments, **options), broken=broken)  # type: ignore[arg-type]

    monkeypatch.setattr(classification, "cache_images", with_broken)
    skipped = BrokenRow("?", "strange.png", "its name is not text")
    result = evaluate_predictor(
        InBundleOrder(predictor.info),
        replace(table, skipped=(skipped,)),
        tmp_path / "run",
        cache=tmp_path / "cache",
    )
    assert result.broken == (broken[0], skipped)


def test_progress_ends_with_all_pictures_predicted(predictor: ByColor, table: Table, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    evaluate_predictor(
        InBundleOrder(predictor.info),
        table,
        tmp_path / "run",
        cache=tmp_path / "cache",
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (30, 30)


def test_a_run_without_its_table_asks_for_data(
    predictor: ByColor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classification, "load_predictor", lambda run: predictor)
    with pytest.raises(DataError, match="Name the data"):
        evaluate(tmp_path, cache=tmp_path)


def test_the_table_of_the_run_is_the_default(
    predictor: ByColor, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    spec = ModelSpec(BackboneSpec("resnet10t", {"channels": (8, 8, 8, 8)}), classes=3)
    save_bundle(run / "bundle", build_recognizer(spec), replace(predictor.info, model=asdict(spec)))
    table.save(run / "table.parquet")
    monkeypatch.setattr(classification, "load_predictor", lambda run: InBundleOrder(predictor.info))
    found = evaluate(run, cache=tmp_path / "cache")
    assert found.n == 30
    assert read_info(run).results["test top1"] == found.top1
