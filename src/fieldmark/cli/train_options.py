"""The options of training as flags: names, types, defaults and help all come from ``TrainConfig``."""

import dataclasses
import functools
import inspect
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.errors import ConfigError
from fieldmark.training.config import OptionValue, TrainConfig, config_from_mapping

#: What a flag may hold; ``None`` is a flag that was not given.
FlagValue = str | int | float | bool | list[str] | None

#: Options whose flag takes text that is turned into the value here: option → (flag, what the text looks like).
_WRITTEN = {
    "backbone_options": ("--backbone-option", "NAME=VALUE"),
    "mean": ("--mean", "R,G,B"),
    "std": ("--std", "R,G,B"),
    "weights": ("--weights", "none|hub|FILE"),
    "time_limit": ("--time-limit", "30m"),
}

#: Help that differs from the option's, because the flag is written differently.
_WRITTEN_HELP = {
    "backbone_options": "Keyword argument of the network, its value as JSON or plain text; may be repeated.",
    "time_limit": "Time that training may take, such as 90s, 30m or 1h30m; epochs are cut to fit.",
}

_DURATION = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?")


def with_training_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for every option of ``TrainConfig``.

    Args:
        command: has a parameter ``flags``, which receives option → value, ``None`` where the flag was not given.
    """
    added = {entry.name: _parameter(entry) for entry in dataclasses.fields(TrainConfig)}

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


def config_from_flags(flags: Mapping[str, FlagValue], file: Path | None) -> TrainConfig:
    """Build the options: a file's, with the flags' over them, and the defaults under them.

    Args:
        flags: option → value, ``None`` where the flag was not given.
        file: JSON file of options.

    Raises:
        ConfigError: an unknown option, or a value that isn't valid.
    """
    options: dict[str, object] = dataclasses.asdict(TrainConfig.load(file)) if file is not None else {}
    for name, value in flags.items():
        if value is None or value == []:
            continue
        options[name] = _READERS[name](value) if name in _READERS else value
    return config_from_mapping(options)  # type: ignore[arg-type]


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


def _read_channels(value: FlagValue) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in str(value).split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 3:
        raise ConfigError(f"{value!r} is not three numbers.", "Write them like 0.485,0.456,0.406 (red, green, blue).")
    return numbers


def _read_options(value: FlagValue) -> dict[str, OptionValue]:
    return dict(read_option(text) for text in value) if isinstance(value, list) else {}


_READERS: dict[str, Callable[[FlagValue], object]] = {
    "backbone_options": _read_options,
    "mean": _read_channels,
    "std": _read_channels,
    "time_limit": lambda value: read_duration(str(value)),
}


def _parameter(entry: "dataclasses.Field[object]") -> inspect.Parameter:
    flag, metavar = _WRITTEN.get(entry.name, ("--" + entry.name.replace("_", "-"), None))
    kind: object
    if entry.name == "backbone_options":
        kind = list[str] | None
    else:
        kind = (str if entry.name in _WRITTEN else entry.type) | None  # type: ignore[operator]
    if entry.type is bool:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    words = (_WRITTEN_HELP.get(entry.name) or _help().get(entry.name, "")) + _shown(entry.default)
    option = typer.Option(flag, help=words, metavar=metavar, show_default=False)
    return inspect.Parameter(
        entry.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
    )


def _shown(default: object) -> str:
    if default is None or default is dataclasses.MISSING:
        return ""
    shown = ("yes" if default else "no") if isinstance(default, bool) else default
    return f"  [default: {shown}]"


@functools.cache
def _help() -> dict[str, str]:
    """Read what each option means from the docstring of ``TrainConfig``."""
    text = inspect.cleandoc(TrainConfig.__doc__ or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    for entry in re.split(r"\n    (?=\w+: )", "\n" + text.rstrip()):
        name, _, words = entry.strip().partition(": ")
        plain = " ".join(words.split()).replace("``", "").replace("None takes", "by default")
        flagged = re.sub(r"\b[a-z]+(?:_[a-z]+)+\b", lambda match: "--" + match[0].replace("_", "-"), plain)
        found[name] = flagged[:1].upper() + flagged[1:]
    return found
