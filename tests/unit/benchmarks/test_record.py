import json
import math
import sys
from pathlib import Path

import pytest

import record
from record import ROOT, Row, RunStore, command, machine, write_results

ROWS = (
    Row("top-1, %", 87.5, spread=0.4, goal=">= 85", anchor="86.04 (published)", holds=True),
    Row("decoding, x Pillow", 1.5, goal=">= 2", holds=False),
)


def test_the_file_holds_rows_commit_machine_and_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks/birds.py", "--seeds", "3"])
    path = write_results("birds", ROWS, out=tmp_path / "new" / "birds.json", quick=True, notes={"split": "test"})
    content = json.loads(path.read_text(encoding="utf-8"))
    assert list(content) == ["name", "commit", "machine", "command", "quick", "when", "notes", "rows"]
    assert content["command"] == "python benchmarks/birds.py --seeds 3"
    assert content["quick"] is True
    assert content["notes"] == {"split": "test"}
    assert content["rows"][0] == {
        "metric": "top-1, %",
        "value": 87.5,
        "spread": 0.4,
        "goal": ">= 85",
        "anchor": "86.04 (published)",
        "holds": True,
    }
    assert content["rows"][1]["holds"] is False
    printed = capsys.readouterr().out
    assert "87.5" in printed
    assert "NO" in printed
    assert [file.name for file in path.parent.iterdir()] == ["birds.json"]


def test_a_quick_run_leaves_the_full_result_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    full = write_results("birds", ROWS, out=None, quick=False)
    before = full.read_bytes()
    quick = write_results("birds", ROWS[:1], out=None, quick=True)
    assert full == tmp_path / "birds.json"
    assert quick != full
    assert full.read_bytes() == before


def test_a_figure_that_is_not_a_number_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(ValueError):
        write_results("birds", [Row("loss", math.nan)], out=tmp_path / "birds.json", quick=False)
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_no_place_of_this_machine():
    argv = [str(ROOT / "benchmarks/x.py"), "--out=/somewhere/else/x.json", str(ROOT.parent / "shared/data"), "a b", "1"]
    assert command(argv) == "python benchmarks/x.py --out=x.json ../shared/data 'a b' 1"


def test_the_machine_is_told_by_what_figures_depend_on():
    told = machine()
    assert set(told) == {"cpu", "cores", "memory_gib", "os", "python", "torch", "threads"}
    assert told["cores"] >= 1
    assert told["memory_gib"] > 0


def test_finished_runs_are_found_again_by_their_whole_key(tmp_path):
    RunStore("grocery", tmp_path / "runs").add({"seed": 0, "arm": "pad"}, {"top1": 0.8, "epochs": [1, 2]})
    again = RunStore("grocery", tmp_path / "runs")
    assert again.get({"arm": "pad", "seed": 0}) == {"top1": 0.8, "epochs": [1, 2]}
    assert again.get({"seed": 1, "arm": "pad"}) is None
    assert again.get({"seed": 0}) is None


def test_a_run_measured_again_replaces_the_first(tmp_path):
    store = RunStore("grocery", tmp_path)
    store.add({"seed": 0}, {"top1": 0.1})
    store.add({"seed": 0}, {"top1": 0.2})
    assert store.get({"seed": 0}) == {"top1": 0.2}


def test_a_line_cut_off_by_a_crash_costs_that_run_only(tmp_path):
    store = RunStore("grocery", tmp_path)
    store.add({"seed": 0}, {"top1": 0.1})
    file: Path = tmp_path / "grocery.jsonl"
    file.write_bytes(file.read_bytes() + b'{"key": {"seed": 1}, "resu')
    assert store.get({"seed": 1}) is None
    store.add({"seed": 2}, {"top1": 0.3})
    assert store.get({"seed": 0}) == {"top1": 0.1}
    assert store.get({"seed": 2}) == {"top1": 0.3}
