"""The same network as others run it: timm's own inference loop, and the pipeline of Hugging Face; both offline."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import timm
import torch
from PIL import Image
from timm.data import create_loader
from torch import nn
from torch.utils.data import Dataset

from fieldmark.models.bundle import BundleInfo, load_bundle

#: Loading processes of timm's script unless told otherwise.
_WORKERS = 2

#: From files to one label a file.
Namer = Callable[[Sequence[Path]], list[str]]


class _Files(Dataset):
    """Files in the order given, read and transformed as timm's ``ImageDataset`` does."""

    transform: Callable[[Image.Image], object]  # set by timm's loader

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __getitem__(self, index: int) -> tuple[object, int]:
        return self.transform(Image.open(self._paths[index]).convert("RGB")), 0

    def __len__(self) -> int:
        return len(self._paths)


def timm_network(run: Path) -> tuple[nn.Module, BundleInfo]:
    """Return a run's recogniser of the whole picture as timm's own network with its own classifier."""
    recognizer, info = load_bundle(run)
    backbone = info.model["backbone"]
    network = timm.create_model(backbone["name"], num_classes=len(info.classes), **backbone["options"])
    tensors = recognizer.backbone.network.state_dict()
    classifier = network.get_classifier()
    names = {id(tensor): name for name, tensor in network.named_parameters()}
    tensors[names[id(classifier.weight)]] = recognizer.head.weight[0]
    tensors[names[id(classifier.bias)]] = recognizer.bias
    network.load_state_dict(tensors)
    return network.eval(), info


def data_config(info: BundleInfo) -> dict[str, object]:
    """Return what timm's transforms are made from: the bundle's resolution and normalisation, the whole picture."""
    preprocessing = info.preprocessing
    return {
        "input_size": (3, preprocessing.resolution, preprocessing.resolution),
        "mean": preprocessing.mean,
        "std": preprocessing.std,
        "interpolation": "bilinear",
        "crop_pct": 1.0,
    }


def timm_loop(network: nn.Module, info: BundleInfo, batch_size: int, *, channels_last: bool = False) -> Namer:
    """Return timm's inference loop: a loader with its prefetcher, then network, softmax and top classes.

    Args:
        network: what ``timm_network`` returns.
        info: the bundle.
        batch_size: pictures a batch.
        channels_last: its option of that name, which is off by default.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(memory_format=layout)

    def name(paths: Sequence[Path]) -> list[str]:
        loader = create_loader(
            _Files(paths),
            batch_size=batch_size,
            use_prefetcher=True,
            num_workers=_WORKERS,
            device=torch.device("cpu"),
            **data_config(info),
        )
        labels: list[str] = []
        with torch.inference_mode():
            for pictures, _ in loader:
                _, indices = network(pictures.contiguous(memory_format=layout)).softmax(-1).topk(5)
                labels += [info.classes[index] for index in indices[:, 0].tolist()]
        return labels

    return name


def pipeline_of(network: nn.Module, info: BundleInfo, folder: Path, batch_size: int) -> Namer:
    """Return Hugging Face's image-classification pipeline around the same network of timm.

    Args:
        network: what ``timm_network`` returns.
        info: the bundle.
        folder: where the checkpoint that it loads is written.
        batch_size: pictures a batch.
    """
    from transformers import TimmWrapperConfig, TimmWrapperForImageClassification, pipeline

    backbone = info.model["backbone"]
    config = {key: list(value) if isinstance(value, tuple) else value for key, value in data_config(info).items()}
    settings = TimmWrapperConfig.from_dict(
        {
            "architecture": backbone["name"],
            "model_args": dict(backbone["options"]),
            "num_classes": len(info.classes),
            "label_names": list(info.classes),
            "pretrained_cfg": {
                key: list(value) if isinstance(value, tuple) else value for key, value in config.items()
            },
        }
    )
    model = TimmWrapperForImageClassification(settings)
    model.timm_model.load_state_dict(network.state_dict())
    model.save_pretrained(folder)
    classify = pipeline("image-classification", model=str(folder), batch_size=batch_size, device="cpu")

    def name(paths: Sequence[Path]) -> list[str]:
        return [rows[0]["label"] for rows in classify([str(path) for path in paths])]

    return name


def same_logits(
    network: nn.Module, info: BundleInfo, logits: npt.NDArray[np.float64], pixels: npt.NDArray[np.uint8]
) -> bool:
    """Say whether timm's network gives a recogniser's logits (B, N) of fitted pictures (B, R, R, 3)."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (info.preprocessing.mean, info.preprocessing.std))
    x = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.inference_mode():
        return bool(np.allclose(network(x).numpy(), logits, atol=1e-3))
