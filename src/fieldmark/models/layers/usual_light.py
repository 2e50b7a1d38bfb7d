"""Pictures in unusual light are brought to the edge of what is usual; others stay as they are."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: What is usual: pictures' brightness and contrast between these quantiles of the training pictures'.
_QUANTILES = (0.1, 0.9)

#: Smallest contrast that is told from none, on the 0..1 scale: one grey level.
_SMALLEST = 1 / 255


class UsualLight(nn.Module):
    """Brings a picture's brightness and contrast into the usual range.

    Brightness is the mean of all values, contrast the deviation from the channels' means, both on the 0..1 scale. What
    the channels' means differ by, the cast of colour, stays. Full standardisation would take from every picture what
    brightness and contrast tell of its class; this takes it from those only that are darker, brighter, flatter or
    harsher than nearly all that were learned from. Until ``fit`` was called, all light is usual.

    Args:
        mean: of the pictures' normalisation, for each channel.
        std: its deviation.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("usual", torch.tensor([[0.0, 1.0], [0.0, 1.0]]))  # brightness, contrast: low, high
        self.mean: Tensor
        self.std: Tensor
        self.usual: Tensor

    @torch.no_grad()
    def fit(self, pictures: Tensor) -> None:
        """Learn what is usual.

        Args:
            pictures: training pictures (n, C, H, W) in 0..1, one or more.
        """
        quantiles = torch.tensor(_QUANTILES, device=pictures.device)
        means, contrast = _light(pictures.float())
        found = [torch.quantile(values.flatten(), quantiles) for values in (means.mean(1), contrast)]
        self.usual.copy_(torch.stack(found))

    def forward(self, x: Tensor) -> Tensor:
        """Turn normalised pictures (B, C, H, W) into such pictures in usual light."""
        with torch.autocast(x.device.type, enabled=False):  # a mean of so many squares needs 32 bits
            pictures = x.float() * self.std + self.mean
            means, contrast = _light(pictures)
            brightness = means.mean(1, keepdim=True)
            wanted_brightness, wanted_contrast = (
                torch.clamp(values, self.usual[place, 0], self.usual[place, 1])
                for place, values in enumerate((brightness, contrast))
            )
            scaled = (pictures - means) * (wanted_contrast / contrast.clamp_min(_SMALLEST))
            return (scaled + (means - brightness) + wanted_brightness - self.mean) / self.std


def _light(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Return the channels' means (B, C, 1, 1) of pictures, and the deviation (B, 1, 1, 1) from them."""
    means = pictures.mean((2, 3), keepdim=True)
    return means, (pictures - means).square().mean((1, 2, 3), keepdim=True).sqrt()
