"""What the documentation says exists: files that it links to, commands, options, targets and names that it quotes."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

import fieldmark
from fieldmark.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_INDENTED = re.compile(r"(?:^|\n\n)((?: {4}.*(?:\n|$))+)")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CALL = re.compile(r"(?:^|\s)(?<!from )fieldmark\s+(.*)")
_OPTION = re.compile(r"--[a-z][a-z0-9-]*")
_OURS = re.compile(r"(?<![\w./-])(?:benchmarks|docs|examples|scripts|src|tests)/[\w./-]*\w")


def pieces_of_code(text: str) -> Iterator[str]:
    """Yield every line of a code block, and every piece of code inside a line."""
    for _, block in _FENCE.findall(text):
        yield from block.splitlines()
    rest = _FENCE.sub("", text)
    for block in _INDENTED.findall(rest):
        yield from (line.strip() for line in block.splitlines())
    yield from _INLINE.findall(rest)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def broken_links(text: str, page: Path) -> list[str]:
    """Return the relative links of a page's text that lead nowhere."""
    broken = []
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def options_of(command: object) -> set[str]:
    """Return the options of a command, as they are written."""
    return {"--help"} | {
        option
        for parameter in command.params  # type: ignore[attr-defined]
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }


def commands(group: object, path: str = "") -> dict[str, set[str]]:
    """Return every command's full name with its options; the application's own name is empty."""
    found = {path: options_of(group)}
    for name, command in getattr(group, "commands", {}).items():
        found |= commands(command, f"{path} {name}".strip())
    return found


COMMANDS = commands(typer.main.get_command(app))


def unknown_in_call(call: str) -> list[str]:
    """Return what a command line after `fieldmark` names that does not exist."""
    words = re.split(r"\s[|>#]\s", call)[0].replace("`", "").split()
    named = list(itertools.takewhile(lambda word: re.fullmatch(r"[a-z]+(-[a-z]+)*", word), words))
    group = bool(named) and any(name.startswith(f"{named[0]} ") for name in COMMANDS)
    name = " ".join(named[: 2 if group else 1])  # empty before an option of the application, or a stand-in
    if name not in COMMANDS:
        return [name]
    return [word for word in words if _OPTION.fullmatch(word) and word not in COMMANDS[name]]


def unknown_in_code(piece: str) -> list[str]:
    """Return the commands and options in a piece of code that don't exist."""
    if call := _CALL.search(piece):
        return unknown_in_call(call[1])
    if not piece.startswith("--"):  # another program's
        return []
    everything = set().union(*COMMANDS.values())
    return [option for option in _OPTION.findall(piece) if option not in everything]


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page.read_text(encoding="utf-8"), page) == []


def test_every_command_and_option_exists(page: Path) -> None:
    pieces = pieces_of_code(page.read_text(encoding="utf-8"))
    assert {piece: unknown for piece in pieces if (unknown := unknown_in_code(piece))} == {}


def test_every_file_that_is_named_exists(page: Path) -> None:
    named = {name for piece in pieces_of_code(page.read_text(encoding="utf-8")) for name in _OURS.findall(piece)}
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_target_of_make_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    pieces = pieces_of_code(page.read_text(encoding="utf-8"))
    quoted = {target for piece in pieces for target in re.findall(r"^make (?:\w+=\S+ )?([a-z]+)", piece)}
    assert quoted <= targets


def test_the_readme_has_the_two_commands_that_do_everything() -> None:
    lines = {piece.split("#")[0].strip() for piece in pieces_of_code((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert {"make demo", "make test"} <= lines


def test_the_python_of_the_readme_uses_public_names() -> None:
    blocks = [
        code for kind, code in _FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8")) if kind == "python"
    ]
    assert blocks
    imported = [
        alias.name
        for block in blocks
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and node.module == "fieldmark"
        for alias in node.names
    ]
    assert imported
    assert set(imported) <= set(fieldmark.__all__)


def test_these_checks_find_faults() -> None:
    assert broken_links("[a](docs/nonesuch.md) [b](#nonesuch) [c](docs/data.md#formats)", ROOT / "README.md") == [
        "docs/nonesuch.md",
        "#nonesuch",
    ]
    text = "```\n$ fieldmark fly RUN\n```\n\n    fieldmark data check X --wings\n\n`--feathers 3` and `ruff --beak`\n"
    unknown = [word for piece in pieces_of_code(text) for word in unknown_in_code(piece)]
    assert unknown == ["fly", "--wings", "--feathers"]
    assert unknown_in_code("torchrun --nproc-per-node 2 -m fieldmark train PATH --out RUN") == []
    assert unknown_in_code("fieldmark predict RUN X --format csv > names.csv") == []
    assert unknown_in_code("fieldmark train PATH --top 3") == ["--top"]
    assert unknown_in_code("fieldmark data fly") == ["data fly"]
    assert unknown_in_code("fieldmark name-wing RUN 3") == ["name-wing"]
    assert unknown_in_code("fieldmark name-part RUN 3 wing --bar") == ["--bar"]
    assert {"data check", "train", "predict"} <= set(COMMANDS)
