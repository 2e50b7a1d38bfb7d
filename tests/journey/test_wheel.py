"""The wheel holds all that the package needs, and works from where it is unpacked."""

import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import fieldmark

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "fieldmark"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as `pip wheel . --no-deps` does, with the build library that is here or one that pip fetches."""
    out = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--quiet", *isolation, "--wheel-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    if done.returncode and not isolation and "hatchling" in done.stderr:
        pytest.skip("hatchling (extra dev) isn't installed, and pip can't fetch it")
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


def test_every_file_of_the_package_is_in_it_and_nothing_else(wheel: Path) -> None:
    wanted = {
        file.relative_to(SOURCES.parent).as_posix()
        for file in SOURCES.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".partial"
    }
    assert {"fieldmark/report/templates/report.html.j2", "fieldmark/py.typed"} <= wanted
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == wanted


def test_it_names_the_command_the_extras_and_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = f"fieldmark-{fieldmark.__version__}.dist-info"
        assert "fieldmark = fieldmark.cli.main:main" in archive.read(f"{info}/entry_points.txt").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
        assert f"{info}/licenses/LICENSE" in archive.namelist()
    extras = {line.partition(": ")[2] for line in metadata.splitlines() if line.startswith("Provides-Extra: ")}
    assert {"audio", "hub", "keras", "ray", "text"} <= extras


def test_unpacked_it_writes_a_report(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    code = (
        "import fieldmark, sys\n"
        "from fieldmark.report.rendering import environment\n"
        "assert 'unpacked' in fieldmark.__file__, fieldmark.__file__\n"
        "print(len(environment().list_templates()))\n"
    )
    path = str(tmp_path / "unpacked")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= len(list((SOURCES / "report" / "templates").rglob("*.j2")))
