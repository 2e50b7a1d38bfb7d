"""Recognisers in OpenVINO's format: a folder of two files."""

import shutil
import tempfile
from pathlib import Path

from fieldmark.export.job import Exported, ExportJob
from fieldmark.export.libraries import import_library
from fieldmark.export.source import ExportSource
from fieldmark.predict.engines import OPENVINO_FILE
from fieldmark.predict.openvino_engine import FACTS, OpenVinoEngine
from fieldmark.record_files import replace_folder


def write_openvino(job: ExportJob) -> Exported:
    """Write a recogniser as a folder of OpenVINO's ``.xml`` and ``.bin``, and check it, as ``export_onnx`` does.

    The network is that of the ONNX file, in float32; what it tells of itself stands under ``fieldmark`` in its
    runtime information.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        DataError: there are no pictures to check the file with.
        ExportError: OpenVINO isn't installed, the network can't be translated, or the file decides otherwise than torch
            on a picture or gives other outputs; then nothing is written.
    """
    openvino = import_library("openvino", "openvino")
    onnx = import_library("onnx", "openvino")
    source = ExportSource.load(job)
    partial = job.out.with_name(job.out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            onnx.save(source.graph(), file)
            model = openvino.convert_model(file)
        for key, value in source.facts.items():
            model.set_rt_info(value, [FACTS, key])
        openvino.save_model(model, partial / OPENVINO_FILE, compress_to_fp16=False)
        finding = source.check(OpenVinoEngine(partial / OPENVINO_FILE), "OpenVINO", job.progress)
        replace_folder(partial, job.out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(job.out, (finding,))
