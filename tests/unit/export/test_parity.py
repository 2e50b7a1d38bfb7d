"""When an engine counts as the same as another; engines are stood in for."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from fieldmark.errors import DataError, ExportError
from fieldmark.export.parity import TOLERANCE, compare, refuse_differences
from fieldmark.models.bundle import BundleInfo
from fieldmark.predict.contract import NetworkOutputs
from fieldmark.records import Preprocessing

INFO = BundleInfo(classes=("dark", "bright"), preprocessing=Preprocessing(8), model={})


class BrightnessEngine:
    """Calls a picture bright by its mean; the outputs can be shifted."""

    parallel = 1

    def __init__(self, logit: float = 0.0, **shifts: float) -> None:
        self.logit, self.shifts = logit, shifts

    def run(self, pixels: np.ndarray) -> NetworkOutputs:
        count = len(pixels)
        bright = pixels.mean((1, 2, 3)) / 64 - 2 + self.logit
        outputs = NetworkOutputs(
            logits=np.stack([-bright, bright], 1).astype(np.float64),
            embedding=np.ones((count, 4), np.float32),
            vectors=np.ones((count, 1, 4), np.float32),
            presence=np.ones((count, 1), np.float32),
            evidence=np.zeros((count, 1, 2), np.float32),
            maps=np.ones((count, 2, 3, 3), np.float32),
        )
        return replace(outputs, **{name: getattr(outputs, name) + shift for name, shift in self.shifts.items()})


def pictures(count: int) -> list[np.ndarray | bytes]:
    random = np.random.default_rng(0)
    return [np.full((8, 8, 3), random.integers(0, 256), np.uint8) for _ in range(count)]


def test_equal_engines_pass_and_only_so_many_pictures_are_taken() -> None:
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield pictures(1)[0]

    told: list[tuple[int, int]] = []
    parity = compare(
        BrightnessEngine(),
        BrightnessEngine(),
        INFO,
        None,
        endless(),
        count=40,
        progress=lambda done, total: told.append((done, total)),
    )
    assert (parity.pictures, parity.differing, parity.largest, parity.agreement) == (40, (), 0.0, 1.0)
    assert len(taken) < 150
    assert told[-1] == (80, 80)
    refuse_differences(parity, "ONNX")


def test_broken_pictures_do_not_count() -> None:
    mixed = [b"broken", *pictures(3), b"broken", *pictures(9)]
    parity = compare(BrightnessEngine(), BrightnessEngine(), INFO, None, mixed, count=10)
    assert parity.pictures == 10
    with pytest.raises(DataError, match="can be read"):
        compare(BrightnessEngine(), BrightnessEngine(), INFO, None, [b"broken"], count=10)


def test_one_other_decision_is_refused_by_name() -> None:
    sources = [("first.png", _png(40)), ("at the edge.png", _png(128))]
    parity = compare(BrightnessEngine(1e-6), BrightnessEngine(-1e-6), INFO, None, sources)
    assert parity.differing == ("at the edge.png",)
    assert parity.agreement == 0.5
    with pytest.raises(ExportError, match=r"otherwise on 1 of 2 pictures, such as at the edge\.png") as caught:
        refuse_differences(parity, "ONNX")
    assert "on the edge" in caught.value.cure
    with pytest.raises(ExportError, match="decides otherwise") as caught:
        refuse_differences(replace(parity, outputs={**parity.outputs, "maps": 0.01}), "ONNX")
    assert "Report it" in caught.value.cure


def _png(value: int) -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (value, value, value)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("name", ["logits", "embedding", "vectors", "presence", "evidence", "maps"])
def test_every_output_is_compared(name: str) -> None:
    small, large, none = (
        compare(BrightnessEngine(), BrightnessEngine(**{name: shift}), INFO, None, pictures(5))
        for shift in (TOLERANCE / 4, 0.01, float("nan"))
    )
    refuse_differences(small, "ONNX")
    with pytest.raises(ExportError, match=f"file's {name} differ"):
        refuse_differences(large, "ONNX")
    with pytest.raises(ExportError):
        refuse_differences(none, "ONNX")


def test_logits_are_compared_on_all_pictures_not_on_the_first_batch_only() -> None:
    class LateEngine(BrightnessEngine):
        calls = 0

        def run(self, pixels: np.ndarray) -> NetworkOutputs:
            self.calls += 1
            found = super().run(pixels)
            return found if self.calls == 1 else replace(found, logits=found.logits + 0.1)

    parity = compare(BrightnessEngine(), LateEngine(), INFO, None, pictures(64))
    assert parity.outputs["logits"] == 0
    with pytest.raises(ExportError, match="logits differ"):
        refuse_differences(parity, "ONNX")


def test_other_shapes_are_refused() -> None:
    class Cut(BrightnessEngine):
        def run(self, pixels: np.ndarray) -> NetworkOutputs:
            found = super().run(pixels)
            return replace(found, maps=found.maps[:, :1])

    with pytest.raises(ExportError, match="maps differ"):
        refuse_differences(compare(BrightnessEngine(), Cut(), INFO, None, pictures(3)), "ONNX")
