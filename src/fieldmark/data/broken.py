"""When a table has more broken files than can be passed over."""

from collections.abc import Sequence

from fieldmark.errors import DataError
from fieldmark.records import BrokenRow

#: Broken files that are listed.
_LISTED = 20


def refuse_many_broken(broken: Sequence[BrokenRow], rows: int, limit: float, kind: str) -> None:
    """Do nothing where few files are broken.

    Args:
        broken: the rows whose files can't be read.
        rows: all rows, the broken ones among them.
        limit: the largest share of broken rows, in 0..1.
        kind: what the files are, in the plural, such as ``"pictures"``.

    Raises:
        DataError: more are; the first twenty are listed.
    """
    if len(broken) <= limit * rows:
        return
    listed = [f"  {row.path}: {row.reason}" for row in broken[:_LISTED]]
    if len(broken) > _LISTED:
        listed.append(f"  … and {len(broken) - _LISTED} more")
    raise DataError(
        f"{len(broken)} of {rows} {kind} are broken:\n" + "\n".join(listed),
        "Mend or remove them; `fieldmark data check PATH` lists all.",
    )
