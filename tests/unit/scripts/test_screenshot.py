"""The script that takes a page's picture, with a stand-in for the browser."""

import os
import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "screenshot"

#: Tells its arguments and "takes" the picture by copying the page.
BROWSER = """#!/usr/bin/env bash
for argument in "$@"; do
    case "$argument" in
        --screenshot=*) picture="${argument#*=}" ;;
        --window-size=*) echo "$argument" > "$TOLD" ;;
        file://*) page="${argument#file://}" ;;
    esac
done
[[ -n "${BROKEN:-}" ]] && { echo "no display" >&2; exit 1; }
cp "$page" "$picture"
"""


def take(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    browser = folder / "browser"
    browser.write_text(BROWSER)
    browser.chmod(0o755)
    known = {"CHROMIUM": str(browser), "TOLD": str(folder / "told"), "PATH": os.environ["PATH"], **environment}
    command = ["bash", str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, check=False)


def test_it_takes_a_picture_of_a_page_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "a #1?.html").write_text("the page")
    done = take(tmp_path, "a #1?.html", "deep/picture.png", "640x480")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "deep" / "picture.png").read_text() == "the page"
    assert (tmp_path / "told").read_text() == "--window-size=640,480\n"
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["picture.png"]


def test_it_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("the page")
    assert "usage" in take(tmp_path, "page.html").stderr
    assert "There is no page other.html" in take(tmp_path, "other.html", "a.png").stderr
    assert "big is no size" in take(tmp_path, "page.html", "a.png", "big").stderr
    broken = take(tmp_path, "page.html", "a.png", BROKEN="yes")
    assert (broken.returncode, "no display" in broken.stderr) == (1, True)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "bash").symlink_to(shutil.which("bash") or "")
    none = take(tmp_path, "page.html", "a.png", CHROMIUM="", PATH=str(tools))
    assert none.returncode == 2
    assert "Chromium isn't installed" in none.stderr
    assert not (tmp_path / "a.png").exists()
