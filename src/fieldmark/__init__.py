"""Fieldmark: fine-grained image recognition that says which local mark decided.

The public names are loaded when they are first used, so that importing the package stays cheap.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fieldmark.audit import audit_table
    from fieldmark.data.reading import read_table
    from fieldmark.data.table import Table
    from fieldmark.errors import FieldmarkError
    from fieldmark.evaluation import compare_runs, evaluate, evaluate_seeds, fit_decisions
    from fieldmark.explain import field_marks
    from fieldmark.export import export_onnx
    from fieldmark.field_guide import write_guide
    from fieldmark.gallery import add_class, neighbours, remove_class
    from fieldmark.predict import load_predictor
    from fieldmark.records import Prediction
    from fieldmark.report import write_report
    from fieldmark.serve import create_app
    from fieldmark.synthetic import generate_birds
    from fieldmark.training.config import TrainConfig
    from fieldmark.training.pretrain import pretrain
    from fieldmark.training.pretrain_config import PretrainConfig
    from fieldmark.training.seeds import train_seeds
    from fieldmark.training.train import train

__version__ = "0.1.0"

__all__ = [
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

#: Public name → the module that defines it.
_HOMES = {
    "FieldmarkError": "fieldmark.errors",
    "Prediction": "fieldmark.records",
    "PretrainConfig": "fieldmark.training.pretrain_config",
    "Table": "fieldmark.data.table",
    "TrainConfig": "fieldmark.training.config",
    "add_class": "fieldmark.gallery",
    "audit_table": "fieldmark.audit",
    "compare_runs": "fieldmark.evaluation",
    "create_app": "fieldmark.serve",
    "evaluate": "fieldmark.evaluation",
    "evaluate_seeds": "fieldmark.evaluation",
    "export_onnx": "fieldmark.export",
    "field_marks": "fieldmark.explain",
    "fit_decisions": "fieldmark.evaluation",
    "generate_birds": "fieldmark.synthetic",
    "load_predictor": "fieldmark.predict",
    "neighbours": "fieldmark.gallery",
    "pretrain": "fieldmark.training.pretrain",
    "read_table": "fieldmark.data.reading",
    "remove_class": "fieldmark.gallery",
    "train": "fieldmark.training.train",
    "train_seeds": "fieldmark.training.seeds",
    "write_guide": "fieldmark.field_guide",
    "write_report": "fieldmark.report",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
