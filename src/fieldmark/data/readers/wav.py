"""Folders of sound files."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fieldmark.data.audio import SOUND_SUFFIXES
from fieldmark.data.listing import list_files, list_pictures
from fieldmark.data.readers.folders import describe_folders, folder_columns, is_unlabelled, split_and_classes
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError

#: ``7_jackson_32``: label, speaker, index.
_NAME = re.compile(r"(?P<label>.+)_(?P<speaker>[^_]+)_(?P<index>[0-9]+)")

#: The Free Spoken Digit Dataset: its folder, its labels, and how many recordings of each digit and speaker are for
#: testing (the README of Jakobovski/free-spoken-digit-dataset, "Usage").
_DIGITS_FOLDER = "recordings"
_DIGITS = frozenset("0123456789")
_DIGITS_TESTED = 5


class WavReader:
    """Sounds named ``{label}_{speaker}_{index}.wav``, or in class folders; with or without folders of splits above.

    Names count where every file has such a name and no more than one folder could be a class. In class folders they
    still tell the speaker where they begin with the folder's name. The group is the speaker. A folder ``recordings`` of
    digits is the Free Spoken Digit Dataset, and gets its official split: index 0-4 is the test.
    """

    looks_for = "a folder that holds more sound files than pictures"

    def recognise(self, path: Path) -> str | None:
        """Count sounds and pictures."""
        if not path.is_dir():
            return None
        files = list_files(path, SOUND_SUFFIXES).files
        if not files or len(list_pictures(path).files) >= len(files):
            return None
        if _told_by_names(files):
            return f"{len(files)} sounds named label_speaker_index"
        return f"{len(files)} sounds in {describe_folders(files) or 'no class folders'}"

    def read(self, path: Path) -> Table:
        """Read one row a sound."""
        found = list_files(path, SOUND_SUFFIXES)
        if not found.files:
            raise DataError(f"{path} holds no sounds.", f"Give a folder of {', '.join(sorted(SOUND_SUFFIXES))} files.")
        columns, ranks = folder_columns(found.files)
        if _told_by_names(found.files):
            columns, ranks = _columns_of_names(path, found.files), ("class",)
        else:
            columns["group"] = [_speaker(name) for name in found.files]
        return make_table(columns, path, reader="wav", rank_names=ranks, skipped=found.skipped)


def _match(file: str) -> re.Match[str] | None:
    return _NAME.fullmatch(PurePosixPath(file).stem)


def _told_by_names(files: Sequence[str]) -> bool:
    """Say whether the files' names are what tells their labels."""
    labelled = [name for name in files if not is_unlabelled(name)]
    folders = {classes for name in labelled if (classes := split_and_classes(name)[1])}
    return bool(labelled) and len(folders) <= 1 and all(_match(name) for name in labelled)


def _columns_of_names(root: Path, files: Sequence[str]) -> dict[str, Sequence[object]]:
    found = [_match(name) for name in files]
    splits = [split_and_classes(name)[0] for name in files]
    if not any(splits) and _is_fsdd(root, files):
        splits = ["test" if match and int(match["index"]) < _DIGITS_TESTED else "train" for match in found]
    return {
        "path": files,
        "label": [
            match["label"] if match and not is_unlabelled(name) else None
            for name, match in zip(files, found, strict=True)
        ],
        "split": splits,
        "group": [match["speaker"] if match else None for match in found],
    }


def _is_fsdd(root: Path, files: Sequence[str]) -> bool:
    folders = {PurePosixPath(name).parent.name or root.resolve().name for name in files}
    matches = [_match(name) for name in files]
    return folders == {_DIGITS_FOLDER} and all(match and match["label"] in _DIGITS for match in matches)


def _speaker(file: str) -> str | None:
    match = _match(file)
    return match["speaker"] if match and match["label"] == PurePosixPath(file).parent.name else None
