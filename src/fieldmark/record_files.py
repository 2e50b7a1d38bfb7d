"""Frozen records as JSON text, with the number of their format, and back; texts and folders put in place at one go."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from fieldmark.errors import DataError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record")

#: Pictures inside a record; nothing else is ever shown, so that a page can't be made to ask for an address.
_PICTURE = re.compile(r"data:image/(jpeg|png);base64,[A-Za-z0-9+/]*=*")


@dataclass(frozen=True, slots=True)
class RecordFormat:
    """How one kind of record is written.

    Attributes:
        number: raised with every change that older code can't read.
        what: the record in words that begin a sentence, such as ``"The evaluation"``.
        cure: what to do where one can't be read.
    """

    number: int
    what: str
    cure: str

    def to_json(self, record: "DataclassInstance", **more: object) -> str:
        """Return a record as JSON with sorted keys.

        Args:
            record: a dataclass of plain values, tuples, mappings and such records.
            more: further entries beside its fields.

        Raises:
            ValueError: a figure is infinite or no number.
        """
        data = {"format": self.number, **more, **asdict(record)}
        return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)

    def from_json(
        self, kind: type[Record], text: str, prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    ) -> Record:
        """Read a record that ``to_json`` wrote.

        Args:
            kind: the record's class.
            text: the JSON.
            prepare: turns its data, without the number of the format, into the fields, where they aren't that already.

        Raises:
            DataError: it isn't such a record, or another version's.
        """
        try:
            data = json.loads(text)
            found = data.pop("format")
            if found == self.number:
                record: Record = build_record(kind, prepare(data) if prepare else data)
                return record
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{self.what} can't be read: {error}.", self.cure) from error
        raise DataError(f"{self.what} has format {found}; this version reads {self.number}.", self.cure)


def build_record(kind: Any, value: Any) -> Any:
    """Turn JSON data into a record, a tuple or a mapping of records, or a plain value, as a field's type says.

    Raises:
        KeyError: a record has no such field.
        TypeError: a field of a record is missing, or isn't what its type says.
    """
    arguments = get_args(kind)
    if isinstance(kind, UnionType):
        return None if value is None else build_record(arguments[0], value)
    if get_origin(kind) is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(build_record(each, entry) for each, entry in zip(kinds, value, strict=True))
    if get_origin(kind) is Mapping:
        return {key: build_record(arguments[1], entry) for key, entry in value.items()}
    if is_dataclass(kind):
        types = get_type_hints(kind)
        return kind(**{name: build_record(types[name], entry) for name, entry in value.items()})  # type: ignore[operator]
    return value


def save_text(path: Path, text: str) -> Path:
    """Write a text in UTF-8, atomically: whoever reads the file finds the old one or the new one, whole."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path


def check_picture_address(value: str) -> None:
    """Refuse what is no data address of a picture; empty is none.

    Raises:
        ValueError: it is something else.
    """
    if value and not _PICTURE.fullmatch(value):
        raise ValueError("a picture in it is no JPEG or PNG picture")


def replace_folder(partial: Path, folder: Path) -> None:
    """Put a finished folder in the place of an older one."""
    retired = folder.with_name(folder.name + ".retired")
    shutil.rmtree(retired, ignore_errors=True)
    if folder.exists():
        folder.rename(retired)
    partial.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)
