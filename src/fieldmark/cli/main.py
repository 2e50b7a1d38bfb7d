"""The application `fieldmark`: its commands, its version, and how it reports what went wrong."""

import errno
import inspect
import os
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from fieldmark.cli.add_class import add_class
from fieldmark.cli.calibrate import calibrate
from fieldmark.cli.compare import compare
from fieldmark.cli.data_cache import data_cache
from fieldmark.cli.data_check import data_check
from fieldmark.cli.data_shard import data_shard
from fieldmark.cli.demo import demo
from fieldmark.cli.evaluate import evaluate
from fieldmark.cli.explain import explain
from fieldmark.cli.export import export
from fieldmark.cli.feedback import feedback
from fieldmark.cli.guide import guide
from fieldmark.cli.name_part import name_part
from fieldmark.cli.neighbours import neighbours
from fieldmark.cli.predict import predict
from fieldmark.cli.pretrain import pretrain
from fieldmark.cli.remove_class import remove_class
from fieldmark.cli.report import report
from fieldmark.cli.scale_predict import scale_predict
from fieldmark.cli.scale_serve import scale_serve
from fieldmark.cli.serve import serve
from fieldmark.cli.serve_key import serve_key
from fieldmark.cli.terminal import Quiet, printable
from fieldmark.cli.train import train
from fieldmark.errors import FieldmarkError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Exit codes besides 0: faults were found; the user can cure it; the user stopped it.
FAULTS, CURABLE, INTERRUPTED = 1, 2, 130

#: Faults of the machine that are not bugs, with what to do about them.
_SYSTEM_FAULTS = {
    errno.EACCES: "Allow it, or name another folder.",
    errno.EPERM: "Allow it, or name another folder.",
    errno.EROFS: "Name a folder that can be written to.",
    errno.ENOSPC: "Free some room; `fieldmark data cache` shows what the cache holds.",
    errno.EDQUOT: "Free some room; `fieldmark data cache` shows what the cache holds.",
    errno.ENOTDIR: "Name a folder where a folder is wanted.",
    errno.ENAMETOOLONG: "Use a shorter name.",
}

#: Command → how what was stopped goes on.
_GOES_ON = {
    "predict": "What went to a file (--out, csv or parquet) goes on with the same command and --resume.",
    "pretrain": "It goes on from the last epoch with the same command and --resume.",
    "train": "It goes on from the last epoch with the same command and --resume.",
    "demo": "It goes on with the same command.",
}


class _Reporting(TyperGroup):
    """Commands whose mistakes of the user's end in a message with the cure; bugs keep their traceback."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except FieldmarkError as error:
            _complain(error.message, error.cure)
            raise typer.Exit(CURABLE) from None
        except KeyboardInterrupt:
            typer.echo(f"\nStopped. {_GOES_ON.get(ctx.invoked_subcommand or '', '')}".rstrip(), err=True)
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            if error.errno not in _SYSTEM_FAULTS:
                raise
            _complain(f"{error.filename or 'The system'}: {error.strerror}.", _SYSTEM_FAULTS[error.errno])
            raise typer.Exit(CURABLE) from None


def _complain(message: str, cure: str) -> None:
    text = f"error: {message}\n{cure}" if cure else f"error: {message}"
    typer.echo(printable(text, lines=True), err=True)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    import fieldmark

    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS", available)
    typer.echo(
        f"fieldmark {fieldmark.__version__}, torch {_installed('torch')}, onnxruntime {_installed('onnxruntime')}, "
        f"{threads} threads"
    )
    raise typer.Exit


def _installed(library: str) -> str:
    """Return the version of an installed library, without importing it, which may take seconds."""
    import importlib.metadata

    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


app = typer.Typer(
    name="fieldmark",
    cls=_Reporting,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data = typer.Typer(no_args_is_help=True, help="Look at data sets and at the cache of decoded pictures, write shards.")
scale = typer.Typer(no_args_is_help=True, help="Work on many processes or machines.")


def _help_of(command: "Callable[..., None]") -> str:
    """Return a command's docstring as its help, in which the examples keep their lines."""
    return inspect.cleandoc(command.__doc__ or "").replace("\nExamples:\n", "\n\b\nExamples:\n")


def _fieldmark(
    version: Annotated[
        bool, typer.Option("--version", help="Print the versions and stop.", callback=_print_version, is_eager=True)
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Tell lookalike classes apart, from a folder of pictures to a report.

    Examples:
      fieldmark demo
      fieldmark data check photos/
      fieldmark train photos/ --out runs/first --time-limit 30m
      fieldmark predict runs/first new/*.jpg --format csv > names.csv
      fieldmark explain runs/first new/bird.jpg
      fieldmark serve runs/first
    """


_COMMANDS: "tuple[tuple[typer.Typer, str, Callable[..., None]], ...]" = (
    (app, "demo", demo),
    (app, "pretrain", pretrain),
    (app, "train", train),
    (app, "calibrate", calibrate),
    (app, "evaluate", evaluate),
    (app, "compare", compare),
    (app, "predict", predict),
    (app, "explain", explain),
    (app, "neighbours", neighbours),
    (app, "add-class", add_class),
    (app, "remove-class", remove_class),
    (app, "report", report),
    (app, "guide", guide),
    (app, "name-part", name_part),
    (app, "export", export),
    (app, "serve", serve),
    (app, "serve-key", serve_key),
    (app, "feedback", feedback),
    (data, "check", data_check),
    (data, "cache", data_cache),
    (data, "shard", data_shard),
    (scale, "predict", scale_predict),
    (scale, "serve", scale_serve),
)
for _group, _name, _command in _COMMANDS:
    _group.command(_name, help=_help_of(_command))(_command)
app.callback(help=_help_of(_fieldmark))(_fieldmark)
app.add_typer(data, name="data")
app.add_typer(scale, name="scale")


def main() -> None:
    """Run the command line; ends the process with 0, 1 (faults found), 2 (a mistake to cure) or 130 (stopped)."""
    app()
