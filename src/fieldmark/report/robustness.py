"""The section of a report on robustness: curves under occlusion, lights, hidden parts, pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldmark.report.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Line, Tick
from fieldmark.report.embedding import EmbeddedPicture, embedding
from fieldmark.report.wording import percent
from fieldmark.robustness_results import (
    PICTURE_FOLDER,
    RESULT_FILE,
    CorruptedPicture,
    HiddenPart,
    OcclusionCurve,
    RobustnessResult,
)

#: Shares of the object that are written under the chart, and of accuracy that are written beside it.
_ACROSS = (0.0, 0.3, 0.6, 0.9)
_UP = (0.0, 0.25, 0.5, 0.75, 1.0)

#: Share of the pictures in which a part must be seen for the headline to name it.
_LEAST_SEEN = 0.25

#: Groups of pictures → what they are called.
_GROUPS = {"occlusion": "Occluders", "light": "Light", "annotated": "Hidden parts", "discovered": "Hidden parts"}

#: What stands beside a part that was found by the recogniser, and beside one that was annotated.
_SOURCES = {"annotated": "disc around the keypoint", "discovered": "the recogniser's own part"}


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A corrupted picture with its words."""

    kind: str
    level: str
    said: str
    right: bool
    picture: EmbeddedPicture


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A hidden part's row: its name, how it was hidden, and points lost with it and as much elsewhere."""

    name: str
    how: str
    n: int
    area: float
    lost: float
    elsewhere: float

    @property
    def own(self) -> float:
        """Points that it costs beyond what covering as much elsewhere does."""
        return self.lost - self.elsewhere


@dataclass(frozen=True, slots=True)
class RobustnessSection:
    """All that the template shows.

    Attributes:
        result: the figures.
        chart: accuracy under occlusion.
        parts: hidden parts, the dearest first.
        headline: the dearest part in a sentence, of those that are seen in a good part of the pictures; else empty.
        groups: heading → its pictures.
        clean: the picture shown, as it is; ``None`` where none was recognised.
    """

    result: RobustnessResult
    chart: Chart
    parts: tuple[ShownPart, ...]
    headline: str
    groups: tuple[tuple[str, tuple[ShownPicture, ...]], ...]
    clean: ShownPicture | None


def robustness_section(run: Path, names: Mapping[str, str]) -> RobustnessSection | None:
    """Read what was measured of a run's robustness; ``None`` where nothing was.

    Args:
        run: the run's folder.
        names: class → its readable name.

    Raises:
        DataError: the file is there and can't be read.
    """
    if not (run / RESULT_FILE).is_file():
        return None
    result = RobustnessResult.load(run)
    embed = embedding(run / PICTURE_FOLDER)
    shown = [(each.group, _shown(each, names, embed(each.file))) for each in result.examples]
    headings = list(dict.fromkeys(_GROUPS.values()))
    groups = [(heading, tuple(each for group, each in shown if _GROUPS.get(group) == heading)) for heading in headings]
    parts = tuple(_part(part) for part in sorted(result.parts, key=lambda part: part.hidden - part.clean))
    return RobustnessSection(
        result=result,
        chart=occlusion_chart(result.fractions, result.curves),
        parts=parts,
        headline=_headline([part for part in parts if part.n >= _LEAST_SEEN * result.n]),
        groups=tuple(group for group in groups if group[1]),
        clean=next((each for group, each in shown if group == "clean"), None),
    )


def occlusion_chart(fractions: Sequence[float], curves: Sequence[OcclusionCurve]) -> Chart:
    """Draw accuracy over the share that is covered, one line an occluder."""

    def x(fraction: float) -> float:
        return round(LEFT + (fraction - fractions[0]) / (fractions[-1] - fractions[0]) * (WIDTH - LEFT - RIGHT), 1)

    def y(accuracy: float) -> float:
        return round(HEIGHT - BOTTOM - accuracy * (HEIGHT - TOP - BOTTOM), 1)

    lines = tuple(
        Line(
            curve.occluder,
            place,
            " ".join(f"{x(share)},{y(value)}" for share, value in zip(fractions, curve.accuracy, strict=True)),
            f"{curve.auc.value:.1f}",
        )
        for place, curve in enumerate(curves)
    )
    across = tuple(Tick(x(share), percent(share, 0)) for share in _ACROSS if fractions[0] <= share <= fractions[-1])
    return Chart("Accuracy under occlusion", lines, across, tuple(Tick(y(mark), percent(mark, 0)) for mark in _UP), ())


def _shown(each: CorruptedPicture, names: Mapping[str, str], picture: EmbeddedPicture) -> ShownPicture:
    said = "still recognised" if each.right else f"called {names.get(each.predicted, each.predicted)}"
    return ShownPicture(each.kind, each.level, "recognised" if each.group == "clean" else said, each.right, picture)


def _part(part: HiddenPart) -> ShownPart:
    lost, elsewhere = 100 * (part.clean - part.hidden), 100 * (part.clean - part.elsewhere)
    return ShownPart(part.name, _SOURCES.get(part.source, part.source), part.n, part.area, lost, elsewhere)


def _headline(parts: Sequence[ShownPart]) -> str:
    if not parts:
        return ""
    dearest = parts[0]
    return f"Hide the {dearest.name}: {_points(dearest.lost)} points; as much elsewhere: {_points(dearest.elsewhere)}."


def _points(lost: float) -> str:
    """Write points that are lost as a change, in whole points, with a true minus."""
    change = -round(lost)
    return f"{change:+d}".replace("-", "\u2212") if change else "0"
