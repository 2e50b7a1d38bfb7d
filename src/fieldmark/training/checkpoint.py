"""Checkpoints of a running training: safetensors and JSON, written atomically, never unpickled.

checkpoints/epoch-0007/state.safetensors   model, average and optimizer tensors
checkpoints/epoch-0007/state.json          plan, log rows, seconds used, step counts
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fieldmark.errors import TrainingError
from fieldmark.training.schedule import Plan

LogRow = dict[str, float | int | str | None]


@dataclass(frozen=True)
class TrainingState:
    """What a training run needs, beside tensors, to go on as if it had never stopped.

    Attributes:
        plan: the plan before the next epoch.
        rows: the lines of log.csv so far.
        seconds: time used so far, over all starts.
        processor_seconds: processor time used so far by this process, over all starts.
        averaged: number of updates of the weight average.
    """

    plan: Plan
    rows: tuple[LogRow, ...]
    seconds: float
    processor_seconds: float
    averaged: int


def save_checkpoint(
    folder: Path, state: TrainingState, model: nn.Module, average: nn.Module | None, optimizer: torch.optim.Optimizer
) -> Path:
    """Write a checkpoint and remove the ones before it.

    Args:
        folder: the run's ``checkpoints`` folder.
        state: everything that is no tensor.
        model: the model in training.
        average: the averaged model; ``None`` where there is none.
        optimizer: an Adam-like optimizer whose state is tensors.

    Returns:
        The checkpoint's folder.
    """
    target = folder / f"epoch-{state.plan.next_epoch:04d}"
    partial = folder / (target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for index, entry in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in entry.items()}
    save_file(
        {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()},
        partial / "state.safetensors",
    )
    (partial / "state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    for old in folder.glob("epoch-*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return target


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint, or ``None``."""
    complete = [
        path for path in folder.glob("epoch-*") if path.suffix != ".partial" and (path / "state.json").is_file()
    ]
    return max(complete, default=None)


def load_checkpoint(
    path: Path, model: nn.Module, average: nn.Module | None, optimizer: torch.optim.Optimizer
) -> TrainingState:
    """Put a checkpoint's tensors into model, average and optimizer.

    Raises:
        TrainingError: the checkpoint can't be read or belongs to another model.
    """
    try:
        data = json.loads((path / "state.json").read_text(encoding="utf-8"))
        tensors = load_file(path / "state.safetensors")
        model.load_state_dict(_strip(tensors, "model."))
        if average is not None:
            average.load_state_dict(_strip(tensors, "average."))
        optimizer.load_state_dict(
            {"state": _optimizer_state(tensors), "param_groups": optimizer.state_dict()["param_groups"]}
        )
        _match_memory_formats(optimizer)
        plan = Plan(**data.pop("plan"))
        return TrainingState(plan=plan, rows=tuple(data.pop("rows")), **data)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        first = str(error).splitlines()[0]
        raise TrainingError(
            f"The checkpoint {path} can't be used: {first}", "Start again with another --out folder."
        ) from error


def _match_memory_formats(optimizer: torch.optim.Optimizer) -> None:
    """Lay the optimizer's tensors out in memory as its parameters: the fused step walks both in memory's order."""
    for parameter, entry in optimizer.state.items():
        for name, tensor in entry.items():
            if tensor.shape == parameter.shape:
                entry[name] = torch.empty_like(parameter, requires_grad=False).copy_(tensor)


def _strip(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _optimizer_state(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _strip(tensors, "optimizer.").items():
        index, _, entry = name.partition(".")
        state.setdefault(int(index), {})[entry] = tensor
    return state
