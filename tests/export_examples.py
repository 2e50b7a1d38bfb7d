"""Runs with random weights and pictures of noise, to export."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fieldmark.data.table import Table, make_table
from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.bundle import BundleInfo, save_bundle
from fieldmark.models.parts import PartsSpec
from fieldmark.records import Preprocessing
from fieldmark.training.run_folder import TABLE_FILE

CLASSES = ("ant", "bee", "cat", "dog", "élan")

#: Small enough that translating it takes a second or two.
CONV = BackboneSpec("fieldmark:conv", {"widths": (8, 16), "code_dim": 12})


def write_pictures(folder: Path, count: int = 12) -> Table:
    """Write pictures of noise, of many shapes and some as JPEG, with labels and splits."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    names = []
    for index in range(count):
        coarse = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        size = (40 + 37 * index % 90, 30 + 53 * index % 100)
        names.append(f"{index:03}.{'jpg' if index % 2 else 'png'}")
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(folder / names[-1])
    labels = [CLASSES[index % len(CLASSES)] for index in range(count)]
    splits = [("train", "train", "val", "test")[index % 4] for index in range(count)]
    return make_table({"path": names, "label": labels, "split": splits}, folder, reader="folders", classes=CLASSES)


def write_run(
    folder: Path,
    *,
    head: str = "linear",
    parts: PartsSpec | None = None,
    rest: bool = False,
    backbone: BackboneSpec = CONV,
    preprocessing: Preprocessing | None = None,
    pictures: int = 12,
    part_attention: bool = False,
    usual_light: bool = False,
) -> Path:
    """Write a run's folder with a bundle of random weights and a table of pictures."""
    torch.manual_seed(0)
    spec = ModelSpec(
        backbone,
        len(CLASSES),
        head,
        parts or PartsSpec(),
        rest,
        part_attention=part_attention,
        usual_light=usual_light,
    )
    recognizer = build_recognizer(spec)
    if recognizer.attention is not None:
        torch.nn.init.normal_(recognizer.attention.weight)
    for name, tensor in recognizer.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            tensor.uniform_(0.5, 1.5)
        elif tensor.ndim > 1:
            tensor.mul_(3)  # fresh weights say nearly the same of all pictures
    if recognizer.light is not None:
        recognizer.light.usual.copy_(torch.tensor([[0.45, 0.5], [0.1, 0.2]]))
    torch.nn.init.normal_(recognizer.bias)
    info = BundleInfo(
        classes=CLASSES,
        preprocessing=preprocessing or Preprocessing(48),
        model=asdict(spec),
        part_names=recognizer.evidence_names,
        temperature=2.0,
    )
    save_bundle(folder / "bundle", recognizer, info)
    write_pictures(folder / "pictures", pictures).save(folder / TABLE_FILE)
    return folder
