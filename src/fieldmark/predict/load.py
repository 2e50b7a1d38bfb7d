"""Load a predictor from a run or a bundle."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fieldmark.predict.contract import Predictor


def load_predictor(
    run: Path | str, *, engine: str = "torch", device: str = "cpu", batch_size: int = 32, top: int = 5
) -> "Predictor":
    """Load the recogniser of a run, ready to predict.

    Args:
        run: a run's folder, or a bundle.
        engine: what runs the network, a name in ``ENGINES``: ``"torch"``, or ``"onnx"`` and others that run what
            ``fieldmark export`` wrote; these need no torch, and decide the same.
        device: where the network runs, as torch names it, such as ``"cuda"``; other engines run on the processor only.
        batch_size: pictures that go through the network at once, at least 1; an engine that runs several batches at
            once shares them out.
        top: how many classes a prediction lists, at least 1.

    Raises:
        BundleError: there is no bundle, it can't be read, or it was not exported for this engine.
        ConfigError: an unknown engine or device, a size below 1, or the engine's library isn't installed.
    """
    from fieldmark.errors import unknown_name
    from fieldmark.predict.deciding import load_decider
    from fieldmark.predict.engines import ENGINES
    from fieldmark.predict.picture_predictor import PicturePredictor

    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    runner, info = ENGINES[engine](Path(run), device)
    decider = load_decider(Path(run), info)
    return PicturePredictor(runner, info, decider=decider, batch_size=batch_size, top=top)
