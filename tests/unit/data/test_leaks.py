import io
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.leaks import find_leaks
from fieldmark.data.perceptual import fine_detail, picture_hash, thumbnail
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table, make_table
from fieldmark.records import Leak, Preprocessing

CHECKED = Preprocessing(64)


def picture(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Blobs, edges and grain, such as a photo has."""
    generator = np.random.default_rng(seed)
    coarse, middle = (generator.normal(0, spread, shape) for spread, shape in ((60, (5, 6, 3)), (25, (24, 30, 3))))
    layers = [
        np.stack([np.asarray(Image.fromarray(layer[..., c].astype(np.float32)).resize(size)) for c in range(3)], -1)
        for layer in (coarse, middle)
    ]
    return Image.fromarray((128 + sum(layers)).clip(0, 255).astype(np.uint8))


def recoded(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def find(
    folder: Path,
    pictures: dict[str, tuple[str | None, Image.Image | bytes]],
    *,
    same_hash: bool = False,
    **columns: object,
) -> list[Leak]:
    """Write pictures, each with its split, and find their leaks; with ``same_hash`` the pixels alone tell copies."""
    for name, (_, image) in pictures.items():
        if isinstance(image, bytes):
            (folder / name).write_bytes(image)
        else:
            image.save(folder / name)
    rows = {"path": [*pictures], "split": [split for split, _ in pictures.values()], **columns}
    table = make_table(rows, folder, reader="flat")
    images = cache_images(table, CHECKED, folder / "cache", max_broken=0.9)
    if same_hash:
        images = replace(images, looks=np.zeros_like(images.looks))
    return list(find_leaks(table, images))


def test_the_same_file_on_two_sides(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "source.png")
    data = (tmp_path / "source.png").read_bytes()
    leaks = find(tmp_path, {"a.png": ("train", data), "b.png": ("test", picture(1)), "c.png": ("test", data)})
    assert leaks == [Leak("exact", "a.png", "c.png", "train", "test")]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: recoded(image, 40),
        lambda image: image.resize((image.width // 2, image.height // 2)),
        lambda image: image.resize((image.width * 3 // 2, image.height * 3 // 2)),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image: recoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 60),
        lambda image: image.convert("L"),
        lambda image: ImageEnhance.Brightness(image).enhance(1.2),
        lambda image: ImageEnhance.Contrast(image).enhance(0.7),
        lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    ],
)
@pytest.mark.parametrize("size", [(160, 120), (90, 160)])
def test_an_altered_copy_is_near(tmp_path: Path, change: object, size: tuple[int, int]) -> None:
    original = picture(0, size)
    pictures = {"a.png": ("train", original), "b.png": ("test", change(original))}
    pictures |= {f"{seed}.png": ("train" if seed % 2 else "test", picture(seed, size)) for seed in range(1, 9)}
    assert find(tmp_path, pictures) == [Leak("near", "a.png", "b.png", "train", "test")]


def test_copies_of_one_split_or_of_none_are_no_leak(tmp_path: Path) -> None:
    same = picture(0)
    pictures = {"a.png": ("train", same), "b.png": ("train", same), "c.png": (None, same), "d.jpg": (None, same)}
    assert find(tmp_path, pictures | {"e.png": ("test", picture(1))}) == []


@pytest.mark.parametrize("height", [120, 60])
def test_pictures_that_share_shape_and_light_but_not_detail_are_told_apart(tmp_path: Path, height: int) -> None:
    # Two dark spots at the centre of like skin: hash and thumbnail agree, as with the moles of HAM10000. Above and
    # below the lower pictures lies much padding, whose edges agree as well.
    y, x = np.mgrid[:height, :160]
    spot = 250 - 150 * np.exp(-((x - 80) ** 2 + (y - height / 2) ** 2) / 800)
    skins = []
    for seed in range(2):
        grain = Image.fromarray(np.random.default_rng(seed).normal(0, 6, (height // 5, 32)).astype(np.float32))
        skins.append(Image.fromarray((spot + np.asarray(grain.resize((160, height)))).clip(0, 255).astype(np.uint8)))
    first, second = (np.asarray(skin.resize((32, 32), Image.Resampling.BOX), np.float64) for skin in skins)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.94
    assert np.corrcoef(fine_detail(first).ravel(), fine_detail(second).ravel())[0, 1] < 0.5
    assert find(tmp_path, {"a.png": ("train", skins[0]), "b.png": ("test", skins[1])}, same_hash=True) == []


def test_the_dark_corners_of_one_lens_do_not_make_copies(tmp_path: Path) -> None:
    y, x = np.mgrid[:120, :160]
    light = np.random.default_rng(9).normal(0, 20, (8, 8)).astype(np.float32)
    skin = np.asarray(Image.fromarray(light).resize((160, 120), Image.Resampling.BICUBIC)) + 170
    photos = []
    for seed in (0, 3):
        grain = Image.fromarray(np.random.default_rng(seed).normal(0, 8, (48, 64)).astype(np.float32))
        photo = np.where(np.hypot(x - 80, y - 60) > 85, 10, skin + np.asarray(grain.resize((160, 120))))
        photos.append(Image.fromarray(photo.clip(0, 255).astype(np.uint8)).convert("RGB"))
    hashes = [picture_hash(np.asarray(photo)) for photo in photos]
    details = [fine_detail(thumbnail(np.asarray(photo))) for photo in photos]
    assert np.bitwise_count(hashes[0] ^ hashes[1]) <= 4
    assert np.corrcoef(details[0].ravel(), details[1].ravel())[0, 1] > 0.93
    assert find(tmp_path, {"a.png": ("train", photos[0]), "b.png": ("test", photos[1])}) == []
    same = {"c.png": ("train", photos[0]), "d.jpg": ("test", recoded(photos[0], 60))}
    assert [leak.kind for leak in find(tmp_path, same)] == ["near"]


def test_like_padding_does_not_make_copies(tmp_path: Path) -> None:
    narrow = {f"{seed}.png": ("train" if seed % 2 else "test", picture(seed, (200, 12))) for seed in range(12)}
    assert find(tmp_path, narrow, same_hash=True) == []


@pytest.mark.filterwarnings("error")
def test_pictures_without_contrast_are_not_called_copies(tmp_path: Path) -> None:
    plain = {
        f"{value}.png": (split, Image.new("RGB", (64, 64), (value, value, value)))
        for split, values in (("train", range(0, 90, 30)), ("test", range(100, 190, 30)))
        for value in values
    }
    assert find(tmp_path, plain) == []


def test_digits_that_are_drawn_alike_are_not_called_copies(tmp_path: Path) -> None:
    def one(shift: float) -> Image.Image:
        y, x = np.mgrid[:28, :28]
        inside = (np.abs(x - 14 - (14 - y) * shift) < 1.5) & (y > 4) & (y < 24)
        return Image.fromarray((inside * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7))

    ones = {f"{index}.png": ("train" if index % 2 else "test", one(0.1 + index / 20)) for index in range(6)}
    assert find(tmp_path, ones) == []
    again = {"a.png": ("train", one(0.1)), "b.bmp": ("test", one(0.1))}
    assert [leak.kind for leak in find(tmp_path, again)] == ["near"]


def test_three_splits_each_pair_once_and_groups_last(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "source.png")
    data = (tmp_path / "source.png").read_bytes()
    leaks = find(
        tmp_path,
        {
            "a.png": ("train", data),
            "b.png": ("val", data),
            "c.png": ("test", recoded(picture(0), 60)),
            "d.png": ("train", picture(1)),
            "e.png": ("train", picture(2)),
            "f.png": ("test", picture(3)),
            "g.png": ("test", picture(4)),
        },
        group=[None, None, None, "lesion", "lesion", "lesion", "lesion"],
    )
    assert leaks == [
        Leak("exact", "a.png", "b.png", "train", "val"),
        Leak("near", "a.png", "c.png", "train", "test"),
        Leak("near", "b.png", "c.png", "val", "test"),
        Leak("group", "d.png", "f.png", "train", "test"),
    ]


def test_every_one_of_many_exact_copies_is_named_without_listing_all_pairs(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "source.png")
    data = (tmp_path / "source.png").read_bytes()
    copies = {f"{index}.png": ("train" if index < 4 else "test", data) for index in range(10)}
    leaks = find(tmp_path, copies)
    assert len(leaks) == 6
    assert {leak.first for leak in leaks} | {leak.second for leak in leaks} == set(copies)
    assert {leak.kind for leak in leaks} == {"exact"}


def test_broken_pictures_still_count_by_group(tmp_path: Path) -> None:
    pictures = {"a.png": ("train", picture(0)), "b.png": ("test", b"")}
    assert find(tmp_path, pictures, group=["g", "g"]) == [Leak("group", "a.png", "b.png", "train", "test")]


def test_the_splits_of_the_given_table_count(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    picture(0).save(tmp_path / "b.png")
    table = make_table({"path": ["a.png", "b.png"]}, tmp_path, reader="flat")
    images = cache_images(table, CHECKED, tmp_path / "cache")
    assert find_leaks(table, images) == ()
    split = replace(table, frame=table.frame.with_columns(split=pl.Series(["train", "test"])))
    assert [leak.kind for leak in find_leaks(split, images)] == ["exact"]
    assert find_leaks(split.where(pl.col("id") == "a.png"), images) == ()


@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
@pytest.mark.parametrize("side", [32, 160])
def test_any_preprocessing_will_do(tmp_path: Path, fit: str, side: int) -> None:
    recoded(picture(0), 50).save(tmp_path / "a.png")
    picture(0).save(tmp_path / "b.png")
    picture(1).save(tmp_path / "c.png")
    rows = {"path": ["a.png", "b.png", "c.png"], "split": ["train", "test", "test"]}
    table = make_table(rows, tmp_path, reader="flat")
    leaks = find_leaks(table, cache_images(table, Preprocessing(side, fit=fit), tmp_path / "cache"))
    assert leaks == (Leak("near", "a.png", "b.png", "train", "test"),)


def synthetic_images(count: int, side: int = 32) -> tuple[Table, CachedImages]:
    """Pictures that are only in memory, with a copy in test of every 100th of train."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    pixels[count // 2 :: 100] = pixels[: count // 2 : 100]
    names = [f"{index:05}" for index in range(count)]
    splits = ["train"] * (count // 2) + ["test"] * (count - count // 2)
    table = make_table({"id": names, "path": names, "split": splits}, Path(), reader="flat")
    windows = np.tile(np.array([0, 0, side, side], np.float32), (count, 1))
    looks = np.array([[picture_hash(each), picture_hash(each[:, ::-1])] for each in pixels])
    content, sizes = np.array(names), np.full((count, 2), 500, np.int32)
    return table, CachedImages(table, pixels, windows, sizes, content, looks, ())


def test_ten_thousand_pictures_take_seconds_and_every_copy_is_found() -> None:
    table, images = synthetic_images(10_000)
    started = time.process_time()
    leaks = find_leaks(table, images)
    assert time.process_time() - started < 5
    assert [(leak.kind, int(leak.second) - int(leak.first)) for leak in leaks] == [("near", 5000)] * 50


@pytest.mark.shared_data
def test_cub50_the_one_photo_that_occurs_twice(shared: Path, tmp_path: Path) -> None:
    table = read_table(shared / "data" / "cub50")
    cowbirds = table.where(pl.col("label").str.contains("Cowbird|Blackbird|Crow"))
    leaks = find_leaks(cowbirds, cache_images(cowbirds, CHECKED, tmp_path))
    paths = dict(zip(table.frame["id"], table.frame["path"], strict=True))
    assert [leak.kind for leak in leaks] == ["near"]
    names = {Path(paths[leaks[0].first]).stem, Path(paths[leaks[0].second]).stem}
    assert names == {"Bronzed_Cowbird_0025_796213", "Bronzed_Cowbird_0074_24045"}


@pytest.mark.shared_data
def test_ham10000_identical_pairs_and_the_lesion_under_two_ids(shared: Path, tmp_path: Path) -> None:
    table = read_table(shared / "data" / "ham10000")
    pairs = [("ISIC_0024366", "ISIC_0029861"), ("ISIC_0024777", "ISIC_0029938"), ("ISIC_0025226", "ISIC_0030074")]
    known = {name for pair in pairs for name in pair}
    # The documented pairs among moles of other lesions, one photo of each: none of those may be reported.
    single = table.frame.unique("group", keep="first", maintain_order=True)["id"].head(700)
    part = table.where(pl.col("id").is_in([*single, *known]))
    firsts = {first for first, _ in pairs}
    places = [
        "train" if name in firsts or (name not in known and row % 2) else "test"
        for row, name in enumerate(part.frame["id"])
    ]
    part = replace(part, frame=part.frame.with_columns(split=pl.Series(places)))
    leaks = find_leaks(part, cache_images(part, CHECKED, tmp_path))
    found = {(leak.kind, *sorted((leak.first, leak.second))) for leak in leaks if leak.kind != "group"}
    assert found == {("exact", *pairs[0]), ("exact", *pairs[1]), ("near", *pairs[2])}
