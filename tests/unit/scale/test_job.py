from dataclasses import replace
from pathlib import Path

import pytest

from fieldmark.data.table import Table, make_table
from fieldmark.errors import BundleError, ConfigError, DataError
from fieldmark.models.bundle import record_results
from fieldmark.scale.job import (
    PREDICTIONS,
    PredictionJob,
    PredictionOptions,
    PredictionSummary,
    RowRange,
    make_job,
    open_job,
    plan_ranges,
)

JOB = PredictionJob("t" * 16, "b" * 16, rows=5, shard_rows=2, top=3)


def table(root: Path) -> Table:
    return make_table({"path": ["a.png", "b.png", "c.png", "d.png", "e.png"]}, root, reader="flat")


def ranges(paths: list[str | None], shard_rows: int) -> list[tuple[int, int]]:
    return [(rows.first, rows.end) for rows in plan_ranges(paths, shard_rows)]


def test_ranges_cover_every_row_once_in_order() -> None:
    assert ranges(["x"] * 5, 2) == [(0, 2), (2, 4), (4, 5)]
    assert ranges(["x"] * 4, 2) == [(0, 2), (2, 4)]
    assert ranges(["x", None], 9) == [(0, 2)]
    assert ranges([], 3) == []


def test_no_range_reaches_from_one_shard_into_the_next() -> None:
    paths = [f"{name}.parquet#{row}" for name, rows in (("a", 3), ("b", 5)) for row in range(rows)]
    assert ranges([*paths, "plain.png"], 4) == [(0, 3), (3, 7), (7, 8), (8, 9)]


def test_files_are_named_by_their_rows_and_sort_like_them() -> None:
    names = [RowRange(first, first + 2).file_name for first in (0, 2, 98, 100, 1000)]
    assert names[0] == "rows-0000000000-0000000002.parquet"
    assert names == sorted(names)


@pytest.mark.parametrize("change", [{"table": "x"}, {"bundle": "x"}, {"rows": 6}, {"shard_rows": 3}, {"top": 1}])
def test_the_key_changes_with_everything_that_decides_the_result(change: dict[str, object]) -> None:
    assert replace(JOB, **change).key != JOB.key


def test_a_folder_in_use_is_taken_up_only_when_asked_and_only_for_the_same_job(tmp_path: Path) -> None:
    out = tmp_path / "out"
    open_job(out, JOB, table(tmp_path), resume=False)
    with pytest.raises(ConfigError, match="already holds a job"):
        open_job(out, JOB, table(tmp_path), resume=False)
    open_job(out, JOB, table(tmp_path), resume=True)
    with pytest.raises(ConfigError, match="another run and another number of classes"):
        open_job(out, replace(JOB, bundle="x", top=1), table(tmp_path), resume=True)
    assert Table.load(out / "table.parquet").fingerprint() == table(tmp_path).fingerprint()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match="holds no job"):
        open_job(tmp_path, JOB, table(tmp_path), resume=True)
    with pytest.raises(ConfigError, match="is a file"):
        open_job(tmp_path / "thesis.tex", JOB, table(tmp_path), resume=True)


def test_a_job_that_was_stopped_before_its_first_word_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "out" / PREDICTIONS).mkdir(parents=True)
    (tmp_path / "out" / "table.parquet.partial").write_bytes(b"x")
    open_job(tmp_path / "out", JOB, table(tmp_path), resume=False)
    assert (tmp_path / "out" / "job.json").is_file()


def test_the_bundle_s_fingerprint_changes_with_its_weights_and_not_with_what_was_measured(
    tiny_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    (run / "bundle").mkdir(parents=True)
    for file in (tiny_run / "bundle").iterdir():
        (run / "bundle" / file.name).write_bytes(file.read_bytes())
    before = make_job(table(tmp_path), run, PredictionOptions())
    record_results(run, {"top1": 0.5})
    assert make_job(table(tmp_path), run, PredictionOptions()) == before
    weights = run / "bundle" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert make_job(table(tmp_path), run, PredictionOptions()).bundle != before.bundle


def test_what_can_not_be_a_job_is_refused_with_a_cure(tiny_run: Path, tmp_path: Path) -> None:
    for options in (PredictionOptions(shard_rows=0), PredictionOptions(top=0), PredictionOptions(batch_size=0)):
        with pytest.raises(ConfigError) as wrong:
            make_job(table(tmp_path), tiny_run, options)
        assert "1 or more" in wrong.value.cure
    with pytest.raises(DataError, match="no rows with pictures"):
        make_job(make_table({"id": ["1"], "text": ["hello"]}, tmp_path, reader="text"), tiny_run, PredictionOptions())
    with pytest.raises(BundleError):
        make_job(table(tmp_path), tmp_path, PredictionOptions())


def test_a_summary_is_there_only_of_a_finished_job(tmp_path: Path) -> None:
    with pytest.raises(DataError) as unfinished:
        PredictionSummary.load(tmp_path)
    assert "--resume" in unfinished.value.cure
    summary = PredictionSummary(rows=5, broken=1, files=3, kept=2, writers=2, seconds=1.5)
    summary.save(tmp_path)
    assert PredictionSummary.load(tmp_path) == summary
