"""Each picture in its own terms: what the light of a picture changes as a whole is gone before the network looks."""

import torch
from torch import Tensor

#: The deviation of usual pictures, on the 0..1 scale: the mean of ImageNet's three. Trained weights expect about it.
USUAL_DEVIATION = 0.226

#: Smallest deviation that a picture is divided by, as a share of the usual one: about one grey level.
_SMALLEST = 0.02


def standardised(x: Tensor, usual: float = 1.0) -> Tensor:
    """Take a picture's mean off it and bring it to the usual deviation, but leave its cast of colour as it is.

    Per-image standardisation: contrast and brightness of the picture as a whole change nothing, as far as no value is
    cut off. What its channels' means differ by is no contrast; divided by the deviation with the rest, it would drown a
    flat picture in one colour, and without it a bird's colour would depend on what it sits on.

    Args:
        x: normalised pictures (B, 3, H, W).
        usual: the deviation that they are brought to, in units of ``x``.

    Returns:
        Pictures of the same shape: each channel's differences from its mean, scaled by one number for all channels, and
        what its mean differs from the mean of all.
    """
    with torch.autocast(x.device.type, enabled=False):  # a mean of so many squares needs 32 bits
        values = x.float()
        means = values.mean((2, 3), keepdim=True)  # (B, 3, 1, 1)
        centred = values - means
        deviation = centred.square().mean((1, 2, 3), keepdim=True).clamp_min((_SMALLEST * usual) ** 2).sqrt()
        return centred * (usual / deviation) + (means - means.mean(1, keepdim=True))
