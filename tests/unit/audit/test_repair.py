from pathlib import Path

import polars as pl
import pytest

from audit_stand_ins import picture, recoded, write_table
from fieldmark import read_table
from fieldmark.audit import audit_table, repair_table, save_repair
from fieldmark.audit.repair import check_place, kept_split
from fieldmark.audit_results import AuditResult, Suspect
from fieldmark.data.table import Table
from fieldmark.errors import ConfigError, DataError


@pytest.fixture
def faulty(tmp_path: Path) -> Table:
    """One of each: a broken file, a leak into test, one into val, a copy inside train, a conflict, a group."""
    pictures = {
        "fine.png": ("ant", "train", picture(0)),
        "broken.png": ("ant", "train", b"no picture"),
        "leak-train.png": ("ant", "train", picture(1)),
        "leak-val.jpg": ("ant", "val", recoded(picture(1), 60)),
        "leak-test.jpg": ("ant", "test", recoded(picture(1), 40)),
        "val-train.png": ("bee", "train", picture(2)),
        "val-val.jpg": ("bee", "val", recoded(picture(2), 60)),
        "inside.png": ("bee", "train", picture(3)),
        "inside.jpg": ("bee", "train", recoded(picture(3), 60)),
        "conflict-ant.png": ("ant", "test", picture(4)),
        "conflict-bee.jpg": ("bee", "train", recoded(picture(4), 60)),
        "nowhere.jpg": (None, None, recoded(picture(0), 60)),
        "group-train.png": ("bee", "train", picture(5)),
        "group-test.png": ("bee", "test", picture(6)),
    }
    groups = [*[None] * 12, "g", "g"]
    return write_table(tmp_path / "data", pictures, group=groups)


@pytest.fixture
def found(faulty: Table, tmp_path: Path) -> AuditResult:
    return audit_table(faulty, cache=tmp_path / "cache")


def test_what_is_dropped_and_why(faulty: Table, found: AuditResult) -> None:
    repair = repair_table(faulty, found)
    assert {row.id: row.reason for row in repair.dropped} == {
        "broken.png": "broken: not a picture in a known format",
        "leak-train.png": "leak: leak-test.jpg in split test shows the same picture",
        "leak-val.jpg": "leak: leak-test.jpg in split test shows the same picture",
        "val-train.png": "leak: val-val.jpg in split val shows the same picture",
        "conflict-ant.png": "conflict: copies of this picture are called ant, bee",
        "conflict-bee.jpg": "conflict: copies of this picture are called ant, bee",
    }
    assert len(repair.table) + len(repair.dropped) == len(faulty)
    assert {"inside.png", "inside.jpg", "leak-test.jpg", "val-val.jpg"} <= set(repair.table.frame["id"])


def test_the_repaired_table_has_no_such_fault(faulty: Table, found: AuditResult, tmp_path: Path) -> None:
    repaired = repair_table(faulty, found, ["groups"]).table
    again = audit_table(repaired, cache=tmp_path / "cache")
    assert again.faults == ()
    assert len(again.copies) == 2  # inside train, and of no split


def test_groups_and_suspects_are_dropped_on_demand_only(faulty: Table, found: AuditResult) -> None:
    row = next(row for family in found.copies for row in family.rows if row.id == "inside.png")
    doubted = Suspect(row, "ant", 0.1, 0.9, 2.2, confident=True)
    unsure = Suspect(found.straddling[0].rows[0], "ant", 0.4, 0.5, 0.2, confident=False)
    from dataclasses import replace

    found = replace(found, suspects=(doubted, unsure))
    before = {row.id for row in repair_table(faulty, found).dropped}
    after = {row.id: row.reason for row in repair_table(faulty, found, ["groups", "suspects"]).dropped}
    assert set(after) - before == {"inside.png", "group-train.png"}
    assert after["inside.png"] == "suspect: looks like ant"
    assert after["group-train.png"] == "group: rows of group g lie in split test"


def test_the_new_table_and_its_list_can_be_read(faulty: Table, found: AuditResult, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    repair = repair_table(faulty, found)
    listing = save_repair(repair, tmp_path / "out" / "clean.parquet")
    again = read_table(tmp_path / "out" / "clean.parquet")
    assert again.frame.equals(repair.table.frame)
    assert (again.root, again.classes) == (faulty.root, faulty.classes)
    assert listing.name == "clean.dropped.csv"
    assert pl.read_csv(listing)["reason"].to_list() == [row.reason for row in repair.dropped]
    assert {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()} == before


def test_a_place_that_is_taken_or_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"clean\.csv\.parquet"):
        check_place(tmp_path / "clean.csv")
    (tmp_path / "there.parquet").touch()
    with pytest.raises(ConfigError, match="is there already"):
        check_place(tmp_path / "there.parquet")


def test_an_unknown_kind_and_another_tables_audit_are_refused(faulty: Table, found: AuditResult) -> None:
    with pytest.raises(ConfigError, match=r"(?s)no kind of row to drop 'suspect'.*groups, suspects"):
        repair_table(faulty, found, ["suspect"])
    with pytest.raises(ConfigError, match="other data"):
        repair_table(faulty.where(pl.col("split") == "train"), found)


def test_a_table_of_faults_alone_is_not_emptied(tmp_path: Path) -> None:
    table = write_table(tmp_path, {"a.png": ("ant", "train", b""), "b.png": ("bee", "train", b"")})
    found = audit_table(table, cache=tmp_path / "cache")
    with pytest.raises(DataError, match="Every row would be dropped"):
        repair_table(table, found)


@pytest.mark.parametrize(
    ("splits", "kept"), [(("train", "val", "test"), "test"), (("train", "val"), "val"), (("test", "train"), "test")]
)
def test_test_stays_before_val_before_train(splits: tuple[str, ...], kept: str) -> None:
    assert kept_split(splits) == kept
