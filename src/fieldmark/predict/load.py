"""Load a predictor from a run or a bundle."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fieldmark.predict.contract import Predictor


def load_predictor(run: Path | str, *, device: str = "cpu", batch_size: int = 32, top: int = 5) -> "Predictor":
    """Load the recogniser of a run, ready to predict.

    Args:
        run: a run's folder, or a bundle.
        device: where the network runs, as torch names it, such as ``"cuda"``.
        batch_size: pictures that go through the network at once, at least 1.
        top: how many classes a prediction lists, at least 1.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        ConfigError: an unknown device, or a size below 1.
    """
    from fieldmark.models.bundle import load_bundle
    from fieldmark.predict.deciding import load_decider
    from fieldmark.predict.picture_predictor import PicturePredictor
    from fieldmark.predict.torch_engine import TorchEngine

    recognizer, info = load_bundle(Path(run))
    engine = TorchEngine(recognizer, info.preprocessing, device=device)
    decider = load_decider(Path(run), info)
    return PicturePredictor(engine, info, decider=decider, batch_size=batch_size, top=top)
