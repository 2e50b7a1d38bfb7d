"""What import-linter and ruff can't check: start-up imports, sizes, names, and the list of public names."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fieldmark

SOURCES = Path(fieldmark.__file__).parent
MODULES = sorted(SOURCES.rglob("*.py"))
MOST_LINES_OF_A_MODULE = 400
MOST_LINES_OF_A_FUNCTION = 65
FORBIDDEN_NAMES = {"utils", "helpers", "misc", "common"}
PUBLIC_NAMES = [
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
#: Each takes a good part of a second or more to import; `fieldmark --help` needs none.
HEAVY = {
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "keras",
    "h5py",
    "sklearn",
    "scipy",
    "pandas",
    "datasets",
    "tensorboard",
    "jinja2",
    "ray",
    "fastapi",
    "onnx",
    "onnxruntime",
    "openvino",
    "prometheus_client",
    "uvicorn",
}


def _imported_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_imports_nothing_heavy():
    assert _imported_after("import fieldmark") & HEAVY == set()


def test_starting_the_command_imports_nothing_heavy():
    imported = _imported_after("import fieldmark.cli.main")
    assert "typer" in imported
    assert imported & HEAVY == set()


def test_public_names_are_these():
    assert sorted(fieldmark.__all__) == PUBLIC_NAMES


def test_every_public_name_resolves():
    for name in PUBLIC_NAMES:
        assert getattr(fieldmark, name).__module__.startswith("fieldmark."), name


def test_modules_stay_short():
    lengths = {str(path.relative_to(SOURCES)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert len(lengths) > 10
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_MODULE} == {}


def test_functions_stay_short():
    lengths = {
        f"{path.relative_to(SOURCES)}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in MODULES
        for node in _nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(lengths) > 50
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FUNCTION} == {}


def test_nothing_is_ever_unpickled():
    found = {str(path.relative_to(SOURCES)): _imports(path) & {"pickle", "cloudpickle", "dill"} for path in MODULES}
    assert {name: names for name, names in found.items() if names} == {}
    assert [path.name for path in MODULES if "torch.load(" in path.read_text(encoding="utf-8")] == []


def test_every_module_is_named_for_what_it_does():
    assert [path.name for path in MODULES if path.stem in FORBIDDEN_NAMES or path.parent.name in FORBIDDEN_NAMES] == []


def _nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names
