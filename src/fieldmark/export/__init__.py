"""Networks as files of other libraries; nothing is written that gives other outputs than Fieldmark's own."""

from fieldmark.export.formats import FORMATS, ExportFormat, export

__all__ = ["FORMATS", "ExportFormat", "export"]
