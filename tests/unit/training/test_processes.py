import pytest
import torch

from fieldmark.training.processes import make_fabric


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_without_a_gpu_no_step_looks_for_one_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # as Lightning sets it
    fabric = make_fabric("32")

    searches: list[int] = []
    monkeypatch.setattr(torch.cuda, "_device_count_nvml", lambda: searches.append(1) or -1)
    layer = torch.nn.Linear(2, 2)
    layer, optimizer = fabric.setup(layer, torch.optim.AdamW(layer.parameters(), fused=True))
    fabric.backward(layer(torch.rand(1, 2)).sum())
    optimizer.step()
    assert searches == []
