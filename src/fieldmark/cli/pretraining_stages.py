"""What `fieldmark pretrain` does: pretrain, probe, report, print."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.cli.evaluation_output import counted
from fieldmark.cli.option_flags import read_channels, read_options
from fieldmark.cli.progress import in_words
from fieldmark.cli.stages import quieten_lightning
from fieldmark.cli.terminal import Terminal, percent

if TYPE_CHECKING:
    from fieldmark.evaluation import PretrainedBackbone
    from fieldmark.pretraining_results import PretrainingResult
    from fieldmark.training.pretrain_config import PretrainConfig


def pretrain_run(
    terminal: Terminal,
    data: Path,
    out: Path,
    config: "PretrainConfig",
    *,
    cache: Path,
    reader: str | None = None,
    resume: bool = False,
) -> None:
    """Pretrain, showing the progress, and tell what it came to; the arguments are those of ``pretrain``."""
    from fieldmark.cli.observer import RichObserver
    from fieldmark.training.pretrain import pretrain

    quieten_lightning()
    with RichObserver(terminal) as observer:
        outcome = pretrain(data, out, config, cache=cache, reader=reader, resume=resume, observer=observer)
    terminal.note(
        f"Learned from {outcome.rows:,} rows, {outcome.unlabelled:,} of them without a label, in "
        f"{counted(outcome.epochs, 'epoch')} and {in_words(outcome.seconds)}: {outcome.run}"
    )


def compared_network(
    weights: Path | None, backbone: str, options: Sequence[str] | None, mean: str | None, std: str | None
) -> "PretrainedBackbone | None":
    """Return the network to probe beside the pretrained one; ``None`` where no weights are named.

    Raises:
        ConfigError: an option or a colour that is written wrongly.
    """
    if weights is None:
        return None
    from fieldmark.evaluation import PretrainedBackbone
    from fieldmark.models.backbones import BackboneSpec

    spec = BackboneSpec(
        backbone,
        read_options(list(options or ())),
        None if mean is None else read_channels(mean),
        None if std is None else read_channels(std),
    )
    return PretrainedBackbone(spec, weights)


def evaluate_pretraining_run(
    terminal: Terminal, run: Path, *, cache: Path, compared: "PretrainedBackbone | None" = None
) -> None:
    """Probe what a run learned, write its report and print both."""
    from fieldmark.evaluation import evaluate_pretraining
    from fieldmark.report import write_pretraining_report

    with terminal.progress("Probing") as progress:
        result = evaluate_pretraining(run, cache=cache, baseline_weights=compared, progress=progress)
    report = write_pretraining_report(run)
    print_pretraining(terminal, result)
    terminal.result(f"Report: {report}")


def print_pretraining(terminal: Terminal, result: "PretrainingResult") -> None:
    """Print what a pretraining came to."""
    if result.probes:
        rows = [
            [score.features, score.probe, str(score.dim), percent(score.accuracy), percent(score.macro_recall)]
            for score in result.probes
        ]
        title = f"Classes read from frozen features: {result.probe_rows:,} rows of split {result.probe_split}"
        terminal.table(["features", "probe", "entries", "accuracy", "macro recall"], rows, title=title)
    if result.token_accuracy is not None:
        terminal.result(f"Tokens written right from the code alone: {percent(result.token_accuracy)}")
    if result.outliers is not None:
        names = ", ".join(result.outliers.held_out)
        terminal.result(f"AUROC of the reconstruction error on held-out classes ({names}): {result.outliers.auroc:.3f}")
    for warning in result.warnings:
        terminal.warn(f"Note: {warning}")
