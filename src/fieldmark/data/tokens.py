"""Turn texts into padded arrays of token ids, and back.

Both tokenizers begin with the same three ids: padding 0, begin 1, end 2. They read bytes, so every text can be told,
and ``decode`` gives exactly the text that ``encode`` was given.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from fieldmark.data.table import Table
from fieldmark.errors import ConfigError, DataError, unknown_name

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Engine

#: Stands after the end of the shorter sequences of a batch.
PADDING = 0
#: For decoders that need a first input; ``encode`` never writes it.
BEGIN = 1
#: Closes every text that was not cut.
END = 2

#: Ids that stand for no text.
_MARKS = 3

#: Tokens of a BPE unless told otherwise, the marks among them.
DEFAULT_VOCABULARY = 4096


@dataclass(frozen=True, slots=True)
class Tokens:
    """A batch of tokenised texts.

    Attributes:
        ids: (B, T) int64, ``PADDING`` after each text's end.
        lengths: (B,) int64, the ids of each text, the end's among them.
    """

    ids: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


class Tokenizer(Protocol):
    """Texts to ids and back.

    Attributes:
        vocabulary: number of ids, the marks' among them.
    """

    @property
    def vocabulary(self) -> int:
        """Number of ids."""
        ...

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Tokens:
        """Turn texts into ids.

        Args:
            texts: any texts.
            max_tokens: texts of more ids, the end's included, are cut there and lose the end.

        Raises:
            DataError: half a surrogate pair, which no file of text can hold.
            ConfigError: ``max_tokens`` below 1.
        """
        ...

    def decode(self, ids: npt.NDArray[np.int64]) -> list[str]:
        """Turn ids (B, T) into texts, each up to its first end or padding; bytes that are no text become U+FFFD.

        Raises:
            DataError: an id outside the vocabulary.
        """
        ...

    def save(self, path: Path) -> None:
        """Write it as JSON, atomically; ``load_tokenizer`` gives it back."""
        ...


class ByteTokenizer:
    """Each byte of the UTF-8 text is a token: byte b has the id b + 3."""

    vocabulary = 256 + _MARKS

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Tokens:
        """Turn texts into ids, as the contract says."""
        return _padded([np.frombuffer(_bytes(text), np.uint8) for text in texts], max_tokens)

    def decode(self, ids: npt.NDArray[np.int64]) -> list[str]:
        """Turn ids into texts, as the contract says."""
        return [bytes(row).decode("utf-8", "replace") for row in _unpadded(ids, self.vocabulary)]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        _write(path, {"tokenizer": "bytes"})


class BpeTokenizer:
    """Byte-pair encoding (Sennrich et al., ACL 2016) over bytes (Radford et al. 2019), by the library ``tokenizers``.

    Args:
        merges: the pairs of tokens that are joined, the most urgent first; bytes are spelt as GPT-2 spells them.

    Raises:
        DataError: the library is missing, or merges that don't build on each other.
    """

    def __init__(self, merges: Sequence[tuple[str, str]]) -> None:
        self._merges = tuple(merges)
        self._engine = _engine(self._merges)

    @property
    def vocabulary(self) -> int:
        """Number of ids, the marks' among them."""
        return self._engine.get_vocab_size() + _MARKS

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Tokens:
        """Turn texts into ids, as the contract says."""
        # One by one: in a batch the library starts threads, which a process that forks must not have.
        found = [self._engine.encode(_bytes(text).decode()).ids for text in texts]
        return _padded([np.array(row, np.int64) for row in found], max_tokens)

    def decode(self, ids: npt.NDArray[np.int64]) -> list[str]:
        """Turn ids into texts, as the contract says."""
        return [self._engine.decode(row) for row in _unpadded(ids, self.vocabulary)]

    def save(self, path: Path) -> None:
        """Write its merges as JSON."""
        _write(path, {"tokenizer": "bpe", "merges": self._merges})


def training_texts(table: Table) -> list[str]:
    """Return the texts that a tokenizer may be trained on: those of the training split, or of no split.

    Raises:
        DataError: there are none.
    """
    chosen = pl.col("text").is_not_null() & (pl.col("split") == "train").fill_null(True)
    texts = table.frame.filter(chosen)["text"].to_list()
    if not texts:
        raise DataError(f"{table.root} has no rows of text to train on.", "Give a data set with texts for training.")
    return texts


