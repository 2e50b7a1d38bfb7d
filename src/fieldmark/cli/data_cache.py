"""`fieldmark data cache`."""

import time
from typing import Annotated

import typer

from fieldmark.cli.terminal import CacheFolder, Quiet, cache_folder, in_bytes, open_terminal


def data_cache(
    context: typer.Context,
    clear: Annotated[bool, typer.Option("--clear", help="Delete the entries instead of listing them.")] = False,
    key: Annotated[
        list[str] | None, typer.Option(help="With --clear: only the entry of this key; may be repeated.")
    ] = None,
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """List the decoded pictures that runs share, or delete them.

    What is deleted is decoded again when a run needs it.

    Examples:
      fieldmark data cache
      fieldmark data cache --clear
      fieldmark data cache --clear --key 3f2a91c07be4d518
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.data.cache import cache_entries, clear_cache

    folder = cache_folder(cache)
    if clear:
        terminal.result(f"Freed {in_bytes(clear_cache(folder, key or None))} in {folder}")
        return
    entries = cache_entries(folder)
    rows = [
        [
            entry.key,
            f"{entry.rows:,}",
            f"{entry.resolution} px",
            in_bytes(entry.bytes),
            _local_time(entry.last_used),
        ]
        for entry in entries
    ]
    if rows:
        terminal.table(["key", "pictures", "resolution", "size", "last used"], rows)
    noun = "entry" if len(rows) == 1 else "entries"
    terminal.result(f"{len(rows)} {noun}, {in_bytes(sum(entry.bytes for entry in entries))} in {folder}")


def _local_time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
