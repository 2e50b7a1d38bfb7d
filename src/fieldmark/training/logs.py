"""The log of a run: log.csv, rewritten whole each epoch, and TensorBoard events."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from fieldmark.record_files import save_text
from fieldmark.training.checkpoint import LogRow

#: The columns that end every log.
_LAST = ("seconds", "images_per_second")


def write_csv(path: Path, rows: Sequence[LogRow]) -> None:
    """Write all rows to a CSV file, atomically; empty where a value is missing.

    The columns are those of the rows, in the order in which they occur; speed comes last.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    columns = [*(name for name in names if name not in _LAST), *_LAST]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    save_text(path, text.getvalue())


def write_tensorboard(folder: Path, row: LogRow) -> None:
    """Append one epoch's figures to the TensorBoard events of a run."""
    with SummaryWriter(str(folder)) as writer:
        for name, value in row.items():
            if isinstance(value, int | float) and name not in ("epoch", "resolution"):
                writer.add_scalar(name, value, int(row["epoch"] or 0))
