"""The page of the nearest training pictures, put into the template."""

from pathlib import Path

from fieldmark.neighbour_results import NearestPictures
from fieldmark.report.rendering import write_file
from fieldmark.report.wording import readable_names


def write_neighbours(found: NearestPictures, path: Path) -> Path:
    """Write the nearest training pictures as one HTML file that needs nothing else, atomically.

    Args:
        found: what to show.
        path: the file; its folder is made where it is missing.

    Returns:
        The file.
    """
    return write_file(path, "neighbours.html.j2", _content(found))


def _content(found: NearestPictures) -> dict[str, object]:
    labels = {one.label for each in found.compared for one in each.nearest if one.label} | {found.label}
    names = readable_names(sorted(labels))
    return {
        "result": found,
        "source": "a search for neighbours",
        "label": names[found.label],
        "name": lambda label: names.get(label, label),
        "file_name": lambda path: Path(path).name or path,
        "picture_name": Path(found.source).name or found.source,
        "agreeing": _agreeing(found),
    }


def _agreeing(found: NearestPictures) -> list[tuple[str, int, int]]:
    """Count, for each comparison, how many of the nearest are of the class that the picture is called."""
    return [
        (each.part, sum(one.label == found.label for one in each.nearest), len(each.nearest))
        for each in found.compared
        if each.nearest
    ]
