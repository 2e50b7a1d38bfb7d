import json
from dataclasses import replace

import pytest

from fieldmark.decide import DecisionRule, MeasureScale, OperatingPoint
from fieldmark.errors import DataError

RULE = DecisionRule(
    coverage=0.9,
    set_score="raps",
    penalty=0.05,
    free_candidates=2,
    class_thresholds=(0.5, 0.75),
    thresholds_by="class",
    score="gen+knn",
    scales=(MeasureScale("gen", 1.0, 0.5), MeasureScale("knn", 0.2, 0.1)),
    neighbours=10,
    novelty_threshold=2.5,
    known_share=0.95,
    precision=0.95,
    rank_thresholds={"species": 0.9, "genus": None},
    rows=40,
    source="split val",
    operating_points=(OperatingPoint("melanoma", 0.1, 0.95, None, "sensitivity 0.95"),),
)


def test_a_rule_comes_back_from_json() -> None:
    assert DecisionRule.from_json(RULE.to_json()) == RULE


@pytest.mark.parametrize("change", [{"format": 99}, {"coverage": None, "nonsense": 1}])
def test_another_format_or_other_fields_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError) as caught:
        DecisionRule.from_json(json.dumps(json.loads(RULE.to_json()) | change))
    assert "fieldmark calibrate" in caught.value.cure


def test_a_rule_without_operating_points_is_read() -> None:
    data = json.loads(RULE.to_json())
    del data["operating_points"]
    assert DecisionRule.from_json(json.dumps(data)) == replace(RULE, operating_points=())
