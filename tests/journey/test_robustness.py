"""Robustness in miniature, by the command line: draw birds, train against occlusion and bad light, measure, report."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import fieldmark
from fieldmark.augment import LIGHTS, OCCLUDERS
from fieldmark.cli.main import app
from fieldmark.results import EvalResult
from fieldmark.robustness_results import RobustnessResult
from fieldmark.synthetic import PARTS

SPECIES = 4
CHANCE = 1 / SPECIES

#: By how much accuracy on pictures as they are must beat chance, so that there is something to lose.
MARGIN = 0.10

OPTIONS = """
    --backbone resnet10t --backbone-option channels=[16,32,48,64] --resolution 48 --epochs 14 --batch-size 8
    --learning-rate 0.003 --crop-scale 0.8 --color 0.1 --label-smoothing 0 --dropout 0 --ema-decay 0.9 --precision 32
    --occlusion 0.3 --occluders grey,noise,texture,superpixels --lighting 0.3
"""


def invoke(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def measured(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("robustness")
    birds = fieldmark.generate_birds(folder / "birds", species=SPECIES, train=24, test=6, size=48)
    trained = invoke("train", birds, "--out", folder / "run", "--cache", cache, "--no-evaluate", *OPTIONS.split())
    assert trained.exit_code == 0, trained.stderr
    return folder / "run", invoke(
        "evaluate", folder / "run", "--cache", cache, "--robustness", "--robustness-pictures", 16
    )


def test_the_command_prints_tables_and_leaves_figures_and_pictures(measured: tuple[Path, Result]) -> None:
    run, done = measured
    assert done.exit_code == 0, done.stderr
    for words in ("Occlusion: 16 of 24 pictures", "superpixels", "temperature", "as much elsewhere"):
        assert words in done.stdout
    found = RobustnessResult.load(run)
    assert (found.n, found.available, found.boxes) == (16, 24, 1.0)
    assert found.fingerprint == EvalResult.load(run).fingerprint
    assert [curve.occluder for curve in found.curves if not curve.trained] == ["leaves"]
    assert tuple(curve.occluder for curve in found.curves) == tuple(OCCLUDERS)
    assert [light.kind for light in found.lights] == list(LIGHTS)
    assert {part.name for part in found.parts} <= set(PARTS)
    assert len(found.parts) > len(PARTS) // 2
    assert all((run / each.file).is_file() for each in found.examples)


def test_more_is_lost_the_more_is_covered(measured: tuple[Path, Result]) -> None:
    found = RobustnessResult.load(measured[0])
    mean = np.mean([curve.accuracy for curve in found.curves], axis=0)
    assert mean[0] == pytest.approx(found.clean.value)
    assert found.clean.value > CHANCE + MARGIN
    assert mean[-3:].mean() < mean[:3].mean()


def test_the_report_shows_it_and_needs_nothing_from_outside(measured: tuple[Path, Result]) -> None:
    page = (measured[0] / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="robustness">') :]
    assert "leaves, 60 % covered" in section
    assert section.count("data:image/jpeg") >= 2 * len(OCCLUDERS) + 2 * len(LIGHTS)
    for reference in ('src="http', 'href="http', "@import", "url(http"):
        assert reference not in page


def test_measuring_again_as_json_gives_the_same_figures(measured: tuple[Path, Result], cache: Path) -> None:
    run, _ = measured
    before = RobustnessResult.load(run)
    arguments = ("--robustness", "--robustness-pictures", 16, "--format", "json", "--quiet")
    again = RobustnessResult.from_json(invoke("evaluate", run, "--cache", cache, *arguments).stdout)
    assert (again.curves, again.lights, again.parts) == (before.curves, before.lights, before.parts)
