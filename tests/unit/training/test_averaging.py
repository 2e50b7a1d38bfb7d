import pytest
import torch
from torch import nn

from fieldmark.training.averaging import averaged_model


def test_average_follows_the_recurrence() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = averaged_model(model, decay=0.5)
    expected = 0.0
    for count, value in enumerate([1.0, 3.0, -2.0, 5.0, 8.0, 1.0, 4.0, 4.5, 3.0, 2.0, 6.0, 9.0]):
        with torch.no_grad():
            model.weight.fill_(value)
        average.update_parameters(model)
        kept = min(0.5, (1 + count) / (10 + count))
        expected = value if count == 0 else kept * expected + (1 - kept) * value
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)


def test_integer_statistics_are_copied_and_real_ones_averaged() -> None:
    model = nn.BatchNorm1d(2)
    average = averaged_model(model, decay=0.9)
    for _ in range(3):
        model(torch.randn(8, 2) + 5)
        average.update_parameters(model)
    assert average.module.num_batches_tracked == 3
    assert not torch.equal(average.module.running_mean, model.running_mean)
