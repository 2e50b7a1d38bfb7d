"""The Dockerfile, without Docker: what it copies exists, and it runs as it should."""

import fnmatch
import json
import re
import tomllib
from pathlib import Path

import typer.main

from fieldmark.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """Return (instruction, arguments), lines that go on joined, comments left out."""
    lines = [line for line in TEXT.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def arguments(name: str) -> list[str]:
    return [rest for found, rest in instructions() if found == name]


def test_it_has_two_stages_and_the_second_takes_only_what_was_installed() -> None:
    assert len(arguments("FROM")) == 2
    last = [place for place, (name, _) in enumerate(instructions()) if name == "FROM"][-1]
    copies = [rest for name, rest in instructions()[last:] if name == "COPY"]
    assert copies == ["--from=build /opt/fieldmark /opt/fieldmark"]


def test_all_that_is_copied_exists_and_is_sent_to_docker() -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [word for rest in arguments("COPY") if "--from" not in rest for word in rest.split()[:-1]]
    assert {"pyproject.toml", "src", "constraints.txt"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in sent), f"{source} is ignored"


def test_what_pyproject_names_is_copied_before_it_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    before = TEXT[: TEXT.index("pip install -c")]
    for file in (project["readme"], *project["license-files"]):
        assert re.search(rf"^COPY .*\b{re.escape(file)}\b", before, re.M), file


def test_it_installs_extras_that_there_are_with_pinned_versions() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (install,) = re.findall(r"pip install -c constraints.txt '\.\[([a-z,]+)\]'", TEXT)
    assert set(install.split(",")) <= set(extras)
    assert "serve" in install
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    (pattern,) = re.findall(r"grep -E '([^']+)'", TEXT)
    assert [line.partition("==")[0] for line in pins if re.search(pattern, line)] == ["torch", "torchvision"]
    assert "whl/cpu" in TEXT


def test_it_does_not_run_as_root() -> None:
    (user,) = arguments("USER")
    assert user == "fieldmark"
    assert any("useradd" in rest and user in rest for rest in arguments("RUN"))


def test_by_default_it_serves_and_its_health_is_asked_for_at_the_same_port() -> None:
    assert json.loads(arguments("ENTRYPOINT")[0]) == ["fieldmark"]
    name, *words = json.loads(arguments("CMD")[0])
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options
    defaults = {parameter.name: parameter.default for parameter in command.params}
    (port,) = arguments("EXPOSE")
    assert str(defaults["port"]) == port
    (check,) = arguments("HEALTHCHECK")
    assert f"http://127.0.0.1:{port}/healthz" in check


def test_its_own_example_mounts_what_it_serves() -> None:
    served = json.loads(arguments("CMD")[0])[1]
    assert f":{served}:ro" in TEXT
