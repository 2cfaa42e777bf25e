"""An interval for the mean of differences that may be skewed, have outliers, or be all equal.

It is Student's interval with three changes, each of which can only make it wider:

- Each bound is computed with one sample added, as large as the largest difference (twice that, if all are equal) and on the bad side of that bound. Without it,
  a few lucky samples, or samples that are all equal, would give an interval of hardly any width. Agresti and Coull do the same
  for proportions (Approximate is better than "exact" for interval estimation of binomial proportions, 1998).
- The quantile is corrected for the skewness of the sample by Hall's transformation (On the removal of skewness by
  transformation, Journal of the Royal Statistical Society B 54, 1992), because differences of losses are skewed, and the
  smaller the probability of an error, the more that matters.
- Differences are cut off at a million by the caller, so that the sums stay finite.

No method can exclude a harm that is so rare that the sample has no case of it.
"""

import math

import torch
from torch import Tensor

from esper.leyline.student import student_quantile


def mean_interval(values: Tensor, error_rate: float) -> tuple[float, float]:
    """Return a lower and an upper bound for the mean of the distribution of `values`, (N,), finite and in float64.

    Each of the two bounds is wrong with a probability of at most about `error_rate`, which is in (0, 0.5).
    """
    largest = values.abs().max()
    if bool((values == values[0]).all()):
        # Equal to the values, the added sample would leave one of the bounds without any width.
        largest = 2.0 * largest
    low = _lower_bound(torch.cat((values, -largest[None])), error_rate)
    high = -_lower_bound(torch.cat((-values, -largest[None])), error_rate)
    return low, high


def _lower_bound(values: Tensor, error_rate: float) -> float:
    """Return the bound above which the mean lies, except with probability `error_rate`; there are at least two values."""
    num = len(values)
    mean = values.mean()
    centred = values - mean
    variance = centred.square().sum() / (num - 1)
    # The host waits for the device here, once.
    average, spread, third = map(
        float, torch.stack((mean, variance.sqrt(), centred.pow(3).mean())).tolist()
    )
    if spread == 0.0:
        return average
    quantile = student_quantile(error_rate, num - 1)
    cube = spread**3
    # The cube of a tiny spread is zero.
    skewness = third / cube if cube > 0.0 else 0.0
    return average - spread / math.sqrt(num) * max(quantile, _hall(quantile, skewness, num))


def _hall(quantile: float, skewness: float, num: int) -> float:
    """Return the quantile of the t statistic of a sample of `num` values with `skewness`, from that without skewness."""
    ratio = skewness / math.sqrt(num)
    if abs(ratio) < 1e-6:
        return quantile
    base = 1.0 + ratio * (quantile - ratio / 6.0)
    return 3.0 / ratio * (math.copysign(abs(base) ** (1.0 / 3.0), base) - 1.0)
