"""What the benchmark of lineages makes of its data and its runs."""

from pathlib import Path

import pytest

from fieldmark.data.table import make_table
from lineage import ARMS, BASELINE, DATA, FIGURES, complete, rows_of, with_groups_of_names


def runs(data: str, arm: str, *top1: float) -> list[dict[str, object]]:
    rest = dict.fromkeys(FIGURES, 1.0)
    return [{"data": data, "arm": arm, "seed": seed, **rest, "top1": value} for seed, value in enumerate(top1)]


def test_the_last_word_of_a_name_is_its_group() -> None:
    rows = {"path": ["1", "2", "3"], "label": ["Herring Gull", "Ivory Gull", None]}
    table = with_groups_of_names(make_table(rows, Path(), reader="test"))
    assert table.rank_names == ("group", "species")
    assert table.lineage_of() == {name: ("Gull", name) for name in ("Herring Gull", "Ivory Gull")}


def test_gains_are_taken_seed_by_seed() -> None:
    found = {BASELINE: runs("grocery", BASELINE, 70, 72), "ranks": runs("grocery", "ranks", 71, 75)}
    rows = {row.metric: row for row in rows_of("grocery", found)}
    assert rows["grocery, ranks: top-1 (%)"].value == 73
    gain = rows[f"grocery, ranks less {BASELINE}: top-1 (points)"]
    assert (gain.value, gain.spread) == (2, pytest.approx(1.414))
    assert len(rows) == 3 * len(FIGURES)


def test_only_seeds_that_every_arm_has_count() -> None:
    found = [*runs("grocery", BASELINE, 70, 72), *runs("grocery", "ranks", 71)]
    assert {arm: len(of_arm) for arm, of_arm in complete(found, "grocery").items()} == dict.fromkeys(DATA["grocery"], 1)
    assert complete(found[:2], "grocery") == {}
    assert rows_of("grocery", {}) == []
    assert set().union(*DATA.values()) == set(ARMS)
