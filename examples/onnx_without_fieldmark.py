"""Name pictures with an exported recogniser: python onnx_without_fieldmark.py model.onnx PICTURE ..."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def fitted(path: str, side: int, fit: str, fill: list[int]) -> Image.Image:
    """Decode a picture, a JPEG at no more than twice the size needed, and fit it into a square."""
    picture = Image.open(path)
    picture.draft("RGB", [round(n * min(1, side / min(picture.size))) for n in picture.size])
    picture = ImageOps.exif_transpose(picture).convert("RGB")
    width, height = picture.size
    x, y = (max(0, n - min(width, height)) / 2 if fit == "crop" else 0 for n in (width, height))
    size = [max(1, round(n * (side / max(width, height)))) if fit == "pad" else side for n in (width, height)]
    square = Image.new("RGB", (side, side), tuple(fill))
    inner = picture.resize(size, Image.Resampling.BILINEAR, (x, y, width - x, height - y), reducing_gap=3.0)
    square.paste(inner, ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


session = onnxruntime.InferenceSession(sys.argv[1])
facts = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
for name in sys.argv[2:]:
    pixels = np.asarray(fitted(name, facts["resolution"], facts["fit"], facts["fill"]))[None]
    probabilities = session.run(["probabilities"], {"pixels": pixels})[0][0]
    print(f"{facts['classes'][probabilities.argmax()]}\t{probabilities.max():.4f}\t{name}")
