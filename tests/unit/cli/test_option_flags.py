import dataclasses
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fieldmark.cli.main import app
from fieldmark.cli.option_flags import options_from_flags, read_duration, read_option
from fieldmark.errors import ConfigError
from fieldmark.training.config import TrainConfig


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90s", 1.5), ("30m", 30), ("1h", 60), ("1h30m", 90), ("1h30m30s", 90.5), ("0.5h", 30), (" 2M ", 2)],
)
def test_durations(text: str, minutes: float) -> None:
    assert read_duration(text) == minutes


@pytest.mark.parametrize("text", ["", "30", "m", "30m1h", "-5m", "1 h", "half an hour"])
def test_durations_written_otherwise_name_the_cure(text: str) -> None:
    with pytest.raises(ConfigError, match="span of time") as caught:
        read_duration(text)
    assert "1h30m" in caught.value.cure


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pad_type=same", ("pad_type", "same")),
        ("channels=[8,16]", ("channels", (8, 16))),
        ("rate=0.5", ("rate", 0.5)),
        ("flag=true", ("flag", True)),
        ("none=null", ("none", None)),
        ("text=a=b", ("text", "a=b")),
    ],
)
def test_backbone_options(text: str, expected: tuple[str, object]) -> None:
    assert read_option(text) == expected


@pytest.mark.parametrize("text", ["pad_type", "=same", "a b=1", 'x={"a":1}', 'x=["a"]'])
def test_backbone_options_written_otherwise_name_the_cure(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_option(text)
    assert caught.value.cure


def test_no_flags_are_the_defaults() -> None:
    flags = dict.fromkeys((entry.name for entry in dataclasses.fields(TrainConfig)), None)
    assert options_from_flags(TrainConfig, flags, None) == TrainConfig()


def test_flags_go_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "options.json"
    file.write_text('{"epochs": 7, "flip": false, "backbone_options": {"channels": [8, 16, 24, 32]}}')
    config = options_from_flags(
        TrainConfig, {"epochs": 9, "time_limit": "1h", "mean": "0.1,0.2,0.3", "flip": None}, file
    )
    assert (config.epochs, config.flip, config.time_limit, config.mean) == (9, False, 60.0, (0.1, 0.2, 0.3))
    assert config.backbone_options == {"channels": (8, 16, 24, 32)}
    assert config.batch_size == TrainConfig().batch_size


def test_occluders_are_names_between_commas() -> None:
    assert options_from_flags(TrainConfig, {"occluders": "grey, leaves"}, None).occluders == ("grey", "leaves")
    with pytest.raises(ConfigError, match="'gray'") as caught:
        options_from_flags(TrainConfig, {"occluders": "gray"}, None)
    assert "'grey'" in caught.value.cure


def test_wrong_values_and_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="three numbers"):
        options_from_flags(TrainConfig, {"mean": "0.1,0.2"}, None)
    with pytest.raises(ConfigError, match="epochs can't be 0"):
        options_from_flags(TrainConfig, {"epochs": 0}, None)
    (tmp_path / "typo.json").write_text('{"epocs": 3}')
    with pytest.raises(ConfigError, match="'epocs'") as caught:
        options_from_flags(TrainConfig, {}, tmp_path / "typo.json")
    assert "'epochs'" in caught.value.cure


def test_help_lists_every_option_with_its_meaning_and_default() -> None:
    text = " ".join(CliRunner().invoke(app, ["train", "--help"], terminal_width=200).stdout.split())
    for entry in dataclasses.fields(TrainConfig):
        flag = "--" + entry.name.replace("_", "-")
        assert flag.removesuffix("s") in text
    assert "AdamW's decay of matrices and filters; biases and norms have none. [default: 0.05]" in text
    assert "Mirror half of the pictures. [default: yes]" in text
    assert "``" not in text


def test_help_names_every_head_as_it_is_written() -> None:
    from fieldmark.models.heads import HEADS

    text = " ".join(CliRunner().invoke(app, ["train", "--help"], terminal_width=200).stdout.replace("│", " ").split())
    words = text.partition("--head ")[2].partition("--rest ")[0]
    assert all(re.search(rf"\b{name}\b", words) for name in HEADS)
    assert "Further passes at --finish-resolution" in text
