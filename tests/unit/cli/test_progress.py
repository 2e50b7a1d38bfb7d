import io

import pytest
from rich.console import Console

from fieldmark.cli import progress
from fieldmark.cli.observer import RichObserver
from fieldmark.cli.progress import LineBars, NoBars, RichBars, in_words
from fieldmark.cli.terminal import Terminal, in_bytes, percent


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


def test_lines_come_now_and_then_with_the_time_left(clock: Clock) -> None:
    stream = io.StringIO()
    with LineBars(Console(file=stream, width=200)) as bars:
        for done in range(101):
            bars.update("Decoding", done, 100, "loss 1.000")
            clock.now += 1
    lines = stream.getvalue().splitlines()
    assert lines[0] == "Decoding: 2 of 100, loss 1.000, about 1 min 38 s left"
    assert len(lines) == 7


def test_work_begun_anew_has_its_time_left_reckoned_anew(clock: Clock) -> None:
    """One seed after another: what the first took says nothing of how far the second is."""
    stream = io.StringIO()
    bars = LineBars(Console(file=stream, width=200))
    for _ in range(2):
        for done in range(21):
            bars.update("Training", done, 20)
            clock.now += 1
    assert stream.getvalue().splitlines()[-1] == "Training: 11 of 20, about 9 s left"


def test_short_work_prints_no_line(clock: Clock) -> None:
    stream = io.StringIO()
    bars = LineBars(Console(file=stream))
    for done in range(10):
        bars.update("Decoding", done, 10)
        clock.now += 0.1
    assert stream.getvalue() == ""


def test_bars_show_in_a_terminal_and_go_away() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system=None)
    with RichBars(console) as bars:
        bars.update("Decoding [x]", 3, 10)
        bars.update("Decoding [x]", 5, 10)
    assert "Decoding [x]" in stream.getvalue()
    assert "5/10" in stream.getvalue()


def test_a_bar_begun_anew_measures_its_time_anew() -> None:
    bars = RichBars(Console(file=io.StringIO()))
    begun = []
    for done, total in ((3, 10), (5, 10), (1, 20)):
        bars.update("Training", done, total)
        (task,) = bars._progress.tasks
        begun.append(task.start_time)
    assert begun[0] == begun[1] < begun[2]
    assert (task.completed, task.total) == (1, 20)


def test_quiet_prints_neither_notes_nor_progress(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=True)
    terminal.note("a note")
    assert isinstance(terminal.bars(), NoBars)
    with terminal.progress("Work") as update:
        update(1, 2)
    terminal.warn("a warning")
    terminal.result("a result")
    assert capsys.readouterr() == ("a result\n", "a warning\n")


def test_only_the_first_process_of_many_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    Terminal(quiet=False).note("hello")
    assert capsys.readouterr().err == ""


def test_names_with_brackets_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=False)
    terminal.note("left [bold]out[/bold]")
    terminal.table(["name"], [["[red]a"]])
    printed = capsys.readouterr()
    assert "[bold]out[/bold]" in printed.err
    assert "[red]a" in printed.out


def test_the_observer_tells_of_epochs(capsys: pytest.CaptureFixture[str]) -> None:
    with RichObserver(Terminal(quiet=False)) as observer:
        observer.start(20, 0)
        observer.step(1, 2.5)
        observer.epoch({"epoch": 1, "train_loss": 2.25, "val_top1": 0.5, "seconds": 65.0})
        observer.epoch({"epoch": 2, "train_loss": 2.0, "val_top1": None, "seconds": 1.0})
        observer.message("careful")
        observer.progress("Decoding pictures", 3, 4)
    assert capsys.readouterr().err.splitlines() == [
        "Epoch 1, loss 2.250, validation accuracy 50.0 %, 1 min 5 s",
        "Epoch 2, loss 2.000, 1 s",
        "careful",
    ]


def test_words_for_figures() -> None:
    assert [in_words(value) for value in (0.2, 59.6, 3660)] == ["0 s", "1 min 0 s", "1 h 1 min"]
    assert [in_bytes(value) for value in (999, 1500, 2_500_000, 3e9)] == ["999 B", "1.5 kB", "2.5 MB", "3.0 GB"]
    assert [percent(value) for value in (None, 0.8768)] == ["-", "87.7 %"]