def train_bpe(texts: Sequence[str], vocabulary: int = DEFAULT_VOCABULARY) -> BpeTokenizer:
    """Train a byte-pair encoding; the same texts give the same one.

    Args:
        texts: of training rows only (``training_texts``).
        vocabulary: number of ids, the marks' and the 256 bytes' among them; fewer come of it where the texts don't
            hold as many pairs that occur twice.

    Raises:
        ConfigError: a vocabulary that has no place for all bytes.
        DataError: the library is missing.
    """
    if vocabulary < ByteTokenizer.vocabulary:
        raise ConfigError(
            f"A vocabulary of {vocabulary} has no place for all bytes.", f"Give {ByteTokenizer.vocabulary} or more."
        )
    engine = _engine(())
    from tokenizers.trainers import BpeTrainer

    trainer = BpeTrainer(
        vocab_size=vocabulary - _MARKS, min_frequency=2, show_progress=False, initial_alphabet=_alphabet()
    )
    engine.train_from_iterator((_bytes(text).decode() for text in texts), trainer)
    return BpeTokenizer([(left, right) for left, right in json.loads(engine.to_str())["model"]["merges"]])


def load_tokenizer(path: Path) -> Tokenizer:
    """Load a tokenizer that was saved.

    Raises:
        DataError: it can't be read, is damaged, or the library ``tokenizers`` is missing.
        ConfigError: it is of an unknown kind.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        kind = data["tokenizer"]
        merges = [(str(left), str(right)) for left, right in data.get("merges", ())]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} is no tokenizer that Fieldmark wrote, or damaged.", "Train it again.") from error
    if kind == "bytes":
        return ByteTokenizer()
    if kind == "bpe":
        return BpeTokenizer(merges)
    raise unknown_name("tokenizer", str(kind), ("bytes", "bpe"))


def _engine(merges: Sequence[tuple[str, str]]) -> "Engine":
    """Build the library's tokenizer, which knows no marks: a text that spells one stays a text."""
    try:
        from tokenizers import Tokenizer as Engine
        from tokenizers import decoders, models, pre_tokenizers
    except ImportError as error:
        raise DataError(
            "A BPE needs the library tokenizers.", "Run: pip install 'fieldmark[text]', or take bytes."
        ) from error
    ids = {token: place for place, token in enumerate(_alphabet())}
    for left, right in merges:
        if left not in ids or right not in ids:
            raise DataError(f"The merge of {left!r} and {right!r} joins what isn't there yet.", "Train it again.")
        ids.setdefault(left + right, len(ids))
    engine = Engine(models.BPE(vocab=ids, merges=list(merges)))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    engine.decoder = decoders.ByteLevel()
    return engine


def _alphabet() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{text!r} is not valid text.", "Remove the half of a surrogate pair.") from error


def _padded(rows: Sequence[npt.NDArray[np.uint8] | npt.NDArray[np.int64]], max_tokens: int | None) -> Tokens:
    """Put rows of the engine's ids into one batch, each with its end."""
    if max_tokens is not None and max_tokens < 1:
        raise ConfigError(f"{max_tokens} tokens hold no text.", "Give 1 or more.")
    longest = max((len(row) + 1 for row in rows), default=0)
    steps = longest if max_tokens is None else min(longest, max_tokens)
    ids = np.full((len(rows), steps), PADDING, np.int64)
    for place, row in enumerate(rows):
        kept = row[:steps].astype(np.int64) + _MARKS
        ids[place, : len(kept)] = kept
        ids[place, len(kept) : len(kept) + 1] = END
    return Tokens(ids, (ids != PADDING).sum(1))


def _unpadded(ids: npt.NDArray[np.int64], vocabulary: int) -> list[list[int]]:
    """Return each row's ids of the engine, up to its first end or padding."""
    if ids.size and not 0 <= ids.min() <= ids.max() < vocabulary:
        raise DataError(f"Ids from {ids.min()} to {ids.max()}; there are {vocabulary}.", "Take their own tokenizer.")
    rows = []
    for row in ids:
        ends = np.flatnonzero((row == END) | (row == PADDING))
        text = row[: ends[0]] if len(ends) else row
        rows.append((text[text != BEGIN] - _MARKS).tolist())
    return rows


def _write(path: Path, data: dict[str, object]) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)
