"""Where training runs: one process, or the processes that torchrun started."""

import os

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import TorchElasticEnvironment
from lightning.fabric.strategies import DDPStrategy


def make_fabric(precision: str) -> Fabric:
    """Return a launched Fabric for this process.

    Under ``torchrun --nproc-per-node N`` every process trains on its share of each batch; gradients are averaged
    over gloo on processors, NCCL on GPUs.

    Args:
        precision: the number format, a name in ``PRECISIONS``.
    """
    cuda = torch.cuda.is_available()
    accelerator = "cuda" if cuda else "cpu"
    if not cuda:
        # Lightning has torch look for GPUs through NVML. AdamW looks before every step, and where there are none that
        # means looking for a library on the disk, which takes a tenth of a small network's step.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    numbers = "bf16-mixed" if _wants_bf16(precision, cuda=cuda) else "32-true"
    if TorchElasticEnvironment.detect():
        # torchrun tells its processes their number only through these variables.
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // local
        fabric = Fabric(
            accelerator=accelerator, devices=local, num_nodes=nodes, strategy=_strategy(), precision=numbers
        )
    else:
        fabric = Fabric(accelerator=accelerator, devices=1, precision=numbers)
    fabric.launch()
    return fabric


def _strategy() -> DDPStrategy:
    """Return how gradients are averaged.

    Statistics of normalisation are not sent around before every step: training doesn't read them, and what is kept are
    those of the first process either way. That and gradients without a second copy make two processes on two cores an
    eighth faster.
    """
    return DDPStrategy(broadcast_buffers=False, gradient_as_bucket_view=True)


def _wants_bf16(precision: str, *, cuda: bool) -> bool:
    if precision != "auto":
        return precision == "bf16"
    return torch.cuda.is_bf16_supported() if cuda else bool(torch.cpu._is_avx512_bf16_supported())
