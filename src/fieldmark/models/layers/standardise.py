"""Each picture in its own terms: what the light of a picture changes as a whole is gone before the network looks."""

import torch
from torch import Tensor

#: Smallest deviation that a picture is divided by, in units of the normalised input: one grey level is about 0.017.
_SMALLEST = 0.02


def standardised(x: Tensor) -> Tensor:
    """Take each channel's mean off a picture and divide all channels by one deviation.

    Per-image standardisation: brightness that is added, contrast, and a cast that is added to a channel change nothing,
    as far as no value is cut off. One deviation for all channels keeps how colourful a picture is.

    Args:
        x: normalised pictures (B, 3, H, W).

    Returns:
        Pictures of the same shape, with means of 0 and a mean square of 1; one of a single colour is 0 throughout.
    """
    with torch.autocast(x.device.type, enabled=False):  # a mean of so many squares needs 32 bits
        values = x.float()
        centred = values - values.mean((2, 3), keepdim=True)
        deviation = centred.square().mean((1, 2, 3), keepdim=True).clamp_min(_SMALLEST**2).sqrt()
        return centred / deviation
