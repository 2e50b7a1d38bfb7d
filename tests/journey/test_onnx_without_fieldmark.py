"""The example that needs onnxruntime and Pillow only gives Fieldmark's labels."""

import io
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.predict import load_predictor
from fieldmark.predict.pictures import fitted_pixels
from fieldmark.records import FITS, Preprocessing

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnx_without_fieldmark.py"


def photo(width: int, height: int, form: str, orientation: int = 1) -> bytes:
    coarse = np.random.default_rng(width * height).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    exif = image.getexif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    image.save(stream, form, exif=exif)
    return stream.getvalue()


PHOTOS = {
    "large.jpg": photo(900, 610, "JPEG"),
    "turned.jpg": photo(333, 200, "JPEG", orientation=6),
    "small.png": photo(20, 31, "PNG"),
    "long.png": photo(400, 30, "PNG"),
    "square.jpg": photo(96, 96, "JPEG"),
}


def test_it_is_short_and_needs_nothing_else() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 30
    imported = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert imported == {"json", "sys", "numpy", "onnxruntime", "PIL"}


def test_it_gives_the_same_labels(exported_run: Path, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in PHOTOS]
    for path in paths:
        path.write_bytes(PHOTOS[path.name])
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(exported_run / "export" / "model.onnx"), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line.split("\t") for line in done.stdout.splitlines()]
    rows = load_predictor(exported_run)(paths)
    assert [(label, path) for label, _, path in found] == [(row.label, row.source) for row in rows]
    assert [float(share) for _, share, _ in found] == pytest.approx([row.probability for row in rows], abs=1e-4)


@pytest.mark.parametrize("fit", FITS)
def test_its_square_is_fieldmark_s_to_the_byte(
    fit: str, exported_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(exported_run / "export" / "model.onnx")])
    fitted = runpy.run_path(str(EXAMPLE))["fitted"]
    for name, data in PHOTOS.items():
        path = tmp_path / name
        path.write_bytes(data)
        wanted = fitted_pixels(path, Preprocessing(48, fit=fit, fill=(9, 8, 7)))
        assert np.array_equal(np.asarray(fitted(str(path), 48, fit, [9, 8, 7])), wanted), name
