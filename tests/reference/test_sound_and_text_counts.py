"""The real sounds and texts hold exactly what their README counts."""

from pathlib import Path

import numpy as np
import pytest

from fieldmark.data.audio import load_sounds
from fieldmark.data.reading import read_table
from fieldmark.data.tokens import ByteTokenizer, load_tokenizer, train_bpe, training_texts

pytestmark = pytest.mark.shared_data


def test_fsdd(shared: Path) -> None:
    table = read_table(shared / "data" / "fsdd")
    assert table.reader == "wav"
    assert table.counts() == {"test": 300, "train": 2700}
    assert table.classes == tuple("0123456789")
    assert set(table.frame["group"].value_counts()["count"]) == {500}
    assert set(table.frame["group"]) == {"jackson", "nicolas", "theo", "yweweler", "george", "lucas"}
    assert set(table.split("test").frame.group_by("label", "group").len()["len"]) == {5}


def test_every_recording_of_fsdd_is_decoded_without_a_library(shared: Path) -> None:
    sounds = load_sounds(read_table(shared / "data" / "fsdd"), 8000)
    assert sounds.broken == ()
    seconds = np.array([len(samples) for samples in sounds.samples]) / 8000
    assert (round(seconds.min(), 2), round(seconds.max(), 2)) == (0.14, 2.28)
    assert round(float(np.median(seconds)), 2) == 0.42
    assert len({samples.tobytes() for samples in sounds.samples}) == 3000


def test_banking77(shared: Path) -> None:
    table = read_table(shared / "data" / "banking77")
    assert table.reader == "text"
    assert table.counts() == {"test": 3080, "train": 10_003}
    assert len(table.classes) == 77
    assert table.classes[:2] == ("card_arrival", "card_linking")
    train, test = table.split("train").frame, table.split("test").frame
    assert set(test["label"].value_counts()["count"]) == {40}
    counts = train["label"].value_counts()["count"]
    assert (counts.min(), counts.max()) == (35, 187)
    assert [int(rows["text"].str.contains("\n").sum()) for rows in (train, test)] == [10, 3]
    seen = {" ".join(text.lower().split()) for text in train["text"]}
    assert sum(" ".join(text.lower().split()) in seen for text in test["text"]) == 7
    assert table.skipped == ()


def test_every_question_comes_back_from_its_tokens(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="needs the extra text")
    table = read_table(shared / "data" / "banking77")
    texts = table.frame["text"].to_list()
    train_bpe(training_texts(table)).save(tmp_path / "tokens.json")
    bpe = load_tokenizer(tmp_path / "tokens.json")
    assert 3000 < bpe.vocabulary <= 4096  # no more pairs occur twice
    tokens, letters = bpe.encode(texts), ByteTokenizer().encode(texts)
    assert bpe.decode(tokens.ids) == texts
    assert ByteTokenizer().decode(letters.ids) == texts
    assert tokens.lengths.sum() < letters.lengths.sum() / 3
