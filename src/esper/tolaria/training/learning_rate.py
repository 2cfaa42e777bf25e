"""The schedule of the learning rate in the training loop."""

import math


def cosine_factor(epoch: int, epochs: int, *, floor: float = 0.02) -> float:
    """Return the learning-rate factor of `epoch` (from 1): half a cosine from 1 to `floor`.

    Source: Loshchilov and Hutter, SGDR, 2017, without restarts.
    """
    progress = (epoch - 1) / max(1, epochs - 1)
    return floor + (1.0 - floor) * (1.0 + math.cos(math.pi * progress)) / 2.0
