"""`fieldmark calibrate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.decision_output import print_rule
from fieldmark.cli.terminal import CacheFolder, Quiet, cache_folder, open_terminal
from fieldmark.errors import ConfigError


def calibrate(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    coverage: Annotated[float, typer.Option(help="Share of pictures whose set shall hold the true class.")] = 0.9,
    precision: Annotated[float, typer.Option(help="Share of the names given that shall be right.")] = 0.95,
    known_share: Annotated[float, typer.Option(help="Share of pictures of known classes to count as known.")] = 0.95,
    score: Annotated[
        str | None,
        typer.Option(help="How unknowns are told: max_softmax, gen, knn ...", show_default="gen+knn"),
    ] = None,
    sensitivity: Annotated[
        list[str] | None, typer.Option(metavar="CLASS=SHARE", help="Flag so many of a class's pictures; repeatable.")
    ] = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS=NUMBER", help="A missed picture costs so many false alarms; repeatable."),
    ] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="Train again so often, each time without a part, in place of validation rows.")
    ] = 0,
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Fit what may be relied on: probabilities, sets of candidates, unknowns, certain ranks, operating points.

    Fitted on the validation rows, which no weight was learned from, and kept in the run's bundle; `train` has done it
    with the defaults. The test rows are not read. With --folds 5 the run is trained five times more, and all training
    rows serve; pictures of one series must then share a group.

    Examples:
      fieldmark calibrate runs/first
      fieldmark calibrate runs/first --coverage 0.95 --precision 0.99
      fieldmark calibrate runs/lesions --sensitivity melanoma=0.95 --cost "basal cell carcinoma=20"
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.observer import RichObserver
    from fieldmark.cli.stages import quieten_lightning
    from fieldmark.decide import DEFAULT_SCORE, RuleOptions
    from fieldmark.evaluation import fit_decisions

    options = RuleOptions(
        coverage=coverage,
        precision=precision,
        known_share=known_share,
        score=score or DEFAULT_SCORE,
        sensitivities=_by_class(sensitivity or (), "--sensitivity"),
        costs=_by_class(cost or (), "--cost"),
    )
    quieten_lightning()
    if folds:
        with RichObserver(terminal) as observer:
            rule = fit_decisions(run, cache=cache_folder(cache), options=options, folds=folds, observer=observer)
    else:
        with terminal.progress("Fitting decisions") as progress:
            rule = fit_decisions(run, cache=cache_folder(cache), options=options, progress=progress)
    print_rule(terminal, rule)


def _by_class(given: Sequence[str], flag: str) -> dict[str, float]:
    """Read CLASS=NUMBER; the class may hold an equals sign."""
    found: dict[str, float] = {}
    for text in given:
        name, equals, value = text.rpartition("=")
        try:
            found[name] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise ConfigError(f"{flag} {text!r} names no class with a number.", f"Write it like {flag} melanoma=0.95.")
    return found
