from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit_stand_ins import cut, picture, recoded, write_table
from fieldmark.audit.registration import PIECE, Registration, best_place
from fieldmark.data.checking import decode_for_check


def literal_best_place(whole: np.ndarray, piece: np.ndarray, around: int) -> float:
    """The best correlation at scale 1 is the one at the one place there is; mirrored or not."""

    def detail(grey: np.ndarray) -> np.ndarray:
        padded = np.pad(grey, around // 2, mode="symmetric")
        blocks = np.lib.stride_tricks.sliding_window_view(padded, (around, around))
        return grey - blocks.mean(axis=(2, 3))

    a, b = detail(whole), detail(piece)
    return max(np.corrcoef(a.ravel(), turned.ravel())[0, 1] for turned in (b, b[:, ::-1]))


def test_at_full_size_it_is_the_correlation_of_the_detail() -> None:
    generator = np.random.default_rng(0)
    whole, piece = generator.normal(100, 30, (2, 3, 64, 64)).astype(np.float32)
    found = best_place(whole, piece, (1.0,))
    assert found == pytest.approx([literal_best_place(*pair, 9) for pair in zip(whole, piece, strict=True)], abs=1e-4)


def test_a_piece_is_found_where_it_was_cut_out_and_mirrored_too() -> None:
    whole = np.asarray(picture(0, size=(64, 64)).convert("L"), np.float32)
    piece = np.asarray(Image.fromarray(whole[10:61, 3:54]).resize((64, 64), Image.Resampling.BICUBIC))
    scales = (1.0, 51 / 64)
    assert best_place(whole[None], piece[None], scales)[0] > 0.9
    assert best_place(whole[None], piece[None, :, ::-1], scales)[0] > 0.9
    assert best_place(whole[None], piece[None], (1.0,))[0] < 0.5


def test_pictures_without_contrast_agree_with_nothing() -> None:
    plain = np.full((1, 64, 64), 80, np.float32)
    assert best_place(plain, plain, (1.0, 0.8))[0] == 0


def test_cut_copies_agree_and_other_pictures_do_not(tmp_path: Path) -> None:
    table = write_table(
        tmp_path,
        {
            "whole.png": ("ant", None, picture(0)),
            "cut.jpg": ("ant", None, recoded(cut(picture(0), 0.85), 70)),
            "mirrored.png": ("ant", None, cut(picture(0), 0.9).transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
            "squeezed.png": ("ant", None, picture(0).resize((160, 100))),
            "other.png": ("ant", None, picture(1)),
        },
    )
    registration = Registration(decode_for_check(table, tmp_path / "cache"))
    agreement = registration.agreement(np.array([0, 2, 0, 0]), np.array([1, 0, 3, 4]))
    assert (agreement[:3] >= PIECE).all()
    assert agreement[3] < 0.5
