"""Networks as files of other libraries; nothing is written that gives other outputs than Fieldmark's own."""

from fieldmark.export.formats import FORMATS, ExportFormat, export
from fieldmark.export.job import Exported
from fieldmark.export.onnx_file import export_onnx

__all__ = ["FORMATS", "ExportFormat", "Exported", "export", "export_onnx"]
