"""The readers find in the real data exactly what their README counts."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fieldmark.data.cache import cache_images
from fieldmark.data.images import load_fitted
from fieldmark.data.leaks import find_leaks
from fieldmark.data.reading import read_table
from fieldmark.records import Preprocessing

pytestmark = pytest.mark.shared_data

CHECKED = Preprocessing(96)


def test_cub50(shared: Path) -> None:
    table = read_table(shared / "data" / "cub50")
    assert table.reader == "cub"
    assert table.counts() == {"test": 1389, "train": 1500}
    assert len(table.classes) == 50
    assert set(table.split("train").frame["label"].value_counts()["count"]) == {30}
    tests = table.split("test").frame["label"].value_counts()["count"]
    assert (tests.min(), tests.max()) == (11, 30)
    assert table.frame["box"].null_count() == 0
    assert len(table.part_names) == 15
    parts = table.frame.explode("parts")["parts"].struct.field("visible")
    assert (len(parts), int(parts.sum())) == (43_335, 33_701)
    assert len(table.attribute_names) == 312
    assert table.frame.unique("label")["attributes"].list.len().to_list() == [312] * 50
    assert all((table.root / path).is_file() for path in table.frame["path"])


def test_grocery(shared: Path) -> None:
    table = read_table(shared / "data" / "grocery")
    assert table.reader == "grocery"
    assert table.counts() == {"test": 2485, "train": 2640, "val": 296}
    assert len(table.classes) == 81
    assert len({names[0] for names in table.lineage_of().values()}) == 43
    validation = table.split("val").frame
    assert validation["label"].n_unique() == 60
    assert validation["lineage"].list.first().n_unique() == 37
    for split, least, most in (("train", 16, 70), ("val", 3, 6), ("test", 10, 68)):
        counts = table.split(split).frame["label"].value_counts()["count"]
        assert (counts.min(), counts.max()) == (least, most)
    assert all((table.root / path).is_file() for path in table.frame["path"])


def test_ham10000(shared: Path) -> None:
    table = read_table(shared / "data" / "ham10000")
    assert table.reader == "ham10000"
    assert Counter(table.frame["label"]) == {
        "nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115,
    }  # fmt: skip
    sizes = table.frame["group"].value_counts()["count"]
    assert (len(sizes), int((sizes > 1).sum()), int(sizes.filter(sizes > 1).sum()), sizes.max()) == (
        7470,
        1956,
        4501,
        6,
    )
    assert all((table.root / path).is_file() for path in table.frame["path"])


def test_the_split_made_for_ham10000_is_stratified_and_like_in_lesions_of_many_photos(shared: Path) -> None:
    table = read_table(shared / "data" / "ham10000")
    assert table.counts() == pytest.approx({"train": 7010, "val": 1002, "test": 2003}, abs=3)
    lesions = table.frame.group_by("group").agg(pl.len().alias("photos"), pl.col("split", "label").unique())
    assert lesions["split"].list.len().max() == lesions["label"].list.len().max() == 1
    many = lesions.group_by(pl.col("split").list.first()).agg((pl.col("photos") > 1).mean())
    assert many["photos"].to_list() == pytest.approx([1956 / 7470] * 3, abs=0.01)


def test_mnist(shared: Path) -> None:
    table = read_table(shared / "data" / "mnist")
    assert table.reader == "idx"
    assert table.counts() == {"test": 10_000, "train": 60_000}
    assert table.classes == tuple("0123456789")
    trained = table.split("train").frame["label"].value_counts()["count"]
    assert (trained.min(), trained.max()) == (5421, 6742)
    assert table.frame["label"][:5].to_list() == ["5", "0", "4", "1", "9"]
    assert table.split("test").frame["label"][:5].to_list() == ["7", "2", "1", "0", "4"]
    first = load_fitted(table.root, table.frame["path"][0], Preprocessing(28)).pixels[:, :, 0]
    assert (int(first[5, 12]), int(first.max()), int(np.count_nonzero(first))) == (3, 255, 166)


def test_all_of_cub50_has_one_pair_of_copies(shared: Path, tmp_path: Path) -> None:
    table = read_table(shared / "data" / "cub50")
    images = cache_images(table, CHECKED, tmp_path)
    assert images.broken == ()
    leaks = find_leaks(table, images)
    paths = dict(table.frame.select("id", "path").rows())
    assert [leak.kind for leak in leaks] == ["near"]
    assert {Path(paths[name]).stem for name in (leaks[0].first, leaks[0].second)} == {
        "Bronzed_Cowbird_0025_796213",
        "Bronzed_Cowbird_0074_24045",
    }


@pytest.mark.slow
def test_no_copies_lie_across_the_splits_of_ham10000_but_the_lesion_of_two_ids(shared: Path, tmp_path: Path) -> None:
    known = {("ISIC_0025226", "ISIC_0030074")}
    for seed in range(3):
        table = read_table(shared / "data" / "ham10000", seed=seed)
        leaks = find_leaks(table, cache_images(table, CHECKED, tmp_path))
        split = dict(table.frame.select("id", "split").rows())
        assert {leak.kind for leak in leaks} <= {"near"}
        found = {tuple(sorted((leak.first, leak.second))) for leak in leaks}
        assert found == {(a, b) for a, b in known if split[a] != split[b]}
