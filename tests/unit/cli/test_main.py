import errno
import importlib.metadata
import os
import re
import resource
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

import fieldmark
from fieldmark.cli import main as entry
from fieldmark.errors import DataError

COMMANDS = ["demo", "train", "evaluate", "predict", "report", "export", "data check", "data cache", "data shard"]
COMMANDS += ["scale predict"]


def raising(error: BaseException) -> typer.Typer:
    """The application's own way to report, over a command that fails."""
    app = typer.Typer(cls=entry._Reporting, pretty_exceptions_enable=False)

    @app.callback()
    def group() -> None: ...

    @app.command("train")
    def train() -> None:
        raise error

    return app


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    result = CliRunner().invoke(entry.app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"\n    fieldmark {command}" in result.stdout
    assert "--quiet" in result.stdout


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from fieldmark.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'timm', 'polars', 'sklearn', 'numpy', 'PIL'} & set(sys.modules)\n"
        "sys.exit(' '.join(sorted(heavy)) or 0)\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Commands:" in done.stdout
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 1.0, "processor seconds; wall time depends on what else the machine does"


def test_version_names_the_libraries_and_threads_without_importing_them() -> None:
    code = (
        "import sys\n"
        "from fieldmark.cli.main import app\n"
        "try: app(['--version'])\n"
        "finally: assert not {'torch', 'onnxruntime'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "7"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    version = r"(\d+\.\d+\S*|not installed)"
    expected = rf"fieldmark {fieldmark.__version__}, torch \d+\.\d+\S*, onnxruntime {version}, 7 threads\n"
    assert re.fullmatch(expected, done.stdout), done.stdout


def test_version_says_which_library_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "onnxruntime":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.2.3"

    monkeypatch.setattr(importlib.metadata, "version", version)
    done = CliRunner().invoke(entry.app, ["--version"])
    assert "torch 1.2.3, onnxruntime not installed, " in done.stdout


@pytest.mark.parametrize(
    ("typed", "place", "offered"), [("fieldmark pred", 1, "predict"), ("fieldmark data c", 2, "cache")]
)
def test_the_shell_completes_commands(typed: str, place: int, offered: str) -> None:
    environment = {**os.environ, "_FIELDMARK_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(place)}
    code = "from fieldmark.cli.main import app; app(prog_name='fieldmark')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert offered in done.stdout.split(), done.stderr


def test_a_mistake_is_a_message_with_its_cure_on_stderr() -> None:
    result = CliRunner().invoke(raising(DataError("The cat sat.", "Lift it.")), ["train"])
    assert result.exit_code == 2
    assert result.stderr == "error: The cat sat.\nLift it.\n"
    assert result.stdout == ""


def test_names_that_are_not_utf8_can_be_complained_about() -> None:
    result = CliRunner().invoke(raising(DataError("No caf\udce9.jpg,\nno \x1b[2J.jpg.")), ["train"])
    assert result.exit_code == 2
    assert result.stderr == "error: No caf\\udce9.jpg,\nno \\x1b[2J.jpg.\n"


def test_stopping_says_how_to_go_on() -> None:
    result = CliRunner().invoke(raising(KeyboardInterrupt()), ["train"])
    assert result.exit_code == 130
    assert "--resume" in result.stderr


def test_faults_of_the_machine_are_messages_too() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/a")
    result = CliRunner().invoke(raising(full), ["train"])
    assert result.exit_code == 2
    assert "runs/a: No space left" in result.stderr
    assert "data cache" in result.stderr


@pytest.mark.parametrize("bug", [ZeroDivisionError("bug"), OSError(errno.EBADF, "bug")])
def test_a_bug_keeps_its_traceback(bug: Exception) -> None:
    result = CliRunner().invoke(raising(bug), ["train"])
    assert result.exception is bug


def test_a_wrong_option_is_a_usage_error() -> None:
    result = CliRunner().invoke(entry.app, ["train", "x", "--out", "y", "--epocs", "3"])
    assert result.exit_code == 2
    assert "--epocs" in result.stderr
    assert "--epochs" in result.stderr
