"""Does an exported file decide as torch does, picture by picture, from the file's bytes to the decision?

    python benchmarks/export_parity.py
    python benchmarks/export_parity.py --only grocery

Three bundles with decision rules, one of each kind of parts (the whole picture, annotated keypoints, discovered parts
with the rest of the picture), trained briefly: equality does not depend on how right a network is. Each is exported as
ONNX and for OpenVINO; then torch and the file predict every picture of the test split. Label, known or unknown, the
candidates, the rank and the name that are certain must all be the same. Finished bundles are kept in
benchmarks/results/runs and not repeated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from experiment import Experiment, argument_parser
from exported_runs import CONFIGS, short_run
from fieldmark.export import FORMATS
from fieldmark.export.job import ExportJob
from fieldmark.export.parity import TOLERANCE, compare
from fieldmark.export.sample_pictures import sources_of
from fieldmark.export.source import ExportSource
from fieldmark.predict.engines import ENGINES
from record import Json, Row, Scalar, chosen_options, write_results

#: What is written of each bundle.
FORMS = ("onnx", "openvino")

#: Fewest pictures that count.
FEWEST = 1000


def main() -> None:
    """Export and compare what is not stored yet, and write the results of all."""
    parser = argument_parser(__doc__, CONFIGS, "one", quick="generated birds only, few of them: does it run?")
    arguments = parser.parse_args()
    bench = Experiment("export_parity", arguments.shared, quick=arguments.quick)
    names = ["birds"] if arguments.quick else list(CONFIGS)
    jobs = [(name, form) for name in names for form in FORMS]
    found = list(
        bench.gather(
            jobs,
            lambda job: arguments.only in (None, job[0]),
            key,
            lambda job: run(bench, *job),
        )
    )
    notes = {
        "protocol": "test split, file bytes to decision; label, known, candidates, certain rank and name compared",
        "tolerance of outputs": f"{TOLERANCE:g} of the largest, at least of 1",
        "pictures": f"at least {FEWEST:,} a bundle",
    }
    write_results("export_parity", rows_of(found), out=arguments.out, quick=arguments.quick, notes=notes)


def key(job: tuple[str, str]) -> dict[str, Scalar]:
    """Return what decides a job's result."""
    name, form = job
    return {"bundle": name, "format": form, "config": chosen_options(replace(CONFIGS[name], weights="none"))}


def run(bench: Experiment, name: str, form: str) -> dict[str, Json]:
    """Export a bundle in a format and compare it with torch on the test split."""
    folder = short_run(bench, name)
    job = ExportJob(folder, FORMATS[form].default_place(folder))
    FORMATS[form].write(job)
    source = ExportSource.load(job)
    engine, info = ENGINES[form](folder, "cpu")
    test = source.table.split("test")
    found = compare(source.torch_engine(), engine, info, source.decider, sources_of(test), count=len(test))
    return {
        "bundle": name,
        "format": form,
        "pictures": found.pictures,
        "differing": len(found.differing),
        "largest": found.largest,
        "outputs": found.outputs,
        "rule": source.decider is not None,
        "fingerprint": source.table.fingerprint(),
    }


def rows_of(found: Sequence[Mapping[str, Json]]) -> list[Row]:
    """Hold the shares of equal decisions against the goal."""
    rows = []
    for each in found:
        what, pictures = f"{each['bundle']}, {each['format']}", int(each["pictures"])
        share = 100 * (1 - each["differing"] / pictures)
        enough = pictures >= FEWEST and each["rule"]
        rows += [
            Row(f"{what}: equal decisions (%)", share, goal=">= 100", holds=bool(share >= 100 and enough)),
            Row(f"{what}: pictures", pictures, goal=f">= {FEWEST}", holds=pictures >= FEWEST),
            Row(f"{what}: largest difference of a logit (of the largest)", each["largest"]),
            Row(f"{what}: largest difference of any output (of its largest)", max(each["outputs"].values())),
        ]
    return rows


if __name__ == "__main__":
    main()
