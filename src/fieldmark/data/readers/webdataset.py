"""WebDataset: tar files in which the files of one sample follow each other under one key."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fieldmark.data.readers.folders import SPLIT_NAMES
from fieldmark.data.shard_files import TAR, TarSample, read_tar_member, tar_samples
from fieldmark.data.sharding import INDEX_FILE, OURS_KEY
from fieldmark.data.table import SCHEMA, Table, make_table
from fieldmark.errors import DataError

#: Where a sample's JSON may name its class, other than under ``label``.
_LABEL_KEYS = ("label", "class", "category", "species", "cls")


class WebDatasetReader:
    """A tar file, or a folder of them. Of each sample with a picture, ``.json`` and ``.cls`` tell the rest.

    Shards that ``fieldmark data shard`` wrote have their table beside them, which is read instead of looking through
    all of them.
    """

    looks_for = "a tar file, or a folder of them, with pictures inside"

    def recognise(self, path: Path) -> str | None:
        """Look for a picture among the first samples of the first shard."""
        shards = _shards(path)
        if not shards:
            return None
        try:
            holds = any(sample.picture for sample in tar_samples(shards[0]))
        except DataError:
            return None
        return f"tar files with pictures: {len(shards)}" if holds else None

    def read(self, path: Path) -> Table:
        """Read one row a sample; ``path`` is ``file.tar#index``."""
        shards = _shards(path)
        if not shards:
            raise DataError(f"{path} holds no tar files.", "Make some: fieldmark data shard PATH --format webdataset.")
        root = path if path.is_dir() else path.parent
        index = root / INDEX_FILE
        if path.is_dir() and index.is_file():
            return _indexed(index, root, shards)
        columns: dict[str, list[object]] = {name: [] for name in SCHEMA}
        for shard in shards:
            pictured = (sample for sample in tar_samples(shard) if sample.picture is not None)
            for place, sample in enumerate(pictured):
                row = {"id": f"{shard.stem}/{sample.key}", "split": _split(shard), **_described(shard, sample)}
                row["path"] = f"{shard.name}#{place}"
                for name, values in columns.items():
                    values.append(row.get(name))
        depths = {len(names) for names in columns["lineage"] if isinstance(names, list)}
        ranks = [*(f"rank {level}" for level in range(1, max(depths))), "class"] if depths else ["class"]
        return make_table(columns, root, reader="webdataset", rank_names=ranks)


def _shards(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() == TAR else []
    return sorted(file for file in path.glob(f"*{TAR}") if file.is_file()) if path.is_dir() else []


def _indexed(index: Path, root: Path, shards: list[Path]) -> Table:
    """Load the table beside shards; it moves with them."""
    table = replace(Table.load(index), root=root, reader="webdataset")
    named = {path.rpartition("#")[0] for path in table.frame["path"]}
    if missing := sorted(named - {shard.name for shard in shards}):
        raise DataError(f"{root} lacks {len(missing)} of its shards, such as {missing[0]}.", "Copy them, too.")
    return table


def _described(shard: Path, sample: TarSample) -> Mapping[str, object]:
    """Return what a sample's JSON says in the table's columns; its class at least, where that is anywhere."""
    try:
        said = json.loads(read_tar_member(shard, sample.others["json"])) if "json" in sample.others else {}
        number = read_tar_member(shard, sample.others["cls"]).decode().strip() if "cls" in sample.others else None
    except ValueError as error:
        raise DataError(
            f"{shard} describes {sample.key} by something that is no text or JSON.", "Write it again."
        ) from error
    if not isinstance(said, dict):
        said = {}
    label = next((str(said[key]) for key in _LABEL_KEYS if isinstance(said.get(key), str | int)), number)
    ours = {name: value for name, value in said.items() if name in SCHEMA} if OURS_KEY in said else {}
    return {**ours, "label": label}


def _split(shard: Path) -> str | None:
    """Return the split that a shard's name begins with, as in ``train-000.tar``."""
    return SPLIT_NAMES.get(re.split(r"[^a-z]", shard.stem.lower())[0])
