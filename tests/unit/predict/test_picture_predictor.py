import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from fieldmark.augment import normalise
from fieldmark.errors import BundleError, ConfigError
from fieldmark.models.bundle import load_bundle, read_info
from fieldmark.predict import load_predictor
from fieldmark.predict.contract import NetworkOutputs
from fieldmark.predict.picture_predictor import PicturePredictor


def test_probabilities_are_the_softmax_of_the_logits_at_the_temperature(tiny_run: Path) -> None:
    recognizer, info = load_bundle(tiny_run)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    x = normalise(torch.from_numpy(pixels), info.preprocessing.mean, info.preprocessing.std)
    with torch.no_grad():
        logits = recognizer(x).double().numpy()
    literal = np.exp(logits / 2.0) / np.exp(logits / 2.0).sum(1, keepdims=True)
    assert info.temperature == 2.0
    assert np.allclose(load_predictor(tiny_run).probabilities(pixels), literal, atol=1e-5)


def test_top_limits_the_listed_classes(tiny_run: Path) -> None:
    picture = np.zeros((20, 20, 3), np.uint8)
    assert len(load_predictor(tiny_run, top=2)([picture])[0].top) == 2
    assert len(load_predictor(tiny_run, top=99)([picture])[0].top) == 5


def test_bad_arguments_name_the_cure(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch size"):
        load_predictor(tiny_run, batch_size=0)
    with pytest.raises(ConfigError, match="'warp'"):
        load_predictor(tiny_run, device="warp")
    with pytest.raises(BundleError, match="no bundle"):
        load_predictor(tmp_path)


class CountingEngine:
    """Says of a picture which of five classes its first value stands for, and keeps how many came at once."""

    def __init__(self, parallel: int) -> None:
        self.parallel = parallel
        self.sizes: list[int] = []
        self.lock, self.inside, self.most = threading.Lock(), 0, 0

    def run(self, pixels: np.ndarray) -> NetworkOutputs:
        with self.lock:
            self.sizes.append(len(pixels))
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.01 * (len(self.sizes) % 3))  # later ones may be ready first
        logits = np.eye(5)[pixels[:, 0, 0, 0]] * 9
        with self.lock:
            self.inside -= 1
        return NetworkOutputs(
            logits=logits,
            embedding=np.zeros((len(pixels), 2), np.float32),
            vectors=np.zeros((len(pixels), 1, 2), np.float32),
            presence=np.ones((len(pixels), 1), np.float32),
            evidence=logits[:, None].astype(np.float32),
            maps=np.zeros((len(pixels), 2, 1, 1), np.float32),
        )


def flat(values: list[int]) -> np.ndarray:
    return np.broadcast_to(np.array(values, np.uint8)[:, None, None, None], (len(values), 48, 48, 3)).copy()


@pytest.mark.parametrize(("parallel", "batch_size", "most"), [(1, 8, 8), (3, 8, 3), (3, 1, 1), (64, 8, 1)])
def test_batches_are_shared_out_among_calls_and_the_order_stays(
    tiny_run: Path, parallel: int, batch_size: int, most: int
) -> None:
    info, values = read_info(tiny_run), [index * 7 % 5 for index in range(41)]
    for predict in ("stream", "list", "outputs", "probabilities"):
        engine = CountingEngine(parallel)
        predictor = PicturePredictor(engine, info, batch_size=batch_size)
        pixels = flat(values)
        if predict in ("stream", "list"):
            rows = list(predictor.predict_stream(iter(pixels))) if predict == "stream" else predictor(list(pixels))
            found = [info.classes.index(str(row.label)) for row in rows]
        else:
            scores = predictor.outputs(pixels).logits if predict == "outputs" else predictor.probabilities(pixels)
            found = scores.argmax(1).tolist()
        assert found == values, predict
        assert max(engine.sizes) == most, predict
        assert engine.most <= parallel, predict


def test_few_pictures_are_shared_out_as_well(tiny_run: Path) -> None:
    engine = CountingEngine(4)
    predictor = PicturePredictor(engine, read_info(tiny_run), batch_size=32)
    predictor(list(flat([0, 1, 2, 3, 4, 0, 1, 2])))
    assert engine.sizes == [2, 2, 2, 2]


def test_who_stops_reading_does_not_wait_for_all(tiny_run: Path) -> None:
    engine = CountingEngine(1)
    predictor = PicturePredictor(engine, read_info(tiny_run), batch_size=1)
    stream = predictor.predict_stream(iter(flat([0] * 100)))
    next(stream)
    stream.close()
    assert len(engine.sizes) < 5
