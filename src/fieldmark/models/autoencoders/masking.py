"""Masks over blocks of pictures, and the task of filling them in.

Shapes: pictures (B, C, H, W), already padded to a multiple of the block; masks (B, h, w) booleans with one cell per
block, true where the block is hidden.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fieldmark.errors import ConfigError
from fieldmark.models.autoencoders.contract import evaluating
from fieldmark.models.autoencoders.drawing import draw_uniform
from fieldmark.models.layers.padding import pad_to_multiple

#: Added to a block's variance. One grey level of noise has a variance of about 3e-4 in normalised units: blocks flatter
#: than that hold nothing to learn, and must not be blown up to unit variance.
_VARIANCE_FLOOR = 1e-3

#: From padded pictures and their mask to pictures in the units of ``normalise_blocks``.
Predict = Callable[[Tensor, Tensor], Tensor]


def random_masks(grid: tuple[int, int], ratio: float, noise: Tensor) -> Tensor:
    """Hide the same number of cells, at random places, in each picture.

    Args:
        grid: rows h and columns w of cells.
        ratio: share of hidden cells in 0..1; at least one cell is hidden and at least one is shown.
        noise: (B, h·w) numbers; the cells with the least are hidden.

    Returns:
        (B, h, w) booleans.
    """
    rank = noise.argsort(dim=1, stable=True).argsort(dim=1)
    return (rank < _hidden_cells(grid, ratio)).view(-1, *grid)


def covering_masks(grid: tuple[int, int], ratio: float) -> Tensor:
    """Return the fewest masks (R, h, w) of a ratio that hide every cell at least once; always the same ones."""
    cells, hidden = grid[0] * grid[1], _hidden_cells(grid, ratio)
    order = torch.randperm(cells, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(-(-cells // hidden), cells, dtype=torch.bool)
    for row, start in enumerate(range(0, cells, hidden)):
        masks[row, order[torch.arange(start, start + hidden) % cells]] = True
    return masks.view(-1, *grid)


def spread(mask: Tensor, factor: int) -> Tensor:
    """Repeat each cell of a mask (B, h, w) ``factor`` times both ways: (B, 1, h·factor, w·factor)."""
    return mask.repeat_interleave(factor, 1).repeat_interleave(factor, 2).unsqueeze(1)


def hide(x: Tensor, mask: Tensor, block: int) -> Tensor:
    """Fill hidden blocks with zero, which is the data's mean colour in normalised pictures."""
    return x.masked_fill(spread(mask, block), 0.0)


def normalise_blocks(x: Tensor, block: int) -> tuple[Tensor, Tensor, Tensor]:
    """Give each block mean 0 and standard deviation 1, over its pixels and channels (He et al. 2022, section 4).

    Returns:
        The normalised pictures, and each pixel's block mean and standard deviation, (B, 1, H, W).
    """
    batch, channels, height, width = x.shape
    blocks = x.float().reshape(batch, channels, height // block, block, width // block, block)
    mean = blocks.mean((1, 3, 5), keepdim=True)
    deviation = (blocks.var((1, 3, 5), keepdim=True, correction=0) + _VARIANCE_FLOOR).sqrt()
    shape = (batch, 1, height // block, block, width // block, block)
    return (
        ((blocks - mean) / deviation).reshape(x.shape),
        mean.expand(shape).reshape(batch, 1, height, width),
        deviation.expand(shape).reshape(batch, 1, height, width),
    )


#: Distance name → from the difference of pixels to the distance of each.
DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {"absolute": torch.abs, "squared": torch.square}


@dataclass(frozen=True, slots=True)
class BlockMasking:
    """Hide blocks, compare what is predicted in their place.

    Attributes:
        block: side of a block in pixels.
        ratio: share of hidden blocks, above 0 and below 1.
        distance: a name in ``DISTANCES``.
    """

    block: int
    ratio: float
    distance: str

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise ConfigError(f"The mask ratio can't be {self.ratio}.", "Give a share above 0 and below 1.")

    def draw(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw one mask (B, h, w) per padded picture.

        Raises:
            ConfigError: the pictures have one block alone.
        """
        grid = self._grid(x)
        return random_masks(grid, self.ratio, draw_uniform((len(x), grid[0] * grid[1]), x, generator))

    def errors(self, prediction: Tensor, x: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
        """Compare a prediction with the normalised blocks of the padded pictures, at hidden places only.

        Args:
            prediction: shaped like ``x``, in the units of ``normalise_blocks``.
            x: the padded pictures (B, C, H, W).
            mask: (B, h, w).
            size: height and width before padding; what lies outside counts nothing.

        Returns:
            Each picture's mean distance (B,), per pixel and channel.
        """
        distance = DISTANCES[self.distance](prediction.float() - normalise_blocks(x, self.block)[0]).mean(
            1
        )  # (B, H, W)
        counted = spread(mask, self.block)[:, 0, : size[0], : size[1]]
        # A mask may hide nothing but padding when the last block is a sliver: such a picture counts 0.
        return (distance[:, : size[0], : size[1]] * counted).sum((1, 2)) / counted.sum((1, 2)).clamp_min(1)

    def fill_in(self, prediction: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """Put a prediction into the hidden places, with each true block's mean and standard deviation."""
        _, mean, deviation = normalise_blocks(x, self.block)
        return torch.where(spread(mask, self.block), (prediction.float() * deviation + mean).to(x.dtype), x)

    def reconstruct(
        self, x: Tensor, predict: Predict, module: torch.nn.Module, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Return the pictures (B, C, H, W) with hidden blocks, and filled in again by the module's prediction."""
        height, width = x.shape[-2:]
        with evaluating(module):
            padded = pad_to_multiple(x, self.block)
            mask = self.draw(padded, generator)
            filled = self.fill_in(predict(padded, mask), padded, mask)
            return hide(padded, mask, self.block)[..., :height, :width], filled[..., :height, :width]

    def score(self, x: Tensor, predict: Predict, module: torch.nn.Module) -> Tensor:
        """Return each picture's mean error (B,) under fixed masks that together hide every block."""
        with evaluating(module):
            padded = pad_to_multiple(x, self.block)
            errors = []
            for mask in covering_masks(self._grid(padded), self.ratio).to(x.device):
                masks = mask.expand(len(x), -1, -1)
                errors.append(self.errors(predict(padded, masks), padded, masks, (x.shape[-2], x.shape[-1])))
            return torch.stack(errors).mean(0)

    def _grid(self, x: Tensor) -> tuple[int, int]:
        grid = (x.shape[-2] // self.block, x.shape[-1] // self.block)
        if grid[0] * grid[1] < 2:
            raise ConfigError(
                f"Pictures of {x.shape[-2]} × {x.shape[-1]} px are one block of {self.block} px: none is left to show.",
                f"Use pictures larger than {self.block} px, or smaller blocks.",
            )
        return grid


def to_grid(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Bring a map (B, C, h', w') to a grid; unchanged where it fits (some networks give one cell more or less)."""
    if tuple(values.shape[-2:]) == grid:
        return values
    return functional.interpolate(values, grid, mode="bilinear", align_corners=False)


def _hidden_cells(grid: tuple[int, int], ratio: float) -> int:
    cells = grid[0] * grid[1]
    return min(max(round(ratio * cells), 1), cells - 1)
