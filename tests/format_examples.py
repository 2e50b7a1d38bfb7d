"""Small, faithful examples of every format that a reader reads, made in a folder.

Each holds six samples of two classes, ``ant`` and ``bee``, or what the format calls them.
"""

import gzip
import io
import json
import struct
import wave
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from fieldmark.data.table import make_table


def pixels(seed: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def paint(file: Path, seed: int = 0, side: int = 8) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed, side)).save(file)


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write text or bytes files below a folder, and return it."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def idx(values: np.ndarray) -> bytes:
    """Encode unsigned bytes as IDX."""
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def make_cub(folder: Path) -> Path:
    names = [f"{c:03}.{name}/{name}_{i}.jpg" for c, name in ((1, "Ant"), (2, "Bee_Fly")) for i in range(3)]
    for seed, name in enumerate(names):
        paint(folder / "images" / name, seed)
    return write(
        folder,
        {
            "images.txt": "".join(f"{n} {name}\n" for n, name in enumerate(names, 1)),
            "classes.txt": "1 001.Ant\n2 002.Bee_Fly\n",
            "image_class_labels.txt": "".join(f"{n} {1 + (n > 3)}\n" for n in range(1, 7)),
            "train_test_split.txt": "".join(f"{n} {n % 3 and 1}\n" for n in range(1, 7)).replace(" 2", " 1"),
            "bounding_boxes.txt": "".join(f"{n} {-1.5 if n == 1 else 1}.0 2.0 4.0 5.0\n" for n in range(1, 7)).replace(
                "-1.5.0", "-1.5"
            ),
            "parts/parts.txt": "1 left wing\n2 beak\n",
            "parts/part_locs.txt": "".join(f"{n} 1 3.5 4.0 1\n{n} 2 0.0 0.0 0\n" for n in range(1, 7)),
            "attributes/attributes.txt": "1 has_wing::small\n2 has_wing::large\n3 has_beak::red\n",
            "attributes/class_attribute_labels_continuous.txt": "10.0 20.5 0\n0 99 1.0\n",
        },
    )


def make_grocery(folder: Path) -> Path:
    lines: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for seed, (split, number) in enumerate((s, n) for s in lines for n in (0, 1)):
        name = f"{split}/Fruit/{'Ant-Apple' if number == 0 else 'Bee-Pear'}/{seed}.jpg"
        paint(folder / name, seed)
        lines[split].append(f"{name}, {number}, {number}\n")
    header = "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),Iconic Image Path (str)\r\n"
    rows = "Bee-Pear,1,Pear,1,/iconic/b.jpg\r\nAnt-Apple,0,Apple,0,/iconic/a.jpg\r\n"
    return write(folder, {"classes.csv": header + rows} | {f"{k}.txt": "".join(v) for k, v in lines.items()})


def make_ham10000(folder: Path) -> Path:
    rows = ["lesion_id,image_id,dx,dx_type,age,sex,localization"]
    for index in range(6):
        part = 1 + index % 2
        paint(folder / f"HAM10000_images_part_{part}" / f"ISIC_{index}.jpg", index)
        rows.append(f"HAM_{index // 2},ISIC_{index},{'ant' if index < 4 else 'bee'},histo,,unknown,back")
    return write(folder, {"HAM10000_metadata.csv": "\n".join(rows)})


def make_idx(folder: Path) -> Path:
    train, test = (np.random.default_rng(s).integers(0, 256, (n, 5, 7), np.uint8) for s, n in ((0, 4), (1, 2)))
    return write(
        folder,
        {
            "train-images-idx3-ubyte.gz": gzip.compress(idx(train)),
            "train-labels-idx1-ubyte.gz": gzip.compress(idx(np.array([3, 7, 3, 7]))),
            "t10k-images-idx3-ubyte": idx(test),
            "t10k-labels-idx1-ubyte": idx(np.array([7, 3])),
        },
    )


def make_huggingface(folder: Path) -> Path:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, disable_progress_bars
    from datasets import Image as Picture

    disable_progress_bars()
    features = Features({"image": Picture(), "label": ClassLabel(names=["ant", "bee"])})

    def part(seeds: range) -> "Dataset":
        pictures = [Image.fromarray(pixels(seed)) for seed in seeds]
        return Dataset.from_dict({"image": pictures, "label": [seed % 2 for seed in seeds]}, features=features)

    DatasetDict(train=part(range(4)), validation=part(range(4, 6))).save_to_disk(str(folder))
    return folder


def coco(
    names: list[str], labels: list[int], categories: list[dict[str, object]], **box: list[float]
) -> dict[str, list[dict[str, object]]]:
    return {
        "images": [{"id": n, "file_name": name, "width": 8, "height": 8} for n, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": label, "bbox": [1, 2, 3, 4]} for n, label in enumerate(labels)
        ],
        "categories": categories,
    }


