"""What the rows' columns alone tell: groups on both sides of a split, classes of a single source."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fieldmark.audit_results import AuditedRow, SingleSource, StraddlingGroup

#: A class is of a single source from this many rows and this share of them on, where of the other classes' rows no more
#: than this share is of that source.
_FEWEST = 5
_SHARE = 0.95
_ELSEWHERE = 0.05


def straddling_groups(rows: Iterable[AuditedRow]) -> tuple[StraddlingGroup, ...]:
    """Find the groups with rows in several splits, the largest first; rows of no split don't count."""
    groups: dict[str, dict[str, list[AuditedRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.group is not None and row.split is not None:
            groups[row.group][row.split].append(row)
    found = [
        StraddlingGroup(
            group,
            {split: tuple(row.id for row in members) for split, members in sorted(splits.items())},
            tuple(members[0] for _, members in sorted(splits.items())),
        )
        for group, splits in groups.items()
        if len(splits) > 1
    ]
    return tuple(sorted(found, key=lambda entry: (-sum(entry.counts.values()), entry.group)))


def single_sources(rows: Sequence[AuditedRow], sizes: Mapping[str, npt.NDArray[np.int32]]) -> tuple[SingleSource, ...]:
    """Find the classes whose pictures all come from one group, have one size or one format, which others hardly have.

    A recogniser may then tell the source and not the class.

    Args:
        rows: all rows of the table.
        sizes: id → (width, height) in px, of those whose picture could be decoded.
    """
    sources: dict[str, list[tuple[str, str]]] = {"group": [], "size": [], "format": []}
    for row in rows:
        if row.label is None:
            continue
        if row.group is not None:
            sources["group"].append((row.label, row.group))
        if row.id in sizes:
            width, height = sizes[row.id].tolist()
            sources["size"].append((row.label, f"{width} × {height} px"))
        suffix = Path(row.path.partition("#")[0]).suffix.lower()
        if suffix:
            sources["format"].append(
                (row.label, {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif"}.get(suffix, suffix))
            )
    found = [entry for by, pairs in sources.items() for entry in _single(by, pairs)]
    return tuple(sorted(found, key=lambda entry: (-entry.rows, entry.label, entry.by)))


def _single(by: str, pairs: Sequence[tuple[str, str]]) -> Iterable[SingleSource]:
    of_class: dict[str, Counter[str]] = defaultdict(Counter)
    for label, value in pairs:
        of_class[label][value] += 1
    everywhere = Counter(value for _, value in pairs)
    if len(of_class) < 2:
        return
    for label, values in of_class.items():
        value, most = values.most_common(1)[0]
        rows = values.total()
        share, elsewhere = most / rows, (everywhere[value] - most) / (len(pairs) - rows)
        if rows >= _FEWEST and share >= _SHARE and elsewhere <= _ELSEWHERE:
            yield SingleSource(label, by, value, rows, share, elsewhere)
