import json
from pathlib import Path

import pytest

from fieldmark.audit_results import (
    AuditedRow,
    AuditResult,
    ClassRows,
    CopyFamily,
    Flaw,
    SingleSource,
    StraddlingGroup,
    Suspect,
)
from fieldmark.errors import DataError
from fieldmark.records import BrokenRow, Leak


def row(name: str, label: str | None = "ant", split: str | None = "train") -> AuditedRow:
    return AuditedRow(name, f"{name}.jpg", label, split, "g", "pictures/a.jpg")


def audit() -> AuditResult:
    return AuditResult(
        root="/photos",
        reader="folders",
        recognised_by="folders of pictures",
        fingerprint="f" * 16,
        rows=9,
        labelled=8,
        splits={"test": 4, "train": 5},
        classes=(ClassRows("ant", 80, (40, 0, 40, 0)), ClassRows("bee", 4, (2, 0, 2, 0))),
        ranks={"order": 1, "genus": 2},
        groups=1,
        boxes=0,
        with_parts=0,
        with_attributes=0,
        part_names=(),
        attribute_names=(),
        picture_sides=(1, 2, 3),
        imbalance=20.0,
        broken=(BrokenRow("x", "x.jpg", "cut off"),),
        skipped=(),
        leaks=(Leak("near", "a", "b", "train", "test"),),
        faults=("something",),
        notes=(),
        pictures=8,
        network="mobile",
        copies=(
            CopyFamily("near", (row("a"), row("b", split="test")), 0.97),
            CopyFamily("exact", (row("c"), row("d", label="bee")), 1.0),
            CopyFamily("exact", (row("e"), row("f", label=None, split=None)), 1.0),
        ),
        straddling=(StraddlingGroup("g", {"test": ("b",), "train": ("a", "c")}, (row("b"), row("a"))),),
        suspects=(
            Suspect(row("a"), "bee", 0.1, 0.8, 2.08, True, row("d", label="bee")),
            Suspect(row("b"), "bee", 0.4, 0.5, 0.22, False),
        ),
        estimated_wrong=3,
        agreement=0.875,
        flaws=(Flaw("blurred", row("a"), 0.7), Flaw("odd", row("b"), 4.2)),
        single_sources=(SingleSource("ant", "size", "64 × 48 px", 9, 1.0, 0.02),),
        not_looked_for={},
        fieldmark_version="0",
        audited_at="2026-01-01T00:00:00+00:00",
    )


def test_a_record_is_the_same_after_a_round_trip(tmp_path: Path) -> None:
    found = audit()
    assert AuditResult.from_json(found.to_json()) == found
    assert list(AuditResult.from_json(found.to_json()).ranks) == ["order", "genus"]
    found.save(tmp_path / "out")
    assert AuditResult.load(tmp_path / "out") == found
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["audit.json"]


def test_what_families_say_of_themselves() -> None:
    leaking, conflicting, inside = audit().copies
    assert (leaking.leaks, leaking.conflicts, leaking.splits) == (True, False, ("test", "train"))
    assert (conflicting.leaks, conflicting.conflicts, conflicting.labels) == (False, True, ("ant", "bee"))
    assert (inside.leaks, inside.conflicts) == (False, False)
    assert audit().copies_inside == (inside,)


def test_every_kind_is_counted() -> None:
    assert audit().counts() == {
        "broken": 1,
        "leaks": 1,
        "groups": 1,
        "conflicts": 1,
        "suspects": 1,
        "odd": 1,
        "blurred": 1,
        "dark": 0,
        "bright": 0,
        "sources": 1,
        "imbalance": 1,
        "copies": 1,
    }
    assert audit().straddling[0].counts == {"test": 1, "train": 2}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1}', '{"format": 99}'])
def test_what_is_no_audit_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)audit.*data check PATH --out"):
        AuditResult.from_json(text)
    with pytest.raises(DataError, match="can't be read"):
        AuditResult.load(tmp_path)


def test_a_field_too_many_is_refused() -> None:
    data = json.loads(audit().to_json()) | {"nonesuch": 1}
    with pytest.raises(DataError, match="can't be read"):
        AuditResult.from_json(json.dumps(data))
