"""Quantiles of Student's t distribution, for intervals of means."""

import math
from statistics import NormalDist


def student_quantile(error_rate: float, freedom: int) -> float:
    """Return the t that Student's t with `freedom` degrees of freedom exceeds with probability `error_rate`, below 0.5.

    Source: Hill, Algorithm 396, Student's t-quantiles, Communications of the ACM 13, 1970, which is right to five digits.
    """
    both = 2.0 * error_rate
    if freedom == 1:
        return 1.0 / math.tan(both * math.pi / 2.0)
    if freedom == 2:
        return math.sqrt(2.0 / (both * (2.0 - both)) - 2.0)
    n = float(freedom)
    a = 1.0 / (n - 0.5)
    b = 48.0 / (a * a)
    c = ((20700.0 * a / b - 98.0) * a - 16.0) * a + 96.36
    d = ((94.5 / (b + c) - 3.0) / b + 1.0) * math.sqrt(a * math.pi / 2.0) * n
    y = (d * both) ** (2.0 / n)
    if y > 0.05 + a:
        x = NormalDist().inv_cdf(error_rate)
        y = x * x
        if freedom < 5:
            c += 0.3 * (n - 4.5) * (x + 0.6)
        c = (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b + c
        y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x
        y = math.expm1(a * y * y)
    else:
        y = (
            (1.0 / (((n + 6.0) / (n * y) - 0.089 * d - 0.822) * (n + 2.0) * 3.0) + 0.5 / (n + 4.0))
            * y
            - 1.0
        ) * (n + 1.0) / (n + 2.0) + 1.0 / y
    return math.sqrt(n * y)
