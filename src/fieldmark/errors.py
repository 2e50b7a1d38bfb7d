"""The errors that Fieldmark raises on purpose.

The tree::

    FieldmarkError            everything a user can cause and cure
    ├── DataError             a data set, table or manifest that can't be used as it is
    │   ├── BrokenImageError  one picture that can't be decoded; its row is set aside
    │   └── BrokenSoundError  one sound that can't be decoded; its row is set aside
    ├── ConfigError           an option, name or value that isn't valid
    ├── ModelError            a network or its weights that can't be had
    ├── TrainingError         a training run that can't go on
    ├── BundleError           a run or bundle that can't be read
    ├── ExportError           a file of another library that can't be written, or gives other outputs
    └── ScaleError            a cluster that can't be had, or work on it that did not come out whole

Every message says what is wrong; ``cure`` says what to do about it.
"""

import difflib
from collections.abc import Iterable


class FieldmarkError(Exception):
    """What went wrong, with the cure.

    Args:
        message: what is wrong, as one sentence.
        cure: what the user can do about it, as one sentence; empty where nothing can be done.
    """

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}\n{self.cure}" if self.cure else self.message


class DataError(FieldmarkError):
    """A data set, table or manifest that can't be used as it is."""


class BrokenImageError(DataError):
    """One picture that can't be decoded."""


class BrokenSoundError(DataError):
    """One sound that can't be decoded."""


class ConfigError(FieldmarkError):
    """An option, name or value that isn't valid."""


class ModelError(FieldmarkError):
    """A network or its weights that can't be had."""


class TrainingError(FieldmarkError):
    """A training run that can't go on."""


class BundleError(FieldmarkError):
    """A run or bundle that can't be read."""


class ExportError(FieldmarkError):
    """A file of another library that can't be written, or that gives other outputs."""


class ScaleError(FieldmarkError):
    """A cluster that can't be had, or work on it that did not come out whole."""


#: Names that an error lists in full; of more than these it shows the nearest.
_LISTED = 40
_NEAREST = 5


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> ConfigError:
    """Build the error for a name that is not in a table of names.

    Args:
        kind: what the name stands for, such as ``"reader"``.
        name: the unknown name.
        valid: the names there are.

    Returns:
        The error, whose cure lists the valid names, the nearest spelling first; of very many only the nearest.
    """
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=_NEAREST, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    if len(names) <= _LISTED:
        listing = f"Valid names: {', '.join(names)}."
    else:
        listing = f"The nearest of {len(names):,} names: {', '.join(near) or ', '.join(names[:_NEAREST])}."
    return ConfigError(f"There is no {kind} {name!r}.", hint + listing)
