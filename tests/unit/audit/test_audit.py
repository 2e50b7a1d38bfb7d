"""The whole audit on small tables, with a network that needs no weights."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from audit_stand_ins import colour_network, cut, picture, recoded, three_classes, write_table
from fieldmark import audit_table
from fieldmark.audit_results import AuditResult
from fieldmark.data.table import Table, make_table
from format_examples import wav


@pytest.fixture
def faulty(tmp_path: Path) -> Table:
    pictures = three_classes(16)
    first = picture(0, "ant")
    pictures |= {
        "near.jpg": ("ant", "test", recoded(first, 50)),
        "cut.jpg": ("bee", "train", recoded(cut(picture(101, "bee"), 0.9), 70)),
        "twice.jpg": ("cat", "train", recoded(picture(203, "cat"), 60)),
        "wrong.png": ("ant", "train", picture(900, "cat")),
        "soft.png": ("bee", "train", picture(901, "bee").filter(ImageFilter.GaussianBlur(9))),
        "night.png": ("bee", "train", Image.new("RGB", (160, 120), (4, 4, 9))),
        "odd.png": (None, None, Image.fromarray(np.tile(np.arange(160, dtype=np.uint8) % 2 * 255, (120, 1)))),
    }
    groups = [f"g{index}" if index < 2 else None for index in range(len(pictures))]
    groups[2] = "g0"  # ant/0 is in train, ant/2 in test
    return write_table(tmp_path / "data", pictures, group=groups)


def find(table: Table, tmp_path: Path, **options: object) -> AuditResult:
    return audit_table(table, cache=tmp_path / "cache", **options)  # type: ignore[arg-type]


def families(result: AuditResult) -> list[set[str]]:
    return [{row.id for row in family.rows} for family in result.copies]


def test_each_fault_is_found_and_named(faulty: Table, tmp_path: Path) -> None:
    found = find(faulty, tmp_path, network=colour_network())
    assert families(found) == [{"ant/0.png", "near.jpg"}, {"cat/3.png", "twice.jpg"}, {"bee/1.png", "cut.jpg"}]
    assert [family.leaks for family in found.copies] == [True, False, False]
    assert found.copies[0].kind == "near"
    assert found.suspects[0].row.id == "wrong.png"
    assert (found.suspects[0].suggested, found.suspects[0].confident) == ("cat", True)
    assert found.suspects[0].log_odds == pytest.approx(
        np.log(found.suspects[0].suggested_probability / found.suspects[0].probability), abs=0.01
    )
    assert found.suspects[0].example is not None
    assert found.suspects[0].example.label == "cat"
    assert {flaw.row.id for flaw in found.flaws_of("blurred")} == {"soft.png"}
    assert {flaw.row.id for flaw in found.flaws_of("dark")} == {"night.png"}
    assert "odd.png" in {flaw.row.id for flaw in found.flaws_of("odd")}
    assert [entry.group for entry in found.straddling] == ["g0"]
    assert found.counts()["leaks"] == 1
    assert found.faults == (
        "1 pair of rows in different splits show almost the same picture.",
        "1 pair of rows in different splits share a group.",
    )
    assert any("label looks wrong" in note or "labels look wrong" in note for note in found.notes)
    assert not found.not_looked_for


def test_without_a_network_the_hash_alone_speaks_and_the_rest_is_said_to_be_unknown(
    faulty: Table, tmp_path: Path
) -> None:
    found = find(faulty, tmp_path)
    assert families(found) == [{"ant/0.png", "near.jpg"}, {"cat/3.png", "twice.jpg"}]
    assert found.suspects == ()
    assert found.flaws_of("odd") == ()
    assert set(found.not_looked_for) == {"suspects", "odd"}
    assert found.network is None


def test_a_leak_that_only_embeddings_tell_is_a_fault(tmp_path: Path) -> None:
    pictures = three_classes() | {"cut.jpg": ("ant", "test", recoded(cut(picture(0, "ant"), 0.9), 70))}
    table = write_table(tmp_path / "data", pictures)
    assert find(table, tmp_path).faults == ()
    found = find(table, tmp_path, network=colour_network())
    assert found.faults == ("1 further picture lies in several splits, in copies that only embeddings tell.",)


def test_copies_with_different_labels_conflict(tmp_path: Path) -> None:
    pictures = three_classes() | {"twin.jpg": ("bee", "train", recoded(picture(0, "ant"), 60))}
    found = find(write_table(tmp_path / "data", pictures), tmp_path)
    assert found.faults == ("1 picture is given different classes in different copies.",)
    assert found.conflicting[0].labels == ("ant", "bee")
    assert found.counts()["copies"] == 0


def test_small_pictures_are_not_said_to_be_sharp(tmp_path: Path) -> None:
    small = {f"{index}.png": (None, None, picture(index).resize((60, 90))) for index in range(3)}
    found = find(write_table(tmp_path / "data", small), tmp_path)
    assert found.not_looked_for["blurred"] == "all pictures are smaller than 128 px"


def test_the_same_audit_twice_is_the_same(faulty: Table, tmp_path: Path) -> None:
    from dataclasses import replace

    first, second = (find(faulty, tmp_path, network=colour_network()) for _ in range(2))
    assert replace(first, audited_at="") == replace(second, audited_at="")


def test_a_network_that_learned_from_these_labels_is_told_of(tmp_path: Path) -> None:
    from dataclasses import replace

    table = write_table(tmp_path / "data", three_classes())
    network = replace(colour_network(), learned_from=table.fingerprint())
    assert any("these very labels" in note for note in find(table, tmp_path, network=network).notes)
    other = replace(colour_network(), learned_from="another")
    assert any("other labels" in note for note in find(table, tmp_path, network=other).notes)


def test_progress_names_each_step(faulty: Table, tmp_path: Path) -> None:
    seen: dict[str, tuple[int, int]] = {}
    find(
        faulty,
        tmp_path,
        network=colour_network(),
        progress=lambda name, done, total: seen.update({name: (done, total)}),
    )
    assert list(seen) == [
        "Decoding pictures",
        "Embedding pictures",
        "Comparing hashes",
        "Measuring pictures",
        "Comparing embeddings",
        "Laying pictures over each other",
        "Reading labels in folds",
    ]
    assert all(done == total for done, total in seen.values())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "pictures",
    [
        {"a.png": ("ant", "train", picture(0))},
        {"a.png": (None, None, picture(0)), "b.png": (None, None, picture(1))},
        {f"{index}.png": ("ant", "train", picture(index)) for index in range(40)},
        {"a.png": ("ant", "train", b""), "b.png": ("bee", "test", b"no picture")},
        {"a.png": ("ant", "train", Image.new("RGB", (1, 1))), "b.png": ("bee", "test", Image.new("RGB", (2, 900)))},
        {
            f"{index}.png": ("ant" if index % 2 else "bee", "train", Image.new("RGB", (64, 64), 3))
            for index in range(40)
        },
    ],
    ids=["one", "unlabelled", "one class", "all broken", "tiny and long", "all black"],
)
def test_whatever_there_is_can_be_audited(pictures: dict, tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", pictures)
    found = find(table, tmp_path, network=colour_network(), out=tmp_path / "out")
    assert AuditResult.load(tmp_path / "out") == found
    assert found.suspects == () or len(set(table.frame["label"])) > 1
    if table.frame["label"].n_unique() < 2 or found.pictures < 2:
        assert "suspects" in found.not_looked_for


def test_sounds_and_texts_are_audited_as_far_as_they_can_be(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(0))
    sounds = make_table({"path": ["a.wav"], "label": ["one"], "group": ["g"]}, tmp_path, reader="wav")
    texts = make_table(
        {"id": ["1", "2"], "text": ["hello", "Hello "], "split": ["train", "test"], "group": ["g", "g"]},
        tmp_path,
        reader="text",
    )
    assert find(sounds, tmp_path, network=colour_network()).pictures == 0
    found = find(texts, tmp_path, out=tmp_path / "out")
    assert [entry.group for entry in found.straddling] == ["g"]
    assert "leaks" in found.not_looked_for
    assert len(found.faults) == 2
