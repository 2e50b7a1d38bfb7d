"""The library webdataset reads our shards as we mean them."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the test folders are no packages
from fieldmark.data.reading import read_table
from fieldmark.data.sharding import write_shards
from format_examples import make_cub


def test_webdataset_finds_every_sample_with_its_class(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="needs the library webdataset (extra dev)")
    birds = read_table(make_cub(tmp_path / "birds"))
    write_shards(birds, tmp_path / "out", "webdataset", shard_rows=4)
    urls = sorted(str(file) for file in (tmp_path / "out").glob("*.tar"))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert len(samples) == len(birds)
    for sample, row in zip(samples, birds.frame.iter_rows(named=True), strict=True):
        assert sample["jpg"] == (birds.root / row["path"]).read_bytes()
        assert birds.classes[int(sample["cls"])] == row["label"]
        assert json.loads(sample["json"])["id"] == row["id"]


def test_pyarrow_reads_our_parquet_shards(tmp_path: Path) -> None:
    import pyarrow.dataset

    birds = read_table(make_cub(tmp_path / "birds"))
    write_shards(birds, tmp_path / "out", "parquet", shard_rows=4)
    files = sorted(str(file) for file in (tmp_path / "out").glob("shard-*.parquet"))
    rows = pyarrow.dataset.dataset(files).to_table(columns=["label", "image"]).to_pylist()
    for found, row in zip(rows, birds.frame.iter_rows(named=True), strict=True):
        assert found["label"] == row["label"]
        assert found["image"] == {"bytes": (birds.root / row["path"]).read_bytes(), "path": row["path"]}
