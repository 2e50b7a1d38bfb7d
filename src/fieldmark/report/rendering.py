"""From a template and what it shows to a run's report."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from fieldmark.record_files import save_text
from fieldmark.report.wording import count, decimal, percent, significant, sureness

#: Where a run keeps its report, seen from the run's folder.
REPORT_FILE = "report.html"


def write_page(run: Path, template: str, content: Mapping[str, object]) -> Path:
    """Write a run's report, atomically, and return its path.

    Args:
        run: the run's folder.
        template: a file in ``templates``; whatever it shows is escaped.
        content: name in the template → value; a name that is missing is an error.
    """
    return write_file(run / REPORT_FILE, template, content)


def write_file(path: Path, template: str, content: Mapping[str, object]) -> Path:
    """Write a page that needs no other file, atomically, and return its path.

    Args:
        path: the file; its folder is made where it is missing.
        template: a file in ``templates``; whatever it shows is escaped.
        content: name in the template → value; a name that is missing is an error.
    """
    page = environment().get_template(template).render(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    return save_text(path, page)


def environment() -> Environment:
    """Return what renders templates: everything is escaped, a name that is missing is an error."""
    environment = Environment(
        loader=PackageLoader("fieldmark.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=percent, count=count, decimal=decimal, significant=significant, sureness=sureness
    )
    return environment
