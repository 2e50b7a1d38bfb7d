"""The options of a training as flags: names, types, defaults and help all come from the options' dataclass."""

import dataclasses
import functools
import inspect
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from fieldmark.errors import ConfigError
from fieldmark.training.options import Options, OptionValue, load_options, options_from_mapping

#: What a flag may hold; ``None`` is a flag that was not given.
FlagValue = str | int | float | bool | list[str] | None

Kind = TypeVar("Kind", bound=Options)

#: Options whose flag takes text that is turned into the value here: option → (flag, what the text looks like).
_WRITTEN = {
    "backbone_options": ("--backbone-option", "NAME=VALUE"),
    "feature_options": ("--feature-option", "NAME=VALUE"),
    "mean": ("--mean", "R,G,B"),
    "std": ("--std", "R,G,B"),
    "feature_mean": ("--feature-mean", "R,G,B"),
    "feature_std": ("--feature-std", "R,G,B"),
    "hidden_sizes": ("--hidden-sizes", "128,64"),
    "widths": ("--widths", "32,64,128"),
    "occluders": ("--occluders", "grey,leaves"),
    "weights": ("--weights", "none|hub|FILE"),
    "init": ("--init", "none|RUN|FILE"),
    "time_limit": ("--time-limit", "30m"),
}

#: Help that differs from the option's, because the flag is written differently.
_WRITTEN_HELP = {
    "backbone_options": "Keyword argument of the network, its value as JSON or plain text; may be repeated.",
    "feature_options": "Keyword argument of the feature network; may be repeated.",
    "time_limit": "Time that training may take, such as 90s, 30m or 1h30m; epochs are cut to fit.",
}

_DURATION = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?")


def with_flags_of(kind: type[Options]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a flag for every option of a dataclass.

    Args:
        kind: its docstring tells what each option means.

    Returns:
        What decorates the command, which has a parameter ``flags``: it receives option → value, ``None`` where the
        flag was not given.
    """
    added = {entry.name: _parameter(entry, _help(kind)) for entry in dataclasses.fields(kind)}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_flags(**values: FlagValue) -> None:
            flags = {name: values.pop(name) for name in added}
            command(**values, flags=flags)

        own = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in inspect.signature(command).parameters.values()
            if parameter.name != "flags"
        ]
        signature = inspect.Signature([*own, *added.values()])
        with_flags.__signature__ = signature  # type: ignore[attr-defined]
        with_flags.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        return with_flags

    return decorate


def options_from_flags(kind: type[Kind], flags: Mapping[str, FlagValue], file: Path | None) -> Kind:
    """Build the options: a file's, with the flags' over them, and the defaults under them.

    Args:
        kind: the options' dataclass.
        flags: option → value, ``None`` where the flag was not given.
        file: JSON file of options.

    Raises:
        ConfigError: an unknown option, or a value that isn't valid.
    """
    options: dict[str, object] = dataclasses.asdict(load_options(kind, file)) if file is not None else {}
    for name, value in flags.items():
        if value is None or value == []:
            continue
        options[name] = _READERS[name](value) if name in _READERS else value
    return options_from_mapping(kind, options)


def read_duration(text: str) -> float:
    """Read a span of time, such as ``90s``, ``30m``, ``1h`` or ``1h30m``, in minutes.

    Raises:
        ConfigError: it is written differently.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if not text.strip() or found is None or not any(found.groups()):
        raise ConfigError(f"{text!r} is no span of time.", "Write it like 90s, 30m, 1h or 1h30m.")
    hours, minutes, seconds = (float(found[unit] or 0) for unit in "hms")
    return 60 * hours + minutes + seconds / 60


def read_option(text: str) -> tuple[str, OptionValue]:
    """Read ``NAME=VALUE``; the value is JSON, or text where it isn't.

    Raises:
        ConfigError: it is written differently, or the value is an object.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ConfigError(f"{text!r} is no option.", "Write it like pad_type=same or channels=[8,16,24,32].")
    try:
        read: object = json.loads(value)
    except ValueError:
        read = value
    if isinstance(read, list) and all(isinstance(entry, int) for entry in read):
        return name, tuple(read)
    if read is None or isinstance(read, str | int | float | bool):
        return name, read
    raise ConfigError(f"{name} can't be {value}.", "Give a number, a text, true, false, null or a list of numbers.")


def read_channels(value: FlagValue) -> tuple[float, float, float]:
    """Read three numbers, such as ``0.485,0.456,0.406``.

    Raises:
        ConfigError: it is written differently.
    """
    try:
        numbers = tuple(float(part) for part in str(value).split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 3:
        raise ConfigError(f"{value!r} is not three numbers.", "Write them like 0.485,0.456,0.406 (red, green, blue).")
    return (numbers[0], numbers[1], numbers[2])


def _read_sizes(value: FlagValue) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in str(value).split(","))
    except ValueError as error:
        raise ConfigError(f"{value!r} are no sizes.", "Write whole numbers like 128,64.") from error


def read_options(value: FlagValue) -> dict[str, OptionValue]:
    """Read a list of ``NAME=VALUE``.

    Raises:
        ConfigError: one is written differently.
    """
    return dict(read_option(text) for text in value) if isinstance(value, list) else {}


_READERS: dict[str, Callable[[FlagValue], object]] = {
    "backbone_options": read_options,
    "feature_options": read_options,
    "mean": read_channels,
    "std": read_channels,
    "feature_mean": read_channels,
    "feature_std": read_channels,
    "hidden_sizes": _read_sizes,
    "widths": _read_sizes,
    "occluders": lambda value: tuple(name.strip() for name in str(value).split(",") if name.strip()),
    "time_limit": lambda value: read_duration(str(value)),
}


def _parameter(entry: "dataclasses.Field[object]", helps: Mapping[str, str]) -> inspect.Parameter:
    flag, metavar = _flag(entry.name), _WRITTEN.get(entry.name, ("", None))[1]
    kind: object
    if _READERS.get(entry.name) is read_options:
        kind = list[str] | None
    else:
        kind = (str if entry.name in _WRITTEN else entry.type) | None  # type: ignore[operator]
    if entry.type is bool:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    words = (_WRITTEN_HELP.get(entry.name) or helps.get(entry.name, "")) + _shown(entry.default)
    option = typer.Option(flag, help=words, metavar=metavar, show_default=False)
    return inspect.Parameter(
        entry.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
    )


def _flag(option: str) -> str:
    return _WRITTEN[option][0] if option in _WRITTEN else "--" + option.replace("_", "-")


def _shown(default: object) -> str:
    if default is None or default is dataclasses.MISSING:
        return ""
    shown = ("yes" if default else "no") if isinstance(default, bool) else default
    shown = ",".join(map(str, shown)) if isinstance(shown, tuple) else shown
    return f"  [default: {shown}]"


def _help(kind: type[Options]) -> dict[str, str]:
    """Read what each option means from the docstring of the options' dataclass."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    flags = {entry.name: _flag(entry.name) for entry in dataclasses.fields(kind)}
    found: dict[str, str] = {}
    for entry in re.split(r"\n    (?=\w+: )", "\n" + text.rstrip()):
        name, _, words = entry.strip().partition(": ")
        plain = " ".join(words.split()).replace("``", "").replace("None takes", "by default")
        flagged = re.sub(r"\b[a-z]+(?:_[a-z]+)+\b", lambda match: flags.get(match[0], match[0]), plain)
        found[name] = flagged[:1].upper() + flagged[1:]
    return found
