import numpy as np
import pytest

from fieldmark.audit.sources import single_sources, straddling_groups
from fieldmark.audit_results import AuditedRow, SingleSource


def rows(label: str, count: int, suffix: str = ".jpg", group: str | None = None) -> list[AuditedRow]:
    return [AuditedRow(f"{label}{index}", f"{label}/{index}{suffix}", label, "train", group) for index in range(count)]


def test_groups_in_several_splits_are_named_with_all_their_rows_the_largest_first() -> None:
    found = straddling_groups(
        AuditedRow(name, f"{name}.jpg", "ant", split, group)
        for name, split, group in (
            ("a", "train", "g1"),
            ("b", "test", "g1"),
            ("c", "train", "g2"),
            ("d", "val", "g2"),
            ("e", "train", "g2"),
            ("f", "train", "g3"),
            ("g", "train", "g3"),
            ("h", None, "g3"),
            ("i", "test", None),
        )
    )
    assert [(entry.group, entry.counts) for entry in found] == [
        ("g2", {"train": 2, "val": 1}),
        ("g1", {"test": 1, "train": 1}),
    ]
    assert found[0].members == {"train": ("c", "e"), "val": ("d",)}
    assert [row.id for row in found[0].rows] == ["c", "d"]


def test_a_class_of_one_size_that_others_do_not_have() -> None:
    table = [*rows("ant", 6), *rows("bee", 6)]
    sizes = {row.id: np.array([64, 48] if row.label == "bee" else [100 + place, 80]) for place, row in enumerate(table)}
    assert single_sources(table, sizes) == (SingleSource("bee", "size", "64 × 48 px", 6, 1.0, 0.0),)


def test_a_size_that_all_classes_share_tells_nothing() -> None:
    table = [*rows("ant", 6), *rows("bee", 6)]
    assert single_sources(table, {row.id: np.array([28, 28]) for row in table}) == ()


@pytest.mark.parametrize(("count", "found"), [(5, 1), (4, 0)])
def test_a_class_of_one_group_counts_from_five_rows_on(count: int, found: int) -> None:
    table = [*rows("ant", count, group="g1"), *[AuditedRow(f"b{n}", "", "bee", None, f"h{n}") for n in range(9)]]
    assert [entry.by for entry in single_sources(table, {})] == ["group"] * found


def test_formats_count_whatever_their_spelling() -> None:
    table = [*rows("ant", 8, ".png"), *rows("bee", 5, ".jpg"), *rows("cat", 5, ".JPEG")]
    assert [(entry.label, entry.value) for entry in single_sources(table, {})] == [("ant", ".png")]
    assert single_sources([*rows("ant", 8, ".jpeg"), *rows("bee", 5, ".jpg")], {}) == ()


def test_one_class_alone_or_rows_without_labels_tell_nothing() -> None:
    assert single_sources(rows("ant", 9, ".png"), {}) == ()
    assert single_sources([AuditedRow("a", "a.png"), AuditedRow("b", "b.jpg")], {}) == ()
