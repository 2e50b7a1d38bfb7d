"""Where the parts of pictures are: around annotated keypoints, and where a recogniser finds parts of its own."""

import numpy as np
import torch
from numpy.typing import NDArray

from fieldmark.augment import normalise
from fieldmark.data.keypoints import Keypoints
from fieldmark.evaluation.corruptions import ANNOTATED, DISCOVERED, Region, disc, rectangle
from fieldmark.models.bundle import BundleInfo
from fieldmark.models.recognizer import Recognizer
from fieldmark.predict.regions import part_region, pixel_mask

#: A recogniser's part counts as seen where its largest share passes this (as in ``metrics.part_centres``).
_FOUND = 0.5


def annotated_regions(
    names: tuple[str, ...],
    keypoints: Keypoints,
    row: int,
    box: NDArray[np.float32],
    window: tuple[float, float, float, float],
    side: int,
) -> tuple[Region, ...]:
    """Return a disc for every keypoint of a picture that is seen.

    Args:
        names: the K keypoints' names.
        keypoints: of all pictures.
        row: the picture's place among them.
        box: of its object, left, top, width and height in 0..1 of the square.
        window: of the picture inside the square, in px.
        side: pixels R per side of the square.
    """
    inside = rectangle(*window, side)
    found = []
    for place in np.flatnonzero(keypoints.visible[row]):
        x, y = (float(value) for value in keypoints.positions[row, place])
        found.append(Region(ANNOTATED, names[place], disc(x, y, box, inside)))
    return tuple(region for region in found if region.mask.any())


class PartFinder:
    """Finds the parts of a recogniser that are places in the picture; of others it finds none.

    Args:
        recognizer: the network, in evaluation mode.
        info: its bundle, which names the parts.
    """

    def __init__(self, recognizer: Recognizer, info: BundleInfo) -> None:
        self._recognizer = recognizer
        self._preprocessing = info.preprocessing
        self._names = info.part_names if recognizer.additive and recognizer.parts.background else ()

    @torch.inference_mode()
    def regions(self, pixels: NDArray[np.uint8], window: tuple[float, float, float, float]) -> tuple[Region, ...]:
        """Return the region of every part that is seen in a fitted picture (R, R, 3); padding belongs to none."""
        if not self._names:
            return ()
        batch = torch.from_numpy(np.array(pixels)[None])
        x = normalise(batch, self._preprocessing.mean, self._preprocessing.std)
        features = self._recognizer.backbone.forward_features(x.contiguous(memory_format=torch.channels_last))
        shares = self._recognizer.parts(features)[0, :-1].float().numpy()  # (K, h, w)
        side = len(pixels)
        inside = rectangle(*window, side)
        found = []
        for name, share in zip(self._names, shares, strict=False):  # the names may end with the rest, which is no place
            if share.max() > _FOUND:
                found.append(Region(DISCOVERED, name, pixel_mask(part_region(share), side) & inside))
        return tuple(region for region in found if region.mask.any())
