"""What is to be exported, and what came of it; the same of every format."""

from dataclasses import dataclass
from pathlib import Path

from fieldmark.records import Progress


@dataclass(frozen=True, slots=True)
class ExportJob:
    """What is to be exported.

    Attributes:
        run: the run's folder.
        out: the file or folder to write, atomically; one that is there is replaced.
        data: pictures to check the file with; ``None`` for those that the run was trained on.
        progress: called with the pictures done and in all while the file is checked.
    """

    run: Path
    out: Path
    data: Path | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported.

    Attributes:
        file: the file or folder.
        findings: what checking it came to, in sentences.
    """

    file: Path
    findings: tuple[str, ...] = ()
