"""A trained autoencoder as one folder of safetensors and JSON.

autoencoder.json      format, spec, what its input is made of, training options
weights.safetensors   its tensors
README.md             its card
tokenizer.json        of texts only
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import safetensors
from safetensors.torch import load_file, save_file
from torch import nn

import fieldmark
from fieldmark.errors import BundleError, FieldmarkError
from fieldmark.models.autoencoders.build import build_autoencoder, spec_from_json, spec_to_json
from fieldmark.models.autoencoders.contract import Autoencoder
from fieldmark.models.autoencoders.specs import AutoencoderSpec
from fieldmark.models.spectrogram import LogMelSpec
from fieldmark.pretraining_results import OWN_TARGETS
from fieldmark.records import Preprocessing

#: Raised with every change that older code can't read.
FORMAT = 1

INFO_FILE = "autoencoder.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "README.md"
TOKENIZER_FILE = "tokenizer.json"

#: Where a pretraining run keeps its autoencoder.
FOLDER = "autoencoder"

MODALITIES = ("pictures", "sounds", "texts")

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class AutoencoderInfo:
    """All of a saved autoencoder but its tensors.

    Attributes:
        spec: what to build.
        modality: a name in ``MODALITIES``.
        preprocessing: how a decoded picture becomes its input; ``None`` for sounds and texts.
        channels: channels of the pictures it takes: 3, or 1 for grey ones.
        log_mel: how a sound becomes frames; ``None`` for pictures and texts.
        frame_mean: mean of each mel band over the training frames, taken out first.
        frame_std: standard deviation of each band, divided by second.
        max_tokens: longest text it takes, in tokens; ``None`` for pictures and sounds.
        feature_target: whose features it learned to predict beside the input; ``"none"`` for none.
        training: the options it was trained with, flat.
        data_fingerprint: fingerprint of the table it was trained on.
        fieldmark_version: the version that wrote it.
    """

    spec: AutoencoderSpec
    modality: str = "pictures"
    preprocessing: Preprocessing | None = None
    channels: int = 3
    log_mel: LogMelSpec | None = None
    frame_mean: tuple[float, ...] = ()
    frame_std: tuple[float, ...] = ()
    max_tokens: int | None = None
    feature_target: str = "none"
    training: Mapping[str, Scalar] = field(default_factory=dict)
    data_fingerprint: str = ""
    fieldmark_version: str = fieldmark.__version__

    @property
    def from_scratch(self) -> bool:
        """Whether no weights learned on other data had a part in it."""
        return self.feature_target in OWN_TARGETS and self.training.get("weights", "none") == "none"


def save_autoencoder(
    folder: Path, autoencoder: Autoencoder, info: AutoencoderInfo, *, files: Mapping[str, str] | None = None
) -> None:
    """Write an autoencoder, atomically; one that is already there is replaced.

    Args:
        folder: where to write it.
        autoencoder: the weights to keep; a torch module, as all of ours are.
        info: everything else.
        files: further text files by name, such as the tokenizer's.
    """
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tensors = cast("nn.Module", autoencoder).state_dict()
    save_file(
        {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()},
        partial / WEIGHTS_FILE,
        metadata={"format": "pt"},
    )
    texts = {INFO_FILE: _to_json(info), CARD_FILE: _card(info), **(files or {})}
    for name, text in texts.items():
        (partial / name).write_text(text, encoding="utf-8")
    retired = folder.with_name(folder.name + ".retired")
    shutil.rmtree(retired, ignore_errors=True)
    if folder.exists():
        folder.rename(retired)
    partial.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)


def find_autoencoder(folder: Path) -> Path:
    """Return the autoencoder's folder, given it or the run that holds it.

    Raises:
        BundleError: there is none.
    """
    for candidate in (folder, folder / FOLDER, folder.with_name(folder.name + ".retired")):
        if (candidate / INFO_FILE).is_file():
            return candidate
    if (folder / "checkpoints").is_dir():
        raise BundleError(f"The run {folder} has not finished.", "Finish it with --resume, then try again.")
    raise BundleError(f"There is no autoencoder in {folder}.", "Give the folder that `fieldmark pretrain --out` wrote.")


def read_autoencoder_info(folder: Path) -> AutoencoderInfo:
    """Read a saved autoencoder without its tensors.

    Args:
        folder: its folder, or the run that holds it.

    Raises:
        BundleError: there is none, or it can't be read.
    """
    path = find_autoencoder(folder) / INFO_FILE
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = data.pop("format")
        if found != FORMAT:
            raise BundleError(
                f"{path} has format {found}; this version reads {FORMAT}.",
                f"Use the version of Fieldmark that wrote it ({data.get('fieldmark_version')}).",
            )
        spec = spec_from_json(data.pop("spec"))
        preprocessing, log_mel = data.pop("preprocessing"), data.pop("log_mel")
        plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        return AutoencoderInfo(
            spec=spec,
            preprocessing=None if preprocessing is None else Preprocessing(**_tuples(preprocessing)),
            log_mel=None if log_mel is None else LogMelSpec(**log_mel),
            **plain,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} can't be read: {error}.", "Pretrain again.") from error


def load_autoencoder(folder: Path) -> tuple[Autoencoder, AutoencoderInfo]:
    """Read a saved autoencoder with its tensors, in evaluation mode.

    Args:
        folder: its folder, or the run that holds it.

    Raises:
        BundleError: there is none, or it can't be read.
    """
    info = read_autoencoder_info(folder)
    path = find_autoencoder(folder) / WEIGHTS_FILE
    autoencoder = build_autoencoder(info.spec)
    module = cast("nn.Module", autoencoder)
    try:
        module.load_state_dict(load_file(path))
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        first = str(error).splitlines()[0]
        raise BundleError(f"{path} can't be read: {first}", "Pretrain again, or copy the run again.") from error
    module.eval()
    return autoencoder, info


def holds_autoencoder(folder: Path) -> bool:
    """Say whether a folder is a finished pretraining run or a saved autoencoder."""
    try:
        find_autoencoder(folder)
    except FieldmarkError:
        return False
    return True


def _to_json(info: AutoencoderInfo) -> str:
    data = {
        "format": FORMAT,
        **{key: value for key, value in asdict(info).items() if key != "spec"},
        "spec": spec_to_json(info.spec),
    }
    return json.dumps(data, indent=2, ensure_ascii=False)


def _tuples(data: Mapping[str, object]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


def _card(info: AutoencoderInfo) -> str:
    origin = "nothing but the training data" if info.from_scratch else "weights learned on other data as well"
    lines = [
        "# A Fieldmark autoencoder",
        "",
        f"`{spec_to_json(info.spec)['autoencoder']}`, of {info.modality}, learned from {origin}; "
        f"written by Fieldmark {info.fieldmark_version}.",
        "",
        f"Trained on data with fingerprint `{info.data_fingerprint}`; weights it began with: "
        f"{info.training.get('weights', 'none')}; features it learned to predict: {info.feature_target}.",
        "",
        "## Training",
        "",
        *[f"- {key}: {value}" for key, value in info.training.items()],
        "",
    ]
    return "\n".join(lines)
