"""Pictures that resemble no other."""

import numpy as np
import numpy.typing as npt

#: Neighbours whose mean distance counts.
NEIGHBOURS = 10

#: A picture is odd from so many robust standard deviations above the median distance on. Of birds among groceries and
#: groceries among birds, 4 of 5 reach it; of the groceries and birds themselves, about 5 of 1,000.
ODD = 3.0

#: Fewest pictures among which one can be odd.
FEWEST = 30

#: What makes the median absolute deviation of a normal distribution its standard deviation.
_OF_NORMAL = 1.4826


def oddness(cosines: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how far each picture (N,) lies from those nearest to it, in robust standard deviations above the median.

    The mean distance to the nearest few is the outlier score of F. Angiulli and C. Pizzuti, *Fast outlier detection in
    high dimensional spaces*, PKDD 2002; median and median absolute deviation don't move with the outliers themselves.

    Args:
        cosines: (N, k) of each picture with its nearest, what all share left in; of fewer than ``FEWEST`` pictures
            none is odd.
    """
    if len(cosines) < FEWEST:
        return np.zeros(len(cosines))
    distance = 1 - cosines.mean(1)
    middle = np.median(distance)
    spread = _OF_NORMAL * np.median(np.abs(distance - middle))
    scores: npt.NDArray[np.float64] = (distance - middle) / max(float(spread), 1e-6)
    return scores
