"""Neighbours, and classes added and taken away, on the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.cli.terminal import Terminal, percent, printable
from fieldmark.errors import ConfigError
from fieldmark.neighbour_results import NearestPictures

if TYPE_CHECKING:
    from fieldmark.gallery import ClassAdded, ClassRemoved


def changed_place(run: Path, out: Path | None, *, in_place: bool) -> Path | None:
    """Return where a changed bundle goes; ``None`` puts it beside the old one.

    Raises:
        ConfigError: two places were named.
        BundleError: there is no bundle.
    """
    if not in_place:
        return out
    if out is not None:
        raise ConfigError("--out and --in-place both say where the bundle goes.", "Give one of them.")
    from fieldmark.models.bundle import find_bundle

    return find_bundle(run)


def print_added(terminal: Terminal, added: "ClassAdded") -> None:
    """Print the new bundle's folder, and on stderr how well the class is told from others."""
    for row in added.broken:
        terminal.warn(f"Left out: {printable(row.path)}: {printable(row.reason)}")
    terminal.note(f"{added.name} was learned from {added.pictures} picture{'s' if added.pictures != 1 else ''}.")
    if added.recognised is not None:
        terminal.note(f"Recognised of these by a row that was fitted without them: {percent(added.recognised)}.")
    if added.taken is not None:
        terminal.note(f"Taken from other classes' held-out pictures that were recognised: {percent(added.taken)}.")
    for note in added.notes:
        terminal.warn(f"Note: {note}")
    _print_places(terminal, added.bundle, added.kept)


def print_removed(terminal: Terminal, removed: "ClassRemoved") -> None:
    """Print the new bundle's folder."""
    for note in removed.notes:
        terminal.warn(f"Note: {note}")
    _print_places(terminal, removed.bundle, removed.kept)


def _print_places(terminal: Terminal, bundle: Path, kept: Path | None) -> None:
    if kept is not None:
        terminal.note(f"The bundle as it was: {kept}")
    terminal.result(printable(str(bundle)))


def print_neighbours(terminal: Terminal, found: NearestPictures) -> None:
    """Print a table of the nearest pictures, the whole picture first, then part by part."""
    terminal.result(printable(f"{found.source}: {found.label}, {percent(found.probability)}"))
    rows = []
    for each in found.compared:
        for place, one in enumerate(each.nearest, start=1):
            rows.append([each.part if place == 1 else "", f"{one.similarity:.3f}", one.label or "-", one.path])
        if not each.nearest:
            rows.append([each.part, "-", "-", "hardly there" if each.presence < 1 else "no pictures to compare with"])
    terminal.table(["compared by", "similarity", "class", "picture"], rows)
    how = "" if found.exact else " by an index, which may miss some"
    terminal.note(f"{found.searched:,} training pictures were compared{how}.")
    for note in found.notes:
        terminal.warn(f"Note: {note}")
