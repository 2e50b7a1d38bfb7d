"""How the benchmarks of exported files hold figures against their goals."""

import pytest

import export_parity
import inference


def compared(**changes: object) -> dict[str, object]:
    result = {"bundle": "birds", "format": "onnx", "pictures": 1080, "differing": 0, "largest": 1e-6}
    return result | {"outputs": {"maps": 2e-6, "logits": 1e-6}, "rule": True, "fingerprint": "f"} | changes


@pytest.mark.parametrize(
    ("changes", "share", "holds"),
    [
        ({}, 100, True),
        ({"differing": 1}, 100 * (1 - 1 / 1080), False),
        ({"pictures": 999}, 100, False),
        ({"rule": False}, 100, False),
    ],
)
def test_equal_decisions_are_all_of_enough_pictures_with_a_rule(
    changes: dict[str, object], share: float, holds: bool
) -> None:
    first, pictures, _, largest = export_parity.rows_of([compared(**changes)])
    assert (first.value, first.holds) == (pytest.approx(share), holds)
    assert pictures.holds == (pictures.value >= 1000)
    assert largest.value == 2e-6


def test_fieldmark_is_held_against_the_faster_rival() -> None:
    rates = {
        inference.FIELDMARK: [90.0, 100.0, 110.0],
        inference.TORCH: [50.0, 50.0, 50.0],
        inference.LIMIT: [120.0, 125.0, 110.0],
        inference.TIMM: [20.0, 25.0, 30.0],
        inference.TIMM_LAST: [60.0, 50.0, 40.0],
        inference.PIPELINE: [40.0, 40.0, 40.0],
    }
    rows = {row.metric: row for row in inference.rows_of(rates, 32)}
    held = rows["batch 32: times as fast as Hugging Face's pipeline"]
    assert (held.value, held.goal, held.holds) == (2.5, ">= 3", False)
    assert rows["batch 32: times as fast as timm's loop, channels last"].goal is None
    assert rows["batch 32: share of the time in the network (%)"].value == 80.0
    rates[inference.PIPELINE] = [10.0, 10.0, 10.0]
    rows = {row.metric: row for row in inference.rows_of(rates, 1)}
    assert rows["batch 1: times as fast as timm's loop"].holds is True
