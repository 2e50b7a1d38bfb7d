"""What the option records of all trainings share: JSON, checks, and errors that list what is valid."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from fieldmark.errors import ConfigError, unknown_name

#: An option's value, as JSON can hold it.
OptionValue = str | int | float | bool | None | tuple[int, ...]

PRECISIONS = ("auto", "32", "bf16")


class Options(Protocol):
    """A frozen dataclass of options, flat but for mappings of keyword arguments."""

    __dataclass_fields__: "ClassVar[dict[str, dataclasses.Field[Any]]]"


Kind = TypeVar("Kind", bound=Options)


def options_to_json(options: Options) -> str:
    """Return options as JSON; ``options_from_json`` gives them back."""
    return json.dumps(dataclasses.asdict(options), indent=2)


def options_from_json(kind: type[Kind], text: str) -> Kind:
    """Read options that ``options_to_json`` wrote.

    Raises:
        ConfigError: not JSON, an unknown option, or a value out of range.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"The options are not JSON: {error}.") from error
    if not isinstance(data, Mapping):
        raise ConfigError("The options are no JSON object.", 'Write them like {"epochs": 20}.')
    return options_from_mapping(kind, data)


def load_options(kind: type[Kind], path: Path) -> Kind:
    """Read the options in a JSON file.

    Raises:
        ConfigError: no such file, or its options are not valid.
    """
    try:
        return options_from_json(kind, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"{path} can't be read: {reason}.", "Name a JSON file of options.") from error


def options_from_mapping(kind: type[Kind], options: Mapping[str, object]) -> Kind:
    """Build options from names and values; lists become tuples.

    Raises:
        ConfigError: an unknown option (the message lists the valid ones), or a value out of range.
    """
    valid = {entry.name for entry in dataclasses.fields(kind)}
    for name in options:
        if name not in valid:
            raise unknown_name("training option", name, valid)
    return kind(**{key: _frozen(value) for key, value in options.items()})


def flat_options(options: Options) -> dict[str, str | int | float | bool]:
    """Return the plain values among the options, as bundles keep them."""
    data = dataclasses.asdict(options)
    return {key: value for key, value in data.items() if isinstance(value, str | int | float | bool)}


def check_names(options: Options, tables: Mapping[str, tuple[str, Iterable[str]]]) -> None:
    """Check options that are names.

    Args:
        options: what to check.
        tables: option → what it names, in words, and the valid names.

    Raises:
        ConfigError: a name that is not in its table.
    """
    for option, (words, valid) in tables.items():
        name = getattr(options, option)
        if name not in (names := tuple(valid)):
            raise unknown_name(words, str(name), names)


def check_ranges(options: Options, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Check options that are numbers.

    Args:
        options: what to check.
        ranges: option → smallest and largest value, both allowed; an option whose default is ``None`` may be that.

    Raises:
        ConfigError: a value that is no number, or out of its range.
    """
    defaults = {entry.name: entry.default for entry in dataclasses.fields(options)}
    for name, (low, high) in ranges.items():
        value = getattr(options, name)
        if value is None and defaults[name] is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ConfigError(f"{name} can't be {value!r}.", f"Give a number from {low:g} to {high:g}.")


def _frozen(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, Mapping):
        return {key: _frozen(inner) for key, inner in value.items()}
    return value
