"""Loss curves for tests of detectors."""

import math
import random
from collections.abc import Callable, Iterator

from esper.tolaria.detection.detector import Detector
from esper.tolaria.detection.verdict import Verdict

GUESS = math.log(10)


def healthy_losses(num: int, *, seed: int = 0, noise: float = 0.12) -> Iterator[float]:
    """Yield losses that fall from 2.3 to 0.5 with log-normal noise."""
    generator = random.Random(seed)
    for step in range(num):
        yield (0.5 + 1.8 * math.exp(-step / 300)) * math.exp(generator.gauss(0, noise))


def feed(detector: Detector, losses) -> Verdict | None:
    """Give `losses` to `detector` and return its last verdict."""
    verdict = None
    for loss in losses:
        verdict = detector.check(loss)
    return verdict


def steps_to_rollback(
    detector: Detector, fault: Callable[[float, int], float], *, seed: int = 0, limit: int = 300
) -> int | None:
    """Return how many losses it takes to detect a fault after 1,500 healthy losses; None if it is not detected.

    `fault` turns a healthy loss into a damaged one; its second argument counts the steps since it began, from 0.
    """
    losses = list(healthy_losses(1500 + limit, seed=seed))
    feed(detector, losses[:1500])
    for step, loss in enumerate(losses[1500:]):
        if detector.check(fault(loss, step)):
            return step + 1
    return None
