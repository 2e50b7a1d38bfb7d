import inspect
import re
import subprocess
import sys

import pytest

import fieldmark

NAMES = [
    "FieldmarkError",
    "Prediction",
    "PretrainConfig",
    "Table",
    "TrainConfig",
    "add_class",
    "audit_table",
    "compare_runs",
    "create_app",
    "evaluate",
    "evaluate_seeds",
    "export_onnx",
    "field_marks",
    "fit_decisions",
    "generate_birds",
    "load_predictor",
    "neighbours",
    "pretrain",
    "read_table",
    "remove_class",
    "train",
    "train_seeds",
    "write_guide",
    "write_report",
]


def test_the_public_names_are_these_and_each_one_loads() -> None:
    assert fieldmark.__all__ == NAMES
    assert set(NAMES) <= set(dir(fieldmark))
    for name in NAMES:
        assert getattr(fieldmark, name).__name__ == name


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        fieldmark.nonesuch  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import fieldmark, sys; sys.exit(bool({'torch', 'polars', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_where_a_path_is_taken_its_text_is_taken_too() -> None:
    functions = [getattr(fieldmark, name) for name in NAMES if inspect.isfunction(getattr(fieldmark, name))]
    taken = {
        (function.__name__, parameter.name): str(parameter.annotation)
        for function in functions
        for parameter in inspect.signature(function).parameters.values()
        if "Path" in str(parameter.annotation)
    }
    assert len(taken) > 30
    assert [place for place, annotation in taken.items() if not re.search(r"\bstr\b", annotation)] == []
