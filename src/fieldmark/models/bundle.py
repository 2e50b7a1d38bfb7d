"""The bundle: one folder of safetensors and JSON that anything which predicts needs, and nothing else.

    bundle.json           format, model spec, classes, lineage, preprocessing, temperature, training, results
    weights.safetensors   the recogniser's tensors
    README.md             the model card

and, where decisions were fitted, ``decisions.json`` and ``reference.safetensors``.

Nothing in it is ever unpickled. ``read_info`` needs no torch.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fieldmark
from fieldmark.errors import BundleError
from fieldmark.record_files import save_text
from fieldmark.records import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

    from fieldmark.models.build import ModelSpec
    from fieldmark.models.recognizer import Recognizer

#: Raised with every change that older code can't read.
FORMAT = 1

INFO_FILE = "bundle.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "README.md"

#: The limits of a bundle without a decision rule.
_NO_RULE = "It knows only the classes in `bundle.json`; a picture of anything else gets one of their names."

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class BundleInfo:
    """All of a bundle but its tensors.

    Attributes:
        classes: the class names, in the order of the logits.
        preprocessing: how a decoded picture becomes the network's input.
        model: the recogniser's spec as JSON data.
        rank_names: the names of the lineage's ranks, coarse to fine.
        lineage: class → names, coarse to fine, ending in the class; empty where there is no lineage.
        part_names: the names of the slots of the head's evidence.
        temperature: positive; logits are divided by it before the softmax.
        training: the training options, flat.
        data_fingerprint: fingerprint of the table it was trained on.
        results: measured figures, by name.
        limits: what can be relied on and what can't, in sentences for the model card.
        fieldmark_version: the version that wrote it.
    """

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    model: Mapping[str, object]
    rank_names: tuple[str, ...] = ("class",)
    lineage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    part_names: tuple[str, ...] = ("whole picture",)
    temperature: float = 1.0
    training: Mapping[str, Scalar] = field(default_factory=dict)
    data_fingerprint: str = ""
    results: Mapping[str, float] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    fieldmark_version: str = fieldmark.__version__


def save_bundle(folder: Path, recognizer: "Recognizer", info: BundleInfo) -> None:
    """Write a bundle, atomically; a bundle that is already there is replaced.

    Args:
        folder: the bundle's folder.
        recognizer: the weights to keep.
        info: everything else.
    """
    from safetensors.torch import save_file

    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tensors = {name: tensor.detach().contiguous() for name, tensor in recognizer.state_dict().items()}
    save_file(tensors, partial / WEIGHTS_FILE, metadata={"format": "pt"})
    _write_texts(partial, info)
    retired = folder.with_name(folder.name + ".retired")
    shutil.rmtree(retired, ignore_errors=True)
    if folder.exists():
        folder.rename(retired)
    partial.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)


def record_results(folder: Path, results: Mapping[str, float]) -> None:
    """Put measured figures into a bundle and its model card; each file is replaced atomically.

    Args:
        folder: a bundle, or a run folder that holds one.
        results: figures by name; others that the bundle holds stay.

    Raises:
        BundleError: there is no bundle, or it can't be read.
    """
    place = find_bundle(folder)
    info = read_info(place)
    _write_texts(place, replace(info, results={**info.results, **results}))


def record_calibration(folder: Path, temperature: float, limits: Sequence[str]) -> None:
    """Put a temperature into a bundle, and what can be relied on into its model card; each file is replaced atomically.

    Args:
        folder: a bundle, or a run folder that holds one.
        temperature: positive; logits are divided by it before the softmax.
        limits: sentences for the model card.

    Raises:
        BundleError: there is no bundle, or it can't be read.
    """
    place = find_bundle(folder)
    _write_texts(place, replace(read_info(place), temperature=temperature, limits=tuple(limits)))


def record_part_names(folder: Path, names: Sequence[str]) -> None:
    """Put the names of the evidence's slots into a bundle and its model card; each file is replaced atomically.

    Args:
        folder: a bundle, or a run folder that holds one.
        names: one name per slot, in order.

    Raises:
        BundleError: there is no bundle, or it can't be read, or it has another number of slots.
    """
    place = find_bundle(folder)
    info = read_info(place)
    if len(names) != len(info.part_names):
        raise BundleError(f"{place} has {len(info.part_names)} parts, not {len(names)}.", "Name each of them once.")
    _write_texts(place, replace(info, part_names=tuple(names)))


def read_info(folder: Path) -> BundleInfo:
    """Read a bundle without its tensors.

    Args:
        folder: a bundle, or a run folder that holds one.

    Raises:
        BundleError: there is no bundle, or it can't be read.
    """
    path = find_bundle(folder) / INFO_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = data.pop("format")
        if found != FORMAT:
            raise BundleError(
                f"{path} has format {found}; this version reads {FORMAT}.",
                f"Use the version of Fieldmark that wrote it ({data.get('fieldmark_version')}).",
            )
        preprocessing: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.pop("preprocessing").items()
        }
        lineage = {name: tuple(names) for name, names in data.pop("lineage").items()}
        plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        return BundleInfo(preprocessing=Preprocessing(**preprocessing), lineage=lineage, **plain)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} can't be read: {error}.", "Export or train the bundle again.") from error


def load_bundle(folder: Path) -> tuple["Recognizer", BundleInfo]:
    """Read a bundle with its recogniser, in evaluation mode.

    Args:
        folder: a bundle, or a run folder that holds one.

    Raises:
        BundleError: there is no bundle, or it can't be read.
    """
    import safetensors
    from safetensors.torch import load_file

    from fieldmark.models.build import build_recognizer

    info = read_info(folder)
    path = find_bundle(folder) / WEIGHTS_FILE
    recognizer = build_recognizer(spec_from_json(info.model))
    if len(info.part_names) != len(recognizer.evidence_names):
        raise BundleError(
            f"{path.with_name(INFO_FILE)} names {len(info.part_names)} parts; "
            f"its recogniser has {len(recognizer.evidence_names)}.",
            "Train or copy the bundle again.",
        )
    try:
        weights = load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        first = str(error).splitlines()[0]
        raise BundleError(f"{path} can't be read: {first}", "Train or copy the bundle again.") from error
    try:
        recognizer.load_state_dict(weights)
    except RuntimeError as error:
        raise BundleError(
            f"{path} holds weights of another network than this version builds{_difference(recognizer, weights)}.",
            f"Use the version of Fieldmark that wrote it ({info.fieldmark_version}), or train the bundle again.",
        ) from error
    return recognizer.eval(), info


def _difference(recognizer: "Recognizer", weights: Mapping[str, "Tensor"]) -> str:
    """Return, in words, of which weight there is too much or too little; empty where only shapes differ."""
    wanted = recognizer.state_dict()
    for names, said in ((wanted.keys() - weights.keys(), "lacks"), (weights.keys() - wanted.keys(), "has, besides,")):
        if names:
            return f": it {said} {min(names)}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    return ""


def weights_fingerprint(folder: Path) -> str:
    """Return 16 hex digits that change with any of a bundle's weights.

    Args:
        folder: a bundle, or a run folder that holds one.

    Raises:
        BundleError: there is no bundle, or its weights can't be read.
    """
    path = find_bundle(folder) / WEIGHTS_FILE
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise BundleError(f"{path} can't be read: {error.strerror}.", "Train or copy the bundle again.") from error


def find_bundle(folder: Path) -> Path:
    """Return the bundle's folder, given it or the run that holds it.

    Raises:
        BundleError: there is none.
    """
    for candidate in (folder, folder / "bundle", folder.with_name(folder.name + ".retired")):
        if (candidate / INFO_FILE).is_file():
            return candidate
    if (folder / "checkpoints").is_dir():
        raise BundleError(f"The run {folder} has not finished.", "Finish it with --resume, then try again.")
    if (of_seeds := sorted(folder.glob("seed-*/bundle"))) and (of_seeds[0] / INFO_FILE).is_file():
        raise BundleError(f"{folder} holds several trainings.", f"Name one of them, such as {of_seeds[0].parent}.")
    raise BundleError(f"There is no bundle in {folder}.", "Give the folder that `fieldmark train --out` wrote.")


def spec_from_json(data: Mapping[str, object]) -> "ModelSpec":
    """Turn a model spec's JSON data back into the spec.

    Raises:
        BundleError: it isn't such data.
    """
    from fieldmark.models.backbones import BackboneSpec
    from fieldmark.models.build import ModelSpec
    from fieldmark.models.parts import PartsSpec

    rest = dict(data)
    backbone, parts = rest.pop("backbone", None), rest.pop("parts", {})
    if not isinstance(backbone, Mapping) or not isinstance(parts, Mapping):
        raise BundleError("The bundle names no backbone.", "Train the bundle again.")
    try:
        return ModelSpec(
            backbone=BackboneSpec(**_with_tuples(backbone)),
            parts=PartsSpec(**_with_tuples(parts)),
            **rest,  # type: ignore[arg-type]
        )
    except TypeError as error:
        raise BundleError(f"The bundle's model can't be read: {error}.", "Train the bundle again.") from error


def _with_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    """Turn JSON's lists into tuples, those of inner mappings (the backbone's options) too."""

    def frozen(value: object) -> object:
        if isinstance(value, Mapping):
            return _with_tuples(value)
        return tuple(value) if isinstance(value, list) else value

    return {key: frozen(value) for key, value in data.items()}


def _write_texts(folder: Path, info: BundleInfo) -> None:
    data = {"format": FORMAT, **asdict(info)}
    for name, text in (
        (INFO_FILE, json.dumps(data, indent=2, ensure_ascii=False)),
        (CARD_FILE, _model_card(info)),
    ):
        save_text(folder / name, text)


def _model_card(info: BundleInfo) -> str:
    backbone = info.model.get("backbone")
    name = backbone.get("name") if isinstance(backbone, Mapping) else "unknown"
    lines = [
        "# A Fieldmark recogniser",
        "",
        f"{len(info.classes)} classes, backbone `{name}`, {info.preprocessing.resolution} px, "
        f"written by Fieldmark {info.fieldmark_version}.",
        "",
        f"Trained on data with fingerprint `{info.data_fingerprint}`; "
        f"weights it began with: {info.training.get('weights', 'none')}.",
        "",
        f"Parts: {', '.join(info.part_names)}.",
        "",
        "## Results",
        "",
        *([f"- {key}: {value:.4f}" for key, value in info.results.items()] or ["None measured yet."]),
        "",
        "## Training",
        "",
        *[f"- {key}: {value}" for key, value in info.training.items()],
        "",
        "## Limits",
        "",
        *([f"- {sentence}" for sentence in info.limits] or [_NO_RULE]),
        "",
    ]
    return "\n".join(lines)
