"""The recogniser that is to be exported, with what it takes to check its files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.data.table import Table
from fieldmark.export.job import ExportJob
from fieldmark.export.network_graph import facts_of, network_graph
from fieldmark.export.parity import CHECKED, Parity, compare, refuse_differences
from fieldmark.export.sample_pictures import shuffled, sources_of, table_of
from fieldmark.models.bundle import BundleInfo, load_bundle
from fieldmark.models.recognizer import Recognizer
from fieldmark.predict.contract import Engine
from fieldmark.predict.deciding import OutputDecider, load_decider
from fieldmark.predict.torch_engine import TorchEngine
from fieldmark.records import Progress

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class ExportSource:
    """A recogniser and the pictures that its files are checked with.

    Attributes:
        run: the run's folder.
        recognizer: the network.
        info: its bundle.
        decider: its decisions, if it has any.
        facts: what its files tell of themselves, each as JSON.
        table: rows with pictures.
    """

    run: Path
    recognizer: Recognizer
    info: BundleInfo
    decider: OutputDecider | None
    facts: dict[str, str]
    table: Table

    @staticmethod
    def load(job: ExportJob) -> "ExportSource":
        """Read the bundle of a run and its table.

        Raises:
            BundleError: there is no bundle, or it can't be read.
            DataError: there are no pictures to check files with.
        """
        recognizer, info = load_bundle(job.run)
        decider = load_decider(job.run, info)
        return ExportSource(job.run, recognizer, info, decider, facts_of(job.run, info), table_of(job.run, job.data))

    def graph(self) -> "onnx.ModelProto":
        """Translate the recogniser to ONNX.

        Raises:
            ExportError: ONNX isn't installed, or the network does something that can't be translated.
        """
        return network_graph(self.recognizer, self.info, self.facts)

    def torch_engine(self) -> TorchEngine:
        """Return the engine that the others must equal."""
        return TorchEngine(self.recognizer, self.info.preprocessing)

    def compare(self, engine: Engine, progress: Progress | None) -> Parity:
        """Compare an engine with torch on the table's pictures, drawn by chance.

        Raises:
            DataError: none of the pictures can be read.
        """
        sources = sources_of(shuffled(self.table))
        return compare(self.torch_engine(), engine, self.info, self.decider, sources, progress=progress)

    def check(self, engine: Engine, form: str, progress: Progress | None) -> str:
        """Refuse an engine that doesn't give what torch gives; say what was found.

        Raises:
            ExportError: a decision differs, or an output by more than the tolerance.
            DataError: none of the pictures can be read.
        """
        parity = self.compare(engine, progress)
        refuse_differences(parity, form)
        only = "" if parity.pictures >= CHECKED else " (all that there are)"
        return (
            f"The same decision as torch on {parity.pictures:,} of {parity.pictures:,} pictures{only}; "
            f"logits differ by at most {parity.largest:.1g} of the largest."
        )
