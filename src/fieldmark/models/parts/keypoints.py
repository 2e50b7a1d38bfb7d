"""Parts that someone marked: heat maps of annotated keypoints."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fieldmark.errors import ConfigError
from fieldmark.models.layers.context import ContextNetwork

#: Least standard deviation of a bump as a share of the map's longer side: on fine maps a bump of a cell would be so
#: small that hardly a cell says where a part is, and a part would see little of its mark.
_SPREAD = 0.04

#: Radius of the window over which ``locate`` averages, at least this many cells: of a bump of 0.7 cells it holds nearly
#: all.
_WINDOW = 2

#: Shares below this count as this in logarithms.
_LEAST = 1e-30


class KeypointParts(nn.Module):
    """One part for each annotated keypoint: its share of the cells is a bump around the keypoint.

    Where a keypoint is is found by what lies near and by a look around the whole picture: features that are local, so
    that a cell says what is of its place, don't know a throat from a breast.

    Args:
        feature_dim: number C of channels of the features.
        names: the names of the K keypoints.
        width: channels of its own layers, a multiple of 8.
        sigma: standard deviation of the bumps that it learns, in cells; on fine maps it is 4 % of the longer side. The
            default is a bump that just fills a cell: wider ones merge where keypoints crowd, as on a bird's head.
        presence_weight: weight of the presence term in the loss.

    Raises:
        ConfigError: no names, or a width that is no multiple of 8.
    """

    background = True

    def __init__(
        self,
        feature_dim: int,
        names: Sequence[str],
        *,
        width: int,
        sigma: float = 0.7,
        presence_weight: float = 0.5,
    ) -> None:
        super().__init__()
        if not names:
            raise ConfigError(
                "The data have no keypoints whose names the parts could take.",
                "Give data with annotated keypoints, or leave keypoints out.",
            )
        if width < 1 or width % 8:
            raise ConfigError(f"Keypoint parts can't have {width} channels.", "Give a multiple of 8, such as 64.")
        self.names = tuple(names)
        self.sigma = sigma
        self.presence_weight = presence_weight
        self.near = nn.Sequential(
            nn.Conv2d(feature_dim, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.far = ContextNetwork(feature_dim, width)
        self.shares = nn.Conv2d(width, len(self.names) + 1, 1)

    @property
    def guessing_loss(self) -> float:
        """The loss of parts that share every cell equally, where as many keypoints are seen as not."""
        classes = len(self.names) + 1
        guess = (math.log(classes) - math.log(1 - 1 / classes)) / 2
        return math.log(classes) + self.presence_weight * guess

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, C, H, W) into maps (B, K + 1, H, W), shares of the K keypoints and the background."""
        logits: Tensor = self.shares(self.near(features) + self.far(features))
        # Shares of 16 bits would not add up to 1.
        return logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(1)

    def loss(
        self, maps: Tensor, positions: Tensor, visible: Tensor, annotated: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compare maps with annotated keypoints.

        The first term is each cell's cross-entropy with the bumps of ``keypoint_maps``, averaged over the cells with
        weights. All bumps together cover few of the cells, so calling everything background would be nearly right, and
        training would begin by learning just that. Weighing classes by the inverse of the area they cover would make
        parts and background count alike, but it swells the best answer, too: a cell that is background by half would
        best be called part. The parts' weight is the square root of that, so the bumps stay bumps.

        The second term is the binary cross-entropy of presence, a part's largest share anywhere, with whether the
        keypoint is seen: so that a hidden part gives no evidence, and a seen one that shares its cell does.

        Args:
            maps: (B, K + 1, H, W), as ``forward`` makes them.
            positions: x and y (B, K, 2) of the keypoints in 0..1 of the picture.
            visible: (B, K), whether each is seen.
            annotated: (B,), which pictures have annotations; the others contribute nothing.

        Returns:
            The sum, averaged over the annotated pictures (0 without any), and its terms ``keypoint_maps`` and
            ``keypoint_presence``, detached and not weighted.
        """
        size = (maps.shape[2], maps.shape[3])
        sigma = max(self.sigma, _SPREAD * max(size))
        cells = self._cell_loss(maps, keypoint_maps(positions, visible, size, sigma), sigma)
        presence = _presence_loss(maps, visible)
        count = annotated.sum().clamp_min(1)
        cells, presence = ((term * annotated).sum() / count for term in (cells, presence))
        terms = {"keypoint_maps": cells.detach(), "keypoint_presence": presence.detach()}
        return cells + self.presence_weight * presence, terms

    def _cell_loss(self, maps: Tensor, targets: Tensor, sigma: float) -> Tensor:
        """Return each picture's weighted cross-entropy (B,) of maps and targets (B, K + 1, H, W), bumps of sigma."""
        cells = maps.shape[2] * maps.shape[3]
        covered = len(self.names) * 2 * math.pi * sigma**2  # by the bumps of all parts, in cells
        weights = maps.new_full((len(self.names) + 1, 1, 1), math.sqrt(max(1.0, (cells - covered) / covered)))
        weights[-1] = 1
        wanted = weights * targets
        return -(wanted * maps.clamp_min(_LEAST).log()).sum((1, 2, 3)) / wanted.sum((1, 2, 3))


def keypoint_maps(positions: Tensor, visible: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Draw the maps that a perfect learner of keypoints would give.

    Part k's share of a cell is exp(-d² / 2σ²), d being the distance from the cell's middle to keypoint k in cells;
    where these add up to more than 1 they are divided by their sum. What is left is background.

    Args:
        positions: x and y (B, K, 2) in 0..1 of the picture.
        visible: (B, K); a keypoint that isn't seen has no share anywhere.
        size: height H and width W in cells.
        sigma: σ in cells.

    Returns:
        Maps (B, K + 1, H, W), adding up to 1 over the parts and the background, which is last.
    """
    height, width = size
    x = torch.arange(width, device=positions.device) + 0.5
    y = torch.arange(height, device=positions.device) + 0.5
    across = (x - positions[..., :1] * width) ** 2  # (B, K, W)
    down = (y - positions[..., 1:] * height) ** 2  # (B, K, H)
    bumps = torch.exp(-(down.unsqueeze(3) + across.unsqueeze(2)) / (2 * sigma**2)) * visible[:, :, None, None]
    parts = bumps / bumps.sum(1, keepdim=True).clamp_min(1)
    return torch.cat([parts, (1 - parts.sum(1, keepdim=True)).clamp_min(0)], 1)


def locate(maps: Tensor) -> Tensor:
    """Find the place of every part, finer than a cell.

    It is the mean of the cells' middles around the cell of the largest share, weighted by the part's shares
    (soft-argmax in a window, which parts of the map far away don't pull at).

    Args:
        maps: (B, K + 1, H, W), background last.

    Returns:
        (B, K, 3): x and y in 0..1 of the picture, and the largest share, in 0..1, as confidence.
    """
    shares = maps[:, :-1]
    height, width = shares.shape[2:]
    confidence, place = shares.flatten(2).max(-1)
    rows, columns = (torch.arange(length, device=maps.device) for length in (height, width))
    radius = max(_WINDOW, math.ceil(2 * _SPREAD * max(height, width)))  # in cells
    down = (rows - (place // width).unsqueeze(-1)).abs() <= radius  # (B, K, H)
    across = (columns - (place % width).unsqueeze(-1)).abs() <= radius  # (B, K, W)
    near = shares * down.unsqueeze(3) * across.unsqueeze(2)
    total = near.sum((2, 3)).clamp_min(_LEAST)
    x = (near.sum(2) * (columns + 0.5)).sum(-1) / (total * width)
    y = (near.sum(3) * (rows + 0.5)).sum(-1) / (total * height)
    return torch.stack([x, y, confidence], -1)


def _presence_loss(maps: Tensor, visible: Tensor) -> Tensor:
    """Return each picture's binary cross-entropy (B,) of presence and visibility, averaged over the parts."""
    shares = maps.flatten(2)  # (B, K + 1, H·W)
    presence, place = shares[:, :-1].max(-1)
    at_best = shares.gather(2, place.unsqueeze(1).expand(-1, shares.shape[1], -1))  # (B, K + 1, K)
    others = 1 - torch.eye(shares.shape[1], presence.shape[1], device=maps.device, dtype=maps.dtype)
    absence = (at_best * others).sum(1)  # 1 - presence, exact where that is tiny
    chosen = torch.where(visible, presence, absence)
    return -chosen.clamp_min(_LEAST).log().mean(1)
