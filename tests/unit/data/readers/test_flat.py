import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.readers.flat import FlatReader
from format_examples import make_flat, write


def test_every_picture_is_an_unlabelled_row(tmp_path: Path) -> None:
    write(make_flat(tmp_path), {"deep/er/x.webp": b"", "notes.txt": "no picture"})
    table = FlatReader().read(tmp_path)
    assert table.frame["path"].to_list() == [*(f"{seed}.PNG" for seed in range(6)), "deep/er/x.webp"]
    assert table.frame["label"].null_count() == table.frame["split"].null_count() == 7
    assert table.classes == ()
    assert FlatReader().recognise(tmp_path) == "7 pictures and no class folders"