def make_coco(folder: Path) -> Path:
    categories: list[dict[str, object]] = [
        {"id": 7, "name": "bee", "supercategory": "insect"},
        {"id": 3, "name": "ant", "supercategory": "insect"},
    ]
    for split, seeds in (("train", range(4)), ("val", range(4, 6))):
        names = [f"{seed}.jpg" for seed in seeds]
        for seed, name in zip(seeds, names, strict=True):
            paint(folder / "images" / split / name, seed)
        content = coco(names, [3 if seed % 2 else 7 for seed in seeds], categories)
        write(folder, {f"annotations/instances_{split}2017.json": json.dumps(content)})
    return folder


def make_manifest(folder: Path) -> Path:
    lines = ["file;Class;subset;patient;lineage;x;y;width;height"]
    for seed in range(6):
        paint(folder / "pictures" / f"{seed}.png", seed)
        name = "ant" if seed < 3 else "bee"
        split = ("training", "valid", "test")[seed % 3]
        lines.append(f"pictures/{seed}.png;{name};{split};p{seed};insect/{name};{'1;2;3;4' if seed else ';;;'}")
    return write(folder, {"list.csv": "\n".join(lines)}) / "list.csv"


def make_folders(folder: Path) -> Path:
    for seed in range(6):
        split = "Train" if seed < 4 else "test"
        paint(folder / split / ("ant" if seed % 2 else "bee") / f"{seed}.png", seed)
    return folder


def make_flat(folder: Path) -> Path:
    for seed in range(6):
        paint(folder / f"{seed}.PNG", seed)
    return folder


def wav(seed: int, samples: int = 200, rate: int = 8000) -> bytes:
    """Encode noise as a WAV file of 16 bits, one channel."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", ""))
        writer.writeframes(np.random.default_rng(seed).integers(-(2**15), 2**15, samples, np.int16).tobytes())
    return file.getvalue()


def make_wav(folder: Path) -> Path:
    names = [f"{'ant' if seed % 2 else 'bee'}_{'ann' if seed < 4 else 'bob'}_{seed}.wav" for seed in range(6)]
    return write(folder, {name: wav(seed) for seed, name in enumerate(names)})


def make_text(folder: Path) -> Path:
    return write(
        folder,
        {
            "train.csv": "text,category\nWhat crawls?,ant\n"
            '"It has six legs,\nand ""wings""",bee\nAn ant!,ant\nA bee.,bee\n',
            "test.csv": "text,category\nIs it red?,ant\n It hums ,bee\n",
            "categories.json": '["bee", "ant"]',
        },
    )


def make_saved(folder: Path) -> Path:
    names = [f"{seed}.png" for seed in range(6)]
    for seed, name in enumerate(names):
        paint(folder / name, seed)
    columns = {"path": names, "label": ["ant", "bee"] * 3, "split": ["train"] * 4 + ["test"] * 2}
    make_table(columns, folder, reader="folders").save(folder / "table.parquet")
    return folder / "table.parquet"


def sharded(folder: Path, form: str) -> Path:
    from fieldmark.data.sharding import write_shards

    source = folder.with_name("unsharded")
    for seed in range(6):
        paint(source / f"{seed}.png", seed)
    columns = {
        "path": [f"{seed}.png" for seed in range(6)],
        "label": ["ant", "bee", None, "bee", "ant", "bee"],
        "split": ["train", "train", None, "val", "test", "test"],
        "lineage": [["bug", "ant"], ["fly", "bee"], None, ["fly", "bee"], ["bug", "ant"], ["fly", "bee"]],
        "group": [None, "g", "g", None, None, None],
        "box": [[0.5, 1.0, 2.0, 3.0], *[None] * 5],
        "parts": [[{"name": "wing", "x": 1.5, "y": 2.0, "visible": True}], *[None] * 5],
        "attributes": [None, [10.0, 90.0], *[None] * 4],
    }
    names = {"rank_names": ("kind", "class"), "part_names": ("wing",), "attribute_names": ("big", "small")}
    write_shards(make_table(columns, source, reader="folders", **names), folder, form, shard_rows=4)
    return folder


def make_parquet_shards(folder: Path) -> Path:
    return sharded(folder, "parquet")


def make_webdataset(folder: Path) -> Path:
    return sharded(folder, "webdataset")


#: Reader name → what makes an example of its format below a folder, and returns the path to read.
EXAMPLES: dict[str, Callable[[Path], Path]] = {
    "table": make_saved,
    "parquet-shards": make_parquet_shards,
    "webdataset": make_webdataset,
    "cub": make_cub,
    "grocery": make_grocery,
    "ham10000": make_ham10000,
    "idx": make_idx,
    "huggingface": make_huggingface,
    "coco": make_coco,
    "manifest": make_manifest,
    "wav": make_wav,
    "folders": make_folders,
    "flat": make_flat,
    "text": make_text,
}
