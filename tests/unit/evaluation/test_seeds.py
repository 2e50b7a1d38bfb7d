"""Several seeds together: figures, which bundle to use, and what can't be summed up."""

import statistics
from pathlib import Path

import pytest

import fieldmark.evaluation.seeds as seeds_module
from evaluated_runs import MadeUp, write_evaluated_run, write_evaluated_seeds
from fieldmark.errors import BundleError, DataError
from fieldmark.evaluation import evaluate_seeds
from fieldmark.evaluation.saved_predictions import load_predictions
from fieldmark.evaluation.seeds import summarise_seeds
from fieldmark.results import EvalResult
from fieldmark.seed_results import SeedsResult

SHARES = (0.6, 0.75, 0.7)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_evaluated_seeds(tmp_path / "three", SHARES)


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, dict[str, object]]]:
    """Stand in for evaluating: what it would leave is there already."""
    calls: list[tuple[Path, dict[str, object]]] = []
    monkeypatch.setattr(seeds_module, "evaluate", lambda run, data, **rest: calls.append((run, rest)))
    return calls


def test_every_figure_has_mean_spread_and_interval(folder: Path, evaluated: list[object]) -> None:
    result = evaluate_seeds(folder, cache=folder / "cache")
    singles = [EvalResult.load(folder / f"seed-{seed}") for seed in range(3)]
    names = ["top1", "top5", "macro_recall", "nll", "ece", "rank kind", "rank species"]
    assert [figure.name for figure in result.figures] == [*names, "severity_of_mistakes", "severity_of_all"]
    for name in ("top1", "macro_recall", "nll", "ece"):
        values = [getattr(single, name) for single in singles]
        figure = result.figure(name)
        assert figure.values == tuple(values)
        assert figure.mean == pytest.approx(statistics.mean(values), abs=1e-6)
        assert figure.spread == pytest.approx(statistics.stdev(values))
        assert figure.interval.low < figure.mean < figure.interval.high
    assert result.figure("rank kind").values == tuple(single.accuracy_by_rank["kind"] for single in singles)
    severities = tuple(single.severity.of_mistakes for single in singles)  # type: ignore[union-attr]
    assert result.figure("severity_of_mistakes").values == severities
    assert not result.figure("severity_of_all").share
    assert result.figure("top1").share
    with pytest.raises(KeyError):
        result.figure("nonesuch")


def test_the_interval_is_wider_than_that_of_one_seed(folder: Path, evaluated: list[object]) -> None:
    found = evaluate_seeds(folder, cache=folder).figure("top1").interval
    alone = EvalResult.load(folder / "seed-1").intervals["top1"]
    assert found.high - found.low > 1.2 * (alone.high - alone.low)


def test_the_first_seed_s_bundle_is_the_one_to_use_though_another_is_better(
    folder: Path, evaluated: list[object]
) -> None:
    result = evaluate_seeds(folder, cache=folder)
    assert max(result.figure("top1").values) == result.figure("top1").values[1]
    assert (result.bundle, result.seeds, result.runs) == ("seed-0", (0, 1, 2), ("seed-0", "seed-1", "seed-2"))
    assert "chance" in result.bundle_reason
    assert result.training == {"epochs": 3, "weights": "none"}


def test_what_is_written_reads_back(folder: Path, evaluated: list[tuple[Path, dict[str, object]]]) -> None:
    result = evaluate_seeds(folder, cache=folder / "cache", split="val", seed=5)
    assert SeedsResult.load(folder) == result
    assert [run.name for run, _ in evaluated] == ["seed-0", "seed-1", "seed-2"]
    assert all((rest["split"], rest["cache"], rest["seed"]) == ("val", folder / "cache", 5) for _, rest in evaluated)
    with pytest.raises(DataError, match="fieldmark evaluate"):
        SeedsResult.load(folder / "seed-0")
    with pytest.raises(DataError, match="can't be read"):
        SeedsResult.from_json("{}")


def test_one_seed_has_no_spread_and_one_rank_no_severity(tmp_path: Path) -> None:
    run = write_evaluated_run(tmp_path / "seed-7", 0.7, 7, MadeUp(ranks=("class",)))
    result = summarise_seeds([load_predictions(run)])
    assert result.seeds == (7,)
    assert [figure.name for figure in result.figures] == ["top1", "top5", "macro_recall", "nll", "ece"]
    assert {figure.spread for figure in result.figures} == {None}


def test_seeds_without_mistakes_have_no_severity_of_mistakes(tmp_path: Path) -> None:
    folder = write_evaluated_seeds(tmp_path / "three", (0.7, 9.0))
    result = summarise_seeds([load_predictions(folder / f"seed-{seed}") for seed in range(2)])
    names = [figure.name for figure in result.figures]
    assert "severity_of_all" in names
    assert "severity_of_mistakes" not in names


def test_groups_are_drawn_whole(tmp_path: Path) -> None:
    widths = []
    for size in (1, 40):
        folder = write_evaluated_seeds(tmp_path / str(size), (0.7, 0.7), MadeUp(grouped=size))
        interval = summarise_seeds([load_predictions(folder / f"seed-{seed}") for seed in range(2)]).figures[0].interval
        widths.append(interval.high - interval.low)
    assert widths[1] > 2 * widths[0]


def test_what_is_no_folder_of_seeds_or_not_finished_is_refused(folder: Path, evaluated: list[object]) -> None:
    with pytest.raises(BundleError, match="no seeds"):
        evaluate_seeds(folder / "seed-0", cache=folder)
    (folder / "seed-3" / "checkpoints").mkdir(parents=True)
    with pytest.raises(BundleError, match="seed-3 has not finished"):
        evaluate_seeds(folder, cache=folder)
    assert evaluated == []


def test_seeds_on_other_pictures_are_refused(folder: Path) -> None:
    other = write_evaluated_run(folder / "seed-3", 0.7, 3, MadeUp(shift=1))
    with pytest.raises(DataError, match="other pictures"):
        summarise_seeds([load_predictions(folder / "seed-0"), load_predictions(other)])


def test_predictions_that_don_t_belong_to_the_evaluation_are_refused(folder: Path, tmp_path: Path) -> None:
    other = write_evaluated_run(tmp_path / "other", 0.7, 3, MadeUp(count=100))
    predictions = folder / "seed-0" / "evaluation" / "predictions.parquet"
    predictions.write_bytes((other / "evaluation" / "predictions.parquet").read_bytes())
    with pytest.raises(DataError, match="not of the evaluation"):
        load_predictions(folder / "seed-0")
    predictions.write_bytes(b"spoilt")
    with pytest.raises(DataError, match="can't be read"):
        load_predictions(folder / "seed-0")
    predictions.unlink()
    with pytest.raises(DataError, match="fieldmark evaluate"):
        load_predictions(folder / "seed-0")
