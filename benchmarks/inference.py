"""Pictures a second from JPEG files to decisions, on all cores, beside others that run the same network.

    python benchmarks/inference.py

The network is MobileNetV2 at 224 px with a linear head on grocery's classes and a decision rule. Sides, on the same
files of grocery's test split, in turns within this one process:

* Fieldmark with the exported ONNX file (``engine="onnx"``) and with torch;
* a loop in the manner of timm's own ``inference.py``: its loader with two processes, its transforms, eager torch; also
  with its option of another memory layout;
* Hugging Face's ``pipeline("image-classification")`` around timm's network, loaded from a local folder.

All give the network the same resolution and weights (logits of the same pixels are compared first). The share of time
in the network is the rate of Fieldmark from files over that of the network alone on pictures in memory, which is the
limit: no decoding and no decisions.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from experiment import Experiment, argument_parser
from exported_runs import short_run
from fieldmark.export import FORMATS, export
from fieldmark.export.sample_pictures import table_of
from fieldmark.predict import load_predictor
from fieldmark.predict.exported import usable_cores
from fieldmark.predict.pictures import fitted_pixels
from inference_rivals import pipeline_of, same_logits, timm_loop, timm_network
from record import Row, write_results

#: Batch size → how many times as fast as the faster rival is asked for.
GOALS = {1: 2.0, 32: 3.0}

#: Batch size → pictures a round.
PICTURES, QUICK_PICTURES = {1: 256, 32: 384}, {1: 24, 32: 64}
ROUNDS, QUICK_ROUNDS = 5, 1

FIELDMARK, TORCH, LIMIT = "Fieldmark, onnx", "Fieldmark, torch", "the network alone, onnx"
TIMM, TIMM_LAST, PIPELINE = "timm's loop", "timm's loop, channels last", "Hugging Face's pipeline"

#: Does a piece of work on pictures.
Work = Callable[[Sequence[Path]], object]


def main() -> None:
    """Measure every side and write the results."""
    parser = argument_parser(__doc__, (), "none", quick="64 px, few pictures, one round: does it run?")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(usable_cores())
    bench = Experiment("inference", arguments.shared, quick=arguments.quick)
    run = short_run(bench, "grocery")
    if not FORMATS["onnx"].default_place(run).is_file():
        export(run, "onnx")
    table = table_of(run, None).split("test")
    paths = [table.root / path for path in table.frame["path"].to_list()]
    rows: list[Row] = []
    for batch_size in GOALS:
        with tempfile.TemporaryDirectory() as folder:
            rows += measured(run, paths, batch_size, Path(folder), quick=arguments.quick)
    notes = {
        "data": "grocery, test split, JPEG files of 256 px",
        "network": "MobileNetV2, 64 px (quick)" if arguments.quick else "MobileNetV2, 224 px",
        "threads": f"{usable_cores()} cores; torch {torch.get_num_threads()} threads, timm's loader 2 processes",
        "rates": "median over rounds, sides in turns; the first round of every side, which sets it up, is not counted",
    }
    write_results("inference", rows, out=arguments.out, quick=arguments.quick, notes=notes)


def measured(run: Path, paths: Sequence[Path], batch_size: int, folder: Path, *, quick: bool) -> list[Row]:
    """Measure every side with one batch size."""
    count = (QUICK_PICTURES if quick else PICTURES)[batch_size]
    sides = sides_of(run, paths[:count], batch_size, folder)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(1 + (QUICK_ROUNDS if quick else ROUNDS)):
        for name, work in sides.items():
            chosen = paths[: 2 * batch_size] if number == 0 else paths[:count]
            started = time.perf_counter()
            work(chosen)
            if number:
                rates[name].append(len(chosen) / (time.perf_counter() - started))
    return rows_of(rates, batch_size)


def sides_of(run: Path, paths: Sequence[Path], batch_size: int, folder: Path) -> dict[str, Work]:
    """Return every side's work."""
    exported = load_predictor(run, engine="onnx", batch_size=batch_size)
    plain = load_predictor(run, batch_size=batch_size)
    pixels = np.stack([fitted_pixels(path, exported.info.preprocessing) for path in paths])
    network, info = timm_network(run)
    if not same_logits(network, info, plain.outputs(pixels[:4]).logits, pixels[:4]):
        raise SystemExit("The rivals' network is another one.")
    return {
        FIELDMARK: lambda chosen: list(exported.predict_stream(chosen)),
        TORCH: lambda chosen: list(plain.predict_stream(chosen)),
        LIMIT: lambda chosen: exported.probabilities(pixels[: len(chosen)]),
        TIMM: timm_loop(network, info, batch_size),
        TIMM_LAST: timm_loop(timm_network(run)[0], info, batch_size, channels_last=True),
        PIPELINE: pipeline_of(network, info, folder, batch_size),
    }


def rows_of(rates: Mapping[str, Sequence[float]], batch_size: int) -> list[Row]:
    """Compare the sides' rates."""
    what, goal = f"batch {batch_size}", GOALS[batch_size]
    rows = [
        Row(f"{what}: {name} (pictures/s)", round(statistics.median(values), 2), spread=spread(values))
        for name, values in rates.items()
    ]
    faster = max((TIMM, PIPELINE), key=lambda name: statistics.median(rates[name]))
    for rival, asked in ((faster, goal), (TIMM_LAST, None), (TORCH, None)):
        times = [ours / theirs for ours, theirs in zip(rates[FIELDMARK], rates[rival], strict=True)]
        ratio = statistics.median(times)
        rows.append(
            Row(
                f"{what}: times as fast as {rival}",
                round(ratio, 3),
                spread=spread(times),
                goal=f">= {asked:g}" if asked else None,
                anchor="the faster of timm's loop and the pipeline" if asked else None,
                holds=ratio >= asked if asked else None,
            )
        )
    shares = [100 * ours / limit for ours, limit in zip(rates[FIELDMARK], rates[LIMIT], strict=True)]
    share = round(statistics.median(shares), 1)
    return [*rows, Row(f"{what}: share of the time in the network (%)", share, spread=spread(shares))]


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation over rounds; ``None`` of one."""
    return round(statistics.stdev(values), 3) if len(values) > 1 else None


if __name__ == "__main__":
    main()
