"""Pretraining by reconstruction: from a table, labelled or not, to a run folder with an autoencoder."""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lightning.fabric import Fabric

from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.models.autoencoders import Autoencoder, AutoencoderSpec
from fieldmark.models.autoencoders.saved import FOLDER, TOKENIZER_FILE, AutoencoderInfo, save_autoencoder
from fieldmark.records import BrokenRow, Preprocessing
from fieldmark.training.checkpoint import TrainingState
from fieldmark.training.initial_backbone import origin_of, with_initial_backbone
from fieldmark.training.loop import Loop
from fieldmark.training.observer import SilentObserver, TrainObserver
from fieldmark.training.options import flat_options
from fieldmark.training.pretrain_assembly import (
    Material,
    make_autoencoder,
    make_material,
    make_pretrain_task,
    recorded_inputs,
)
from fieldmark.training.pretrain_config import PretrainConfig
from fieldmark.training.pretrain_inputs import SoundInputs
from fieldmark.training.pretrain_rows import HELD_OUT_SEPARATOR, PretrainRows, choose_rows
from fieldmark.training.pretrain_spec import autoencoder_spec
from fieldmark.training.pretrain_task import RebuiltBatch
from fieldmark.training.processes import make_fabric
from fieldmark.training.reconstruction_pictures import (
    Pixels,
    Reconstructions,
    below,
    draw_pictures,
    draw_sounds,
    reconstruct,
    save_picture,
    text_lines,
)
from fieldmark.training.run_folder import PROGRESS, check_run, make_run
from fieldmark.training.schedule import deadline_of


@dataclass(frozen=True, slots=True)
class PretrainOutcome:
    """What a pretraining came to.

    Attributes:
        run: its folder.
        epochs: epochs trained, over all starts.
        seconds: time they took.
        rows: samples it learned from.
        unlabelled: how many of them have no label.
        train_loss: mean loss of the last epoch.
        broken: rows that were left out, with the reason.
    """

    run: Path
    epochs: int
    seconds: float
    rows: int
    unlabelled: int
    train_loss: float
    broken: tuple[BrokenRow, ...]


def pretrain(
    data: Path | str | Table,
    out: Path | str,
    config: PretrainConfig,
    *,
    cache: Path | str,
    reader: str | None = None,
    resume: bool = False,
    observer: TrainObserver | None = None,
) -> PretrainOutcome:
    """Train an autoencoder on all rows outside the test split and write it as ``out/autoencoder``.

    Args:
        data: a table, or anything that ``read_table`` reads: pictures, sounds or texts.
        out: the run's folder; new or empty, unless ``resume``.
        config: the options.
        cache: folder of decoded pictures, shared by runs.
        reader: name of the reader; by default the format is recognised.
        resume: go on from the last checkpoint in ``out``; on one machine the final weights are the same, bit for
            bit, as those of an uninterrupted run.
        observer: hears what happens.

    Raises:
        DataError: the data can't be read, or hold too few rows to learn from.
        ConfigError: options that contradict each other, the samples, the run's earlier options or its data.
        ModelError: a network or its weights can't be had.
        BundleError: the run to begin from can't be read.
        TrainingError: the loss is not a number, or exploded.
    """
    started = time.monotonic()
    out, cache = Path(out), Path(cache)
    config = with_initial_backbone(config)
    fabric = make_fabric(config.precision)
    hears = observer if observer is not None and fabric.global_rank == 0 else SilentObserver()
    table = data if isinstance(data, Table) else read_table(data, reader=reader, seed=config.seed)
    check_run(out, config, table, resume=resume)
    material = make_material(table, config, cache, hears)
    for row in material.inputs.broken:
        hears.message(f"Left out: {row.path}: {row.reason}")
    rows = choose_rows(material.inputs.table, config)
    spec = autoencoder_spec(config, material.tokenizer.vocabulary if material.tokenizer else 0)
    autoencoder = make_autoencoder(spec, config)
    fabric.barrier()  # no process may find the run made by another one before it has looked
    if fabric.global_rank == 0:
        make_run(out, config, table)
    fabric.barrier()
    draw = _drawing(fabric, autoencoder, material, rows, config.seed, out / PROGRESS)
    task = make_pretrain_task(fabric, config, autoencoder, material, rows, draw)
    state = Loop[RebuiltBatch](fabric, config, task, out, hears).run(deadline_of(config.time_limit, started))
    if fabric.global_rank == 0:
        info = _info(config, spec, material, rows, state)
        save_autoencoder(out / FOLDER, autoencoder, info, files=_companions(material))
    fabric.barrier()
    return PretrainOutcome(
        run=out,
        epochs=state.plan.total,
        seconds=state.seconds,
        rows=len(rows.train),
        unlabelled=rows.unlabelled,
        train_loss=float(state.rows[-1]["train_loss"] or 0.0),
        broken=material.inputs.broken,
    )


def _info(
    config: PretrainConfig, spec: AutoencoderSpec, material: Material, rows: PretrainRows, state: TrainingState
) -> AutoencoderInfo:
    training: dict[str, str | int | float | bool | None] = {**flat_options(config)}
    if config.init != "none":
        training["weights"] = origin_of(Path(config.init), material.inputs.table.fingerprint())
    training["epochs_trained"] = state.plan.total
    training["seconds"] = round(state.seconds, 1)
    training["cpu_hours"] = round(state.processor_seconds / 3600, 4)
    training["rows"], training["unlabelled"] = len(rows.train), rows.unlabelled
    training["held_out_classes"] = HELD_OUT_SEPARATOR.join(rows.held_out)
    mean, std, longest = recorded_inputs(material)
    return AutoencoderInfo(
        spec=spec,
        modality=material.modality,
        preprocessing=material.preprocessing,
        channels=getattr(material.inputs, "channels", 3),
        log_mel=material.log_mel,
        frame_mean=mean,
        frame_std=std,
        max_tokens=longest,
        feature_target=config.feature_weights if config.feature_weights == "none" else _target_name(config),
        training=training,
        data_fingerprint=material.inputs.table.fingerprint(),
    )


def _target_name(config: PretrainConfig) -> str:
    if config.feature_weights == "built-in":
        return config.feature_backbone
    return f"{config.feature_backbone} ({Path(config.feature_weights).name})"


def _companions(material: Material) -> dict[str, str]:
    if material.tokenizer is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / TOKENIZER_FILE
        material.tokenizer.save(path)
        return {TOKENIZER_FILE: path.read_text(encoding="utf-8")}


def _drawing(
    fabric: Fabric, autoencoder: Autoencoder, material: Material, rows: PretrainRows, seed: int, folder: Path
) -> Callable[[int], None]:
    """Return what draws a few reconstructions after some epochs, into one file each time."""

    def draw(epochs: int) -> None:
        found = reconstruct(autoencoder, fabric.to_device(material.inputs.batch(rows.shown)), seed)
        path = folder / f"epoch-{epochs:04d}"
        if material.tokenizer is not None:
            lines = [{"given": given, "rebuilt": rebuilt} for given, rebuilt in text_lines(found, material.tokenizer)]
            folder.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".json").write_text(json.dumps(lines, indent=1, ensure_ascii=False), encoding="utf-8")
        else:
            save_picture(path.with_suffix(".png"), below(_panels(material, found)))

    return draw


def _panels(material: Material, found: Reconstructions) -> list[Pixels]:
    if isinstance(material.inputs, SoundInputs):
        return draw_sounds(found, material.inputs.mean, material.inputs.std)
    preprocessing = cast("Preprocessing", material.preprocessing)  # of pictures there always is one
    return draw_pictures(found, preprocessing.mean, preprocessing.std)
