import pytest

from fieldmark.errors import ConfigError
from fieldmark.training.config import TrainConfig
from fieldmark.training.options import options_from_json, options_from_mapping, options_to_json


def test_json_round_trip_keeps_every_option() -> None:
    config = TrainConfig(
        backbone="resnet10t", backbone_options={"channels": (8, 16)}, mean=(0.5, 0.5, 0.5), time_limit=30.0
    )
    assert options_from_json(TrainConfig, options_to_json(config)) == config


def test_a_typo_never_trains() -> None:
    with pytest.raises(ConfigError, match="learnign_rate") as caught:
        options_from_mapping(TrainConfig, {"learnign_rate": 0.1})
    assert "'learning_rate'" in caught.value.cure


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("resolution", 5), ("crop_scale", 0.0), ("label_smoothing", 1.0), ("batch_size", True)],
)
def test_values_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        options_from_mapping(TrainConfig, {name: value})


def test_unknown_precision_lists_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="precision") as caught:
        TrainConfig(precision="fp16")
    assert "bf16" in caught.value.cure


def test_finishing_needs_its_resolution() -> None:
    with pytest.raises(ConfigError, match="finish_resolution"):
        TrainConfig(finish_epochs=2)


def test_not_json_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="not JSON"):
        options_from_json(TrainConfig, "epochs: 3")
