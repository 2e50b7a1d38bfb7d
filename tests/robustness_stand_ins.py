"""A measure of robustness whose figures are known, and the pictures that it names."""

from pathlib import Path

from PIL import Image

from fieldmark.records import Interval
from fieldmark.robustness_results import (
    CorruptedPicture,
    HiddenPart,
    LightScores,
    OcclusionCurve,
    RobustnessResult,
)


def robustness_result(first: str = "001.House_Wren", second: str = "002.Marsh_Wren") -> RobustnessResult:
    return RobustnessResult(
        fingerprint="0123456789abcdef",
        split="test",
        n=40,
        available=1389,
        boxes=0.5,
        clean=Interval(0.8, 0.7, 0.9),
        fractions=(0.0, 0.3, 0.6, 0.9),
        curves=(
            OcclusionCurve("grey", True, (0.8, 0.7, 0.5, 0.4), Interval(60.0, 52.0, 68.0)),
            OcclusionCurve("leaves", False, (0.8, 0.5, 0.25, 0.125), Interval(40.0, 31.0, 49.0)),
        ),
        lights=(
            LightScores("gamma", "exponent", True, (0.4, 3.0), (0.5, 0.7), 0.25),
            LightScores("contrast", "share kept", False, (0.4, 0.05), (0.7, 0.1), 0.5),
        ),
        parts=(
            HiddenPart("crown", "annotated", 38, 0.08, 0.75, 0.44, 0.71),
            HiddenPart("part 3", "discovered", 21, 0.19, 0.7, 0.7, 0.6),
        ),
        resolution=64,
        seed=0,
        fieldmark_version="0.1.0",
        evaluated_at="2026-01-02T03:04:05+00:00",
        label=first,
        examples=(
            CorruptedPicture("clean", "", "", first, True, "robustness/000.jpg"),
            CorruptedPicture("occlusion", "leaves", "60 % covered", second, False, "robustness/001.jpg"),
            CorruptedPicture("light", "gamma", "3 exponent", first, True, "robustness/002.jpg"),
            CorruptedPicture("annotated", "crown", "hidden", second, False, "robustness/003.jpg"),
        ),
    )


def save_robustness(run: Path, result: RobustnessResult) -> None:
    (run / "robustness").mkdir(parents=True, exist_ok=True)
    for each in result.examples:
        Image.new("RGB", (48, 48), "olive").save(run / each.file)
    result.save(run)
