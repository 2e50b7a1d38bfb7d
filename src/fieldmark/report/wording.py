"""How the report words names and figures."""

import re
from collections import Counter
from collections.abc import Sequence

from fieldmark.results import EvalResult

#: A space that keeps a figure and its unit on one line.
_THIN = "\u202f"


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share of 0..1 as per cent; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.{digits}f}{_THIN}%"


def sureness(value: float | None) -> str:
    """Write a probability as whole per cent, never rounded up to certainty or down to nothing."""
    if value is None:
        return "–"
    if 0.995 <= value < 1:
        return f">{_THIN}99{_THIN}%"
    return f"<{_THIN}1{_THIN}%" if 0 < value < 0.005 else percent(value, 0)


def count(value: int) -> str:
    """Write a number with commas between thousands."""
    return f"{value:,}"


def decimal(value: float, digits: int = 2) -> str:
    """Write a number with a fixed number of decimals."""
    return f"{value:.{digits}f}"


def significant(value: float, digits: int = 3) -> str:
    """Write a number with so many digits that count."""
    return f"{value:#.{digits}g}".rstrip(".")


def plural(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun, such as ``"1 picture"``; ``many`` where an s is not enough."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def enumeration(parts: Sequence[str]) -> str:
    """Join words as a sentence does: ``"a"``, ``"a and b"``, ``"a, b and c"``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def initial_weights(weights: str | None) -> str:
    """Say what a network's weights began with."""
    if weights is None:
        return "not recorded"
    return "none: trained from scratch" if weights == "none" else weights


def when(moment: str) -> str:
    """Write an ISO 8601 time in UTC as people do."""
    return moment.replace("T", " ").replace("+00:00", " UTC")


def readable_names(labels: Sequence[str]) -> dict[str, str]:
    """Return label → the name as a person would write it: ``"009.Brewer_Blackbird"`` → ``"Brewer Blackbird"``.

    Names that would then be the same, or empty, stay as they are.
    """
    plain = {label: re.sub(r"^\d+[._\- ]+", "", label).replace("_", " ").strip() for label in labels}
    seen = Counter(plain.values())
    return {label: name if name and seen[name] == 1 else label for label, name in plain.items()}


def words_for(result: EvalResult) -> dict[str, str]:
    """Return the sentences of the headline: what was found, in plain words."""
    right = round(result.top1 * result.n)
    pictures = plural(result.n, "picture")
    leaks = len(result.leaks)
    if not leaks:
        leak_note = "No picture of this split was found in another."
    elif result.top1_without_leaks is None:
        leak_note = "Every evaluated picture leaks: the accuracy says nothing."
    else:
        leak_note = f"First-guess accuracy without them: {percent(result.top1_without_leaks)}."
    return {
        "found": f"Of {pictures} in the {result.split} split, {count(right)} were recognised at the first guess.",
        "leaks": f"leak{'s' if leaks != 1 else ''} between splits",
        "leak_note": leak_note,
    }
