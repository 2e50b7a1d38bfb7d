import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldmark.data.table import make_table
from fieldmark.data.tokens import (
    END,
    PADDING,
    BpeTokenizer,
    ByteTokenizer,
    Tokenizer,
    load_tokenizer,
    train_bpe,
    training_texts,
)
from fieldmark.errors import ConfigError, DataError

CORPUS = ["my card has not arrived", "where is my card?", "my top-up was cancelled", "was my card cancelled?"] * 3
HARD = [
    "",
    " ",
    "\n\r\n\t",
    "<pad> <s> </s> [UNK]",
    "naïve Ünïcode 中文 🦉",
    "\x00\x01",
    "my card\u2028",
    "  my  card  ",
]


@pytest.fixture(scope="module", params=["bytes", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    if request.param == "bytes":
        return ByteTokenizer()
    pytest.importorskip("tokenizers", reason="needs the extra text")
    return train_bpe(CORPUS, 300)


def test_bytes_are_shifted_by_the_marks_and_padded() -> None:
    tokens = ByteTokenizer().encode(["AB", "", "é"])
    assert tokens.ids.tolist() == [[68, 69, END], [END, PADDING, PADDING], [0xC3 + 3, 0xA9 + 3, END]]
    assert tokens.lengths.tolist() == [3, 1, 3]
    assert tokens.ids.dtype == tokens.lengths.dtype == np.int64
    assert ByteTokenizer().vocabulary == 259


def test_every_text_comes_back_exactly(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode(HARD)
    assert tokenizer.decode(tokens.ids) == HARD
    assert tokens.ids.max() < tokenizer.vocabulary
    for row, length in zip(tokens.ids, tokens.lengths, strict=True):
        assert row[length - 1] == END
        assert (row[:length] != PADDING).all()
        assert (row[length:] == PADDING).all()


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(), max_size=4))
def test_any_text_comes_back_exactly(tokenizer: Tokenizer, texts: list[str]) -> None:
    assert tokenizer.decode(tokenizer.encode(texts).ids) == texts


def test_long_texts_are_cut_and_lose_their_end(tokenizer: Tokenizer) -> None:
    whole, cut = tokenizer.encode(["zebra", "z"]), tokenizer.encode(["zebra", "z"], max_tokens=3)
    assert cut.ids.shape == (2, 3)
    assert (cut.ids[0] == whole.ids[0, :3]).all()
    assert cut.lengths.tolist() == [3, 2]
    assert cut.ids[1].tolist()[1:] == [END, PADDING]
    with pytest.raises(ConfigError):
        tokenizer.encode(["a"], max_tokens=0)


def test_decoding_stops_at_the_first_end_and_mends_what_is_no_text(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(["one", "two"]).ids
    ids = np.concatenate([np.ones((2, 1), np.int64), ids, ids], 1)  # 1 is the mark of the beginning
    assert tokenizer.decode(ids) == ["one", "two"]
    half = tokenizer.encode(["é"]).ids[:, :1]
    assert ByteTokenizer().decode(ByteTokenizer().encode(["é"]).ids[:, :1]) == ["\ufffd"]
    assert len(tokenizer.decode(half)) == 1


def test_nothing_is_an_empty_batch(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode([]).ids.shape == (0, 0)
    assert tokenizer.decode(np.zeros((0, 5), np.int64)) == []


@pytest.mark.parametrize("wrong", [-1, 10_000])
def test_foreign_ids_are_an_error(tokenizer: Tokenizer, wrong: int) -> None:
    with pytest.raises(DataError, match=str(wrong)):
        tokenizer.decode(np.array([[5, wrong]]))


def test_half_a_surrogate_pair_is_an_error(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match="not valid text"):
        tokenizer.encode(["a\ud800"])


def test_it_is_saved_as_json_and_loaded_again(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokens.json")
    json.loads((tmp_path / "tokens.json").read_text(encoding="utf-8"))
    again = load_tokenizer(tmp_path / "tokens.json")
    assert type(again) is type(tokenizer)
    assert again.vocabulary == tokenizer.vocabulary
    assert (again.encode(CORPUS + HARD).ids == tokenizer.encode(CORPUS + HARD).ids).all()
    assert [file.name for file in tmp_path.iterdir()] == ["tokens.json"]


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"tokenizer": "bpe", "merges": [["a"]]}', '{"tokenizer": "bpe", "merges": 3}', "[" * 100_000],
)
def test_a_damaged_file_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokens.json").write_text(content)
    with pytest.raises(DataError, match="damaged"):
        load_tokenizer(tmp_path / "tokens.json")
    with pytest.raises(DataError):
        load_tokenizer(tmp_path / "missing.json")


def test_an_unknown_kind_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text('{"tokenizer": "words"}')
    with pytest.raises(ConfigError, match="words"):
        load_tokenizer(tmp_path / "tokens.json")


def test_a_bpe_joins_what_occurs_often_and_is_the_same_each_time() -> None:
    pytest.importorskip("tokenizers", reason="needs the extra text")
    first, second = train_bpe(CORPUS, 280), train_bpe(CORPUS, 280)
    assert first.vocabulary == 280
    assert (first.encode(CORPUS).ids == second.encode(CORPUS).ids).all()
    assert first.encode(["my card"]).lengths[0] < 4  # `my`, ` card`, the end
    assert train_bpe(["ab"], 4096).vocabulary == 259  # nothing occurs twice


def test_merges_that_join_what_is_not_there_are_an_error() -> None:
    pytest.importorskip("tokenizers", reason="needs the extra text")
    with pytest.raises(DataError, match="joins"):
        BpeTokenizer([("ab", "c")])
    assert BpeTokenizer([("a", "b"), ("ab", "c")]).encode(["abc"]).lengths.tolist() == [2]


def test_a_vocabulary_below_the_bytes_is_an_error() -> None:
    with pytest.raises(ConfigError, match="258"):
        train_bpe(CORPUS, 258)


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DataError) as caught:
        train_bpe(CORPUS)
    assert "pip install 'fieldmark[text]'" in caught.value.cure


def test_only_training_rows_are_trained_on(tmp_path: Path) -> None:
    columns = {
        "id": ["1", "2", "3", "4", "5"],
        "text": ["a", "b", "c", "d", None],
        "split": ["train", "val", "test", None, "train"],
    }
    table = make_table(columns, tmp_path, reader="text")
    assert training_texts(table) == ["a", "d"]
    with pytest.raises(DataError, match="no rows of text"):
        training_texts(table.split("test"))
