from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from audit_stand_ins import picture, write_table
from fieldmark.audit.quality import BLURRED, PictureQuality, blur_of, qualities
from fieldmark.data.checking import decode_for_check


def sharp(seed: int = 0) -> Image.Image:
    """A picture with fine grain."""
    pixels = np.asarray(picture(seed)) + np.random.default_rng(seed).normal(0, 25, (120, 160, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def measured(folder: Path, *images: Image.Image) -> list[PictureQuality]:
    table = write_table(folder, {f"{index}.png": (None, None, image) for index, image in enumerate(images)})
    return list(qualities(decode_for_check(table, folder / "cache")))


def test_the_more_a_picture_is_blurred_the_higher_its_blur(tmp_path: Path) -> None:
    steps = [sharp().filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 1, 2, 4, 8)]
    blurs = [quality.blur for quality in measured(tmp_path, *steps)]
    assert blurs == sorted(blurs)
    assert blurs[0] < BLURRED - 0.1
    assert blurs[-1] > BLURRED


def test_blur_in_one_direction_counts_in_full() -> None:
    still = np.asarray(picture(0).convert("L"), np.float64)
    moved = np.stack([np.convolve(np.pad(row, 7, mode="edge"), np.ones(15) / 15, "valid") for row in still])
    assert blur_of(moved) > 0.6 > blur_of(still)
    assert blur_of(moved) == blur_of(moved.T)


@pytest.mark.parametrize("scale", [1.0, 255.0, 0.01])
def test_blur_does_not_depend_on_the_scale_of_brightness(scale: float) -> None:
    grey = np.random.default_rng(0).random((40, 50))
    assert blur_of(grey * scale) == pytest.approx(blur_of(grey), abs=1e-6)


def test_stripes_are_judged_across_and_nothing_at_all_is_blurred() -> None:
    stripes = np.tile(np.arange(64) % 2 * 1.0, (64, 1))
    assert blur_of(stripes) < 0.2
    assert blur_of(np.zeros((20, 30))) == 1
    assert blur_of(np.zeros((1, 1))) == 1


def test_blur_is_that_of_the_papers_sums_written_out() -> None:
    grey = np.random.default_rng(0).random((12, 10))

    def along(values: np.ndarray) -> float:
        rows, columns = values.shape
        soft = np.array(
            [
                [np.mean([values[min(max(r + s, 0), rows - 1), c] for s in range(-4, 5)]) for c in range(columns)]
                for r in range(rows)
            ]
        )
        before = [abs(values[r, c] - values[r - 1, c]) for r in range(1, rows) for c in range(columns)]
        after = [abs(soft[r, c] - soft[r - 1, c]) for r in range(1, rows) for c in range(columns)]
        lost = sum(max(0.0, b - a) for b, a in zip(before, after, strict=True))
        return (sum(before) - lost) / sum(before)

    assert blur_of(grey) == pytest.approx(max(along(grey), along(grey.T)))


def test_a_soft_background_does_not_make_a_sharp_bird_blurred(tmp_path: Path) -> None:
    soft = picture(0).filter(ImageFilter.GaussianBlur(8))
    bird = soft.copy()
    bird.paste(sharp().crop((60, 40, 100, 80)), (60, 40))
    blurs = [quality.blur for quality in measured(tmp_path, soft, bird)]
    assert blurs[1] < BLURRED < blurs[0]


def test_dark_and_bright_pictures_are_told_from_others(tmp_path: Path) -> None:
    night = Image.fromarray((np.asarray(picture(0)) * 0.08).astype(np.uint8))
    glare = Image.fromarray((255 - (255 - np.asarray(picture(0))) * 0.03).astype(np.uint8))
    found = measured(tmp_path, picture(0), night, glare)
    assert [(quality.dark, quality.bright) for quality in found] == [(False, False), (True, False), (False, True)]
    assert found[1].brightness < 0.1 < 0.9 < found[2].brightness


def test_padding_counts_for_nothing(tmp_path: Path) -> None:
    narrow = Image.fromarray(np.zeros((20, 160, 3), np.uint8))
    (found,) = measured(tmp_path, narrow)
    assert found.dark
    assert found.brightness == 0


def test_what_was_enlarged_has_no_blur(tmp_path: Path) -> None:
    (found,) = measured(tmp_path, picture(0).resize((40, 30)))
    assert found.blur is None
