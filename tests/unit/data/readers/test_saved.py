import sys
from pathlib import Path

import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.readers.saved import SavedReader
from fieldmark.errors import DataError
from format_examples import make_saved


def test_a_saved_table_is_told_from_any_other(tmp_path: Path) -> None:
    assert SavedReader().recognise(make_saved(tmp_path)) is not None
    pl.DataFrame({"path": ["a.jpg"]}).write_parquet(tmp_path / "other.parquet")
    assert SavedReader().recognise(tmp_path / "other.parquet") is None


def test_a_table_cut_off_is_refused(tmp_path: Path) -> None:
    file = make_saved(tmp_path)
    file.write_bytes(file.read_bytes()[:-20])
    assert SavedReader().recognise(file) is None
    with pytest.raises(DataError, match="damaged"):
        SavedReader().read(file)
