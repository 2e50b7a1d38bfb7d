"""Evaluation of a pretraining run: what can be read from its features, and how well it rebuilds what it never saw."""

import datetime
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np

import fieldmark
from fieldmark.data.table import Table
from fieldmark.evaluation.comparison import (
    ProbeRows,
    Subject,
    choose_probe_rows,
    compare_features,
    count_sources,
)
from fieldmark.evaluation.figures import listed
from fieldmark.evaluation.pretraining_inputs import build_inputs
from fieldmark.evaluation.reconstructions import show_reconstructions
from fieldmark.evaluation.reference_networks import PretrainedBackbone
from fieldmark.evaluation.unseen import Unseen, measure_unseen, outlier_score
from fieldmark.models.autoencoders import spec_to_json
from fieldmark.models.autoencoders.saved import AutoencoderInfo, find_autoencoder, load_autoencoder
from fieldmark.pretraining_results import OutlierScore, PretrainingResult, ProbeScore, Reconstruction
from fieldmark.records import Progress
from fieldmark.training.pretrain_rows import HELD_OUT_SEPARATOR
from fieldmark.training.run_folder import TABLE_FILE

#: What a saved autoencoder keeps of its training: the classes that were left out.
HELD_OUT_OPTION = "held_out_classes"


def evaluate_pretraining(
    run: Path,
    *,
    cache: Path,
    baseline_weights: PretrainedBackbone | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> PretrainingResult:
    """Evaluate a pretraining run and write pretraining.json and the folder reconstructions/ into it.

    Probes learn from labelled training rows, and choose by them; the evaluated split is read once. Where there is no
    labelled test row, that is the validation split; where there is none either, nothing is probed.

    Args:
        run: the run's folder, with its autoencoder and its table.
        cache: folder of decoded pictures, shared by runs.
        baseline_weights: a network of pictures whose features are probed too, such as one trained on ImageNet.
        progress: told how far decoding, then evaluating, has come.
        seed: of the probes, baselines, samples, examples and the bootstrap.

    Raises:
        BundleError: the run has no autoencoder, it can't be read, or gives no numbers.
        DataError: the run's table or its samples can't be read.
        ModelError, ConfigError: ``baseline_weights`` can't be had, or the autoencoder takes no pictures.
    """
    autoencoder, info = load_autoencoder(run)
    table = Table.load(run / TABLE_FILE)
    inputs = build_inputs(table, info, autoencoder.input_kind, find_autoencoder(run), cache, progress=progress)
    subject = Subject(autoencoder, info, inputs, seed)
    rows = choose_probe_rows(inputs.table, seed)
    sources = 0 if rows is None else count_sources(baseline_weights)
    advance = _steps(progress, sources + 2)
    probes = () if rows is None else tuple(compare_features(subject, rows, baseline_weights, advance))
    unseen = measure_unseen(subject)
    advance()
    examples = show_reconstructions(subject, unseen.places, run)
    advance()
    result = _result(subject, rows, probes, unseen, examples)
    result.save(run)
    return result


def held_out_classes(info: AutoencoderInfo) -> tuple[str, ...]:
    """Return the classes that were left out of a pretraining."""
    names = info.training.get(HELD_OUT_OPTION)
    return tuple(names.split(HELD_OUT_SEPARATOR)) if isinstance(names, str) and names else ()


def _result(
    subject: Subject,
    rows: ProbeRows | None,
    probes: tuple[ProbeScore, ...],
    unseen: Unseen,
    examples: tuple[Reconstruction, ...],
) -> PretrainingResult:
    table, info = subject.inputs.table, subject.info
    held_out = held_out_classes(info)
    outliers = outlier_score(unseen, table.frame["label"][unseen.places.tolist()].to_list(), held_out)
    return PretrainingResult(
        autoencoder=str(spec_to_json(info.spec)["autoencoder"]),
        modality=info.modality,
        fingerprint=table.fingerprint(),
        rows=int(_number(info, "rows") or 0),
        unlabelled=int(_number(info, "unlabelled") or 0),
        epochs=int(_number(info, "epochs_trained") or 0),
        test_error=unseen.test_error,
        probes=probes,
        probe_train=0 if rows is None else len(rows.train),
        probe_split="" if rows is None else rows.split,
        probe_rows=0 if rows is None else len(rows.evaluated),
        probe_classes=0 if rows is None else len(np.unique(rows.evaluated.labels)),
        outliers=outliers,
        token_accuracy=unseen.token_accuracy,
        reconstructions=examples,
        weights=str(info.training.get("weights", "none")),
        feature_target=info.feature_target,
        seed=int(_number(info, "seed") or 0),
        cpu_hours=_number(info, "cpu_hours"),
        training=dict(info.training),
        broken=(*subject.inputs.broken, *table.skipped),
        fieldmark_version=fieldmark.__version__,
        evaluated_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        warnings=_warnings(rows, unseen, outliers, held_out),
    )


def _warnings(
    rows: ProbeRows | None, unseen: Unseen, outliers: OutlierScore | None, held_out: tuple[str, ...]
) -> tuple[str, ...]:
    found = list(rows.warnings) if rows is not None else ["Too few labelled rows: nothing was probed."]
    if held_out and rows is not None:
        found.append(f"Left out of the pretraining, but not of the probes: {listed(held_out)}.")
    if held_out and outliers is None:
        found.append("No rows tell held-out classes from others: there is no outlier score.")
    if not unseen.split:
        found.append("There is no test or validation split: nothing was rebuilt that was not trained on.")
    elif len(unseen.places) < unseen.total:
        found.append(f"The error is that of {len(unseen.places):,} of {unseen.total:,} rows, drawn at random.")
    if unseen.split == "val":
        found.append("There is no test split: examples and outliers are those of the validation split.")
    return tuple(found)


def _number(info: AutoencoderInfo, option: str) -> float | None:
    value = info.training.get(option)
    return float(value) if isinstance(value, int | float) else None


def _steps(progress: Progress | None, total: int) -> Callable[[], None]:
    """Return what counts the steps that are done."""
    done = count(1)

    def advance() -> None:
        if progress is not None:
            progress(next(done), total)

    return advance
