import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from fieldmark.data.checking import DataReport, check_data
from fieldmark.data.table import Table, make_table
from fieldmark.records import BrokenRow
from format_examples import wav, write


def paint(path: Path, seed: int, size: tuple[int, int] = (30, 40)) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def make(folder: Path, labels: list[str | None], splits: list[str | None], **extra: list[object]) -> Table:
    names = [f"{index}.png" for index in range(len(labels))]
    for index, name in enumerate(names):
        paint(folder / name, index)
    columns = {"path": names, "label": labels, "split": splits, **extra}
    return make_table(columns, folder, reader="folders", recognised_by="a look")


def check(table: Table, tmp_path: Path) -> DataReport:
    return check_data(table, tmp_path / "cache")


def test_good_data_has_no_faults_and_is_counted(tmp_path: Path) -> None:
    table = make(
        tmp_path,
        ["a", "b", "a", "b", None],
        ["train", "train", "test", "test", None],
        lineage=[["x", "a"], ["x", "b"], ["x", "a"], ["x", "b"], None],
        box=[[0.0, 0.0, 1.0, 1.0], None, None, None, None],
        group=["g1", "g1", "g2", None, None],
        parts=[[{"name": "bill", "x": 1.0, "y": 2.0, "visible": True}], [], None, None, None],
    )
    table = replace(table, rank_names=("genus", "species"))
    report = check(table, tmp_path)
    assert report.faults == ()
    assert (report.rows, report.labelled, report.splits) == (5, 4, {"none": 1, "test": 2, "train": 2})
    assert [(entry.name, entry.rows, entry.counts) for entry in report.classes] == [
        ("a", 2, (1, 0, 1, 0)),
        ("b", 2, (1, 0, 1, 0)),
    ]
    assert report.ranks == {"genus": 1, "species": 2}
    assert (report.groups, report.boxes, report.with_parts, report.with_attributes) == (2, 1, 1, 0)
    assert report.picture_sides == (40, 40, 40)
    assert report.imbalance == 1.0
    shown = dict(report.overview())
    assert shown["format"] == "folders, recognised by a look"
    assert shown["rows"] == "5 (4 labelled, 1 unlabelled)"
    assert shown["lineage"] == "1 × genus, 2 × species"
    assert json.loads(report.to_json())["fingerprint"] == table.fingerprint()


def test_every_broken_picture_is_named_however_many(tmp_path: Path) -> None:
    table = make(tmp_path, ["a", "b", "a"], ["train"] * 3)
    (tmp_path / "0.png").write_bytes(b"")
    (tmp_path / "2.png").unlink()
    report = check(table, tmp_path)
    assert [row.path for row in report.broken] == ["0.png", "2.png"]
    assert report.faults == ("2 pictures can't be decoded.",)


def test_all_pictures_broken(tmp_path: Path) -> None:
    table = make(tmp_path, ["a", "b"], ["train", "train"])
    for path in tmp_path.glob("*.png"):
        path.write_bytes(b"x")
    report = check(table, tmp_path)
    assert len(report.broken) == 2
    assert report.picture_sides == ()


def test_leaks_and_shared_groups_are_faults(tmp_path: Path) -> None:
    table = make(tmp_path, ["a", "a", "a", "a"], ["train", "test", "train", "test"], group=[None, None, "g", "g"])
    (tmp_path / "1.png").write_bytes((tmp_path / "0.png").read_bytes())
    report = check(table, tmp_path)
    assert sorted(leak.kind for leak in report.leaks) == ["exact", "group"]
    assert any("show the same picture" in fault for fault in report.faults)
    assert any("share a group" in fault for fault in report.faults)


def test_files_left_out_and_classes_never_trained_are_faults(tmp_path: Path) -> None:
    table = make(tmp_path, ["a", "b"], ["train", "test"])
    table = replace(table, skipped=(BrokenRow("x", "x", "why"),))
    report = check(table, tmp_path)
    assert report.skipped[0].reason == "why"
    assert report.faults == ("1 file could not become a row.", "1 class without training rows: b.")


@pytest.mark.parametrize(("count", "noted"), [(9, False), (10, True)])
def test_strong_imbalance_is_a_note(tmp_path: Path, count: int, noted: bool) -> None:
    report = check(make(tmp_path, ["a"] * count + ["b"], ["train"] * (count + 1)), tmp_path)
    assert report.imbalance == count
    assert any("macro recall" in note for note in report.notes) == noted
    assert report.faults == ()


def test_rows_of_text_have_no_pictures_to_check(tmp_path: Path) -> None:
    rows = {"id": ["1", "2"], "text": ["hello", "bye"], "label": ["a", "b"], "split": ["train", "train"]}
    report = check(make_table(rows, tmp_path, reader="manifest"), tmp_path)
    assert (report.rows, report.broken, report.picture_sides) == (2, (), ())


def test_texts_are_the_same_but_for_blanks_and_capitals(tmp_path: Path) -> None:
    texts = ["Where is  it?\n", "bye", "where is it?", "hello", "hello"]
    rows = {"id": list("12345"), "text": texts, "label": ["a"] * 5, "split": ["train", "train", "test", "test", None]}
    report = check(make_table(rows, tmp_path, reader="text"), tmp_path)
    assert [(leak.kind, leak.first, leak.second) for leak in report.leaks] == [("exact", "1", "3")]
    assert report.faults == ("1 pair of rows in different splits hold the same text.",)


def test_sounds_are_decoded_compared_and_counted(tmp_path: Path) -> None:
    names = [f"ant_ann_{seed}.wav" for seed in range(4)]
    write(tmp_path, {name: wav(seed % 3) for seed, name in enumerate(names)} | {"ant_bob_4.wav": wav(0)[:-9]})
    rows = {
        "path": [*names, "ant_bob_4.wav"],
        "label": ["ant"] * 5,
        "split": ["train", "train", "train", "test", "test"],
        "group": ["ann", "ann", "ann", "ann", "bob"],
    }
    seen: list[tuple[int, int]] = []
    table = make_table(rows, tmp_path, reader="wav")
    report = check_data(table, tmp_path / "cache", lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5, 5)
    assert [row.path for row in report.broken] == ["ant_bob_4.wav"]
    assert [(leak.kind, leak.first, leak.second) for leak in report.leaks] == [
        ("exact", names[0], names[3]),
        ("group", names[0], names[3]),
    ]
    assert report.faults == (
        "1 sound can't be decoded.",
        "1 pair of rows in different splits hold the same sound.",
        "1 pair of rows in different splits share a group.",
    )
    assert not (tmp_path / "cache").exists()
