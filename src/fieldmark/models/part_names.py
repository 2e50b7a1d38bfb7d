"""The names of a recogniser's parts: those that it was built with, and those that people give them."""

import re
from collections.abc import Sequence
from pathlib import Path

from fieldmark.errors import ConfigError, unknown_name
from fieldmark.models.bundle import BundleInfo, read_info, record_part_names

#: What a part is called that was found without anyone naming it.
_PLACEHOLDER = re.compile(r"part (\d+)", re.IGNORECASE)

#: The longest name; more does not fit beside a picture.
MOST_LETTERS = 60


def is_placeholder(name: str) -> bool:
    """Say whether a part's name tells only its number, such as ``"part 3"``."""
    return _PLACEHOLDER.fullmatch(name) is not None


def nameable_parts(info: BundleInfo) -> tuple[str, ...]:
    """Return the names of the parts that can be named: all slots of the evidence but the rest of the picture."""
    return info.part_names[: len(info.part_names) - bool(info.model.get("rest"))]


def find_part(info: BundleInfo, part: str) -> int:
    """Return the index of a part, given its number, counted from 1, or its present name.

    Raises:
        ConfigError: there is no such part; the cure lists them.
    """
    names = nameable_parts(info)
    if part in names:
        return names.index(part)
    if part.isdecimal() and 1 <= int(part) <= len(names):
        return int(part) - 1
    if part.isdecimal():
        listed = ", ".join(f"{number} ({name})" for number, name in enumerate(names, start=1))
        raise ConfigError(f"There is no part {part}.", f"Parts: {listed}.")
    raise unknown_name("part", part, names)


def name_part(run: Path, part: str, name: str) -> tuple[str, ...]:
    """Give a part of a run's recogniser a name, in its bundle, for good.

    Args:
        run: a run's folder, or a bundle.
        part: the part's number, counted from 1, or its present name.
        name: the new name; blanks around it are left out.

    Returns:
        The names of all slots of the evidence.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        ConfigError: there is no such part, or the name can't be given to it.
    """
    info = read_info(run)
    index = find_part(info, part)
    wanted = name.strip(" ")
    _check(wanted, index, info.part_names)
    names = (*info.part_names[:index], wanted, *info.part_names[index + 1 :])
    record_part_names(run, names)
    return names


def _check(name: str, index: int, names: Sequence[str]) -> None:
    if not name:
        raise ConfigError("A part's name can't be empty.", 'Give it a name, such as "wing bar".')
    if not name.isprintable():
        raise ConfigError(
            f"The name {name!r} holds characters that can't be seen.", "Use letters, digits, blanks and signs."
        )
    if len(name) > MOST_LETTERS:
        raise ConfigError(f"The name has {len(name)} letters.", f"Use at most {MOST_LETTERS}.")
    number = _PLACEHOLDER.fullmatch(name)
    if name.isdecimal() or (number is not None and int(number[1]) != index + 1):
        raise ConfigError(
            f"The name {name!r} would be taken for another part's number.", 'Give it a name, such as "wing bar".'
        )
    for place, other in enumerate(names):
        if place != index and other.casefold() == name.casefold():
            raise ConfigError(
                f"Part {place + 1} is called {other!r} already.",
                f'Choose another name, or rename that one first: fieldmark name-part RUN {place + 1} "…".',
            )
