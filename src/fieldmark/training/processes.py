"""Where training runs: one process, or the processes that torchrun started."""

import os

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import TorchElasticEnvironment

from fieldmark.training.config import TrainConfig


def make_fabric(config: TrainConfig) -> Fabric:
    """Return a launched Fabric for this process.

    Under ``torchrun --nproc-per-node N`` every process trains on its share of each batch; gradients are averaged
    over gloo on processors, NCCL on GPUs.

    Args:
        config: its ``precision`` chooses the number format.
    """
    cuda = torch.cuda.is_available()
    accelerator = "cuda" if cuda else "cpu"
    precision = "bf16-mixed" if _wants_bf16(config.precision, cuda=cuda) else "32-true"
    if TorchElasticEnvironment.detect():
        # torchrun tells its processes their number only through these variables.
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // local
        fabric = Fabric(accelerator=accelerator, devices=local, num_nodes=nodes, strategy="ddp", precision=precision)
    else:
        fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)
    fabric.launch()
    return fabric


def _wants_bf16(precision: str, *, cuda: bool) -> bool:
    if precision != "auto":
        return precision == "bf16"
    return torch.cuda.is_bf16_supported() if cuda else bool(torch.cpu._is_avx512_bf16_supported())
