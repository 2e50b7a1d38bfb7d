"""Explanations on the terminal and in files."""

from collections.abc import Callable
from pathlib import Path

from fieldmark.cli.terminal import Terminal, percent
from fieldmark.errors import ConfigError
from fieldmark.explanations import Explanation, PartMark, beside_rival, in_words, signed
from fieldmark.predict.sources import expand_sources


def one_picture(pattern: str) -> Path:
    """Return the one picture that a path or glob stands for.

    Raises:
        DataError: it stands for nothing.
        ConfigError: it stands for several.
    """
    found = expand_sources([pattern])
    if len(found) > 1:
        raise ConfigError(f"{pattern} stands for {len(found):,} pictures.", f"Name one of them, such as {found[0]}.")
    return found[0]


def print_explanation(terminal: Terminal, explanation: Explanation, top: int) -> None:
    """Print what decided as a sentence, a table of the parts and what is left over."""
    shown, others = explanation.marks[:top], explanation.marks[top:]
    chances = f"{percent(explanation.probability)} and {percent(explanation.rival_probability)}"
    terminal.result(in_words(explanation))
    if apart := beside_rival(explanation):
        terminal.result(apart)
    terminal.result(f"Probability {chances}.")
    verified = any(mark.removal for mark in explanation.marks)
    columns = ["part" if explanation.exact else "place", explanation.label, explanation.rival, "difference"]
    rows = [_row(mark, verified) for mark in shown]
    if others:
        rest = [signed(sum(getattr(mark, name) for mark in others)) for name in _FIGURES]
        rows.append([f"{len(others)} other{'s' if len(others) > 1 else ''}", *rest, *[""] * (2 * verified)])
    rows.append(["bias", "", "", signed(explanation.bias_difference), *[""] * (2 * verified)])
    if not explanation.exact:
        rows.append(["unexplained", "", "", signed(explanation.unexplained)])
    rows.append(["log-odds", "", "", signed(explanation.log_odds), *[""] * (2 * verified)])
    terminal.table([*columns, *(["when removed", "elsewhere"] if verified else [])], rows)
    for note in explanation.notes:
        terminal.warn(f"Note: {note}")


#: The columns of figures.
_FIGURES = ("evidence", "rival_evidence", "difference")


def _row(mark: PartMark, verified: bool) -> list[str]:
    row = [mark.part, *(signed(getattr(mark, name)) for name in _FIGURES)]
    if not verified:
        return row
    if mark.removal is None:
        return [*row, "-", "-"]
    elsewhere = mark.removal.elsewhere
    return [*row, signed(mark.removal.measured), "-" if elsewhere is None else signed(elsewhere)]


def check_file(path: Path) -> None:
    """Refuse a file name whose ending says no format, before any work is done.

    Raises:
        ConfigError: the ending is none of ``WRITERS``.
    """
    if path.suffix.lower() not in WRITERS:
        raise ConfigError(f"{path} says no format.", f"Let its name end in {', '.join(WRITERS)}.")


def write_explanation_file(explanation: Explanation, path: Path, top: int) -> None:
    """Write an explanation in the format that the file's ending says; the file appears when it is complete."""
    WRITERS[path.suffix.lower()](explanation, path, top)


def _write_html(explanation: Explanation, path: Path, top: int) -> None:
    from fieldmark.report import write_explanation

    write_explanation(explanation, path, top=top)


def _write_png(explanation: Explanation, path: Path, top: int) -> None:
    from fieldmark.explain import draw_explanation

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    draw_explanation(explanation, top=top).save(partial, "PNG")
    partial.replace(path)


def _write_json(explanation: Explanation, path: Path, top: int) -> None:  # noqa: ARG001 - all parts are kept
    explanation.save(path)


#: Ending of a file's name → what writes it.
WRITERS: dict[str, Callable[[Explanation, Path, int], None]] = {
    ".html": _write_html,
    ".png": _write_png,
    ".json": _write_json,
}
