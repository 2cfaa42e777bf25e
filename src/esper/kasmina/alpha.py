"""The amplitude of a seed over time: ramps from the present value to a target, one step an epoch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final, Literal, final

import msgspec

from esper._generated.enums import AlphaAlgorithm, AlphaCurve
from esper.leyline.arguments import instance_of, whole_number
from esper.leyline.errors import SlotError

BlendAlgorithm = Literal["linear", "sigmoid", "gated"]
"""How a seed is blended in, as users choose it. `gated` goes with `AlphaAlgorithm.GATE`, and only with it."""

BLEND_CURVES: Final[Mapping[BlendAlgorithm, AlphaCurve]] = MappingProxyType(
    {
        "linear": AlphaCurve.LINEAR,
        "sigmoid": AlphaCurve.SIGMOID,
        "gated": AlphaCurve.LINEAR,
    }
)
"""The curve that the amplitude follows for each of them."""

Amplitude = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
"""Types whose ranges msgspec checks when a checkpoint is read."""

TOLERANCE: Final = 1e-6
"""Largest distance from its target at which an amplitude counts as having reached it."""

STEEPNESS: Final = 12.0
"""Steepness of the logistic function of the SIGMOID curve; 12 makes the ends nearly flat."""


def is_full(alpha: float) -> bool:
    """Return whether `alpha` is 1, up to `TOLERANCE`."""
    return alpha >= 1.0 - TOLERANCE


def is_zero(alpha: float) -> bool:
    """Return whether `alpha` is 0, up to `TOLERANCE`."""
    return alpha <= TOLERANCE


def checked_steps(steps: int, curve: AlphaCurve | None) -> int:
    """Return `steps`, the length of a ramp that a user asks for, as an int; it may be negative.

    Raises:
        SlotError: `steps` is not an integer, or `curve` is neither a curve nor None.
    """
    if curve is not None:
        instance_of("curve", curve, AlphaCurve, error=SlotError)
    return whole_number("steps", steps, error=SlotError)


def checked_algorithm(algorithm: AlphaAlgorithm) -> AlphaAlgorithm:
    """Return `algorithm` after checking its type.

    Raises:
        SlotError: it is not an `AlphaAlgorithm`, such as a name.
    """
    remedy = f"use AlphaAlgorithm.{', AlphaAlgorithm.'.join(AlphaAlgorithm.__members__)}"
    return instance_of("alpha_algorithm", algorithm, AlphaAlgorithm, remedy, error=SlotError)


def ease(curve: AlphaCurve, time: float) -> float:
    """Return the share of a ramp that is done at `time`, both in [0, 1]: 0 at 0 and 1 at 1.

    LINEAR is t, COSINE is (1 - cos(pi t)) / 2, SIGMOID is a logistic function, scaled to reach both ends.
    """
    match curve:
        case AlphaCurve.LINEAR:
            return time
        case AlphaCurve.COSINE:
            return (1.0 - math.cos(math.pi * time)) / 2.0
        case AlphaCurve.SIGMOID:
            low, value, high = (_logistic(t) for t in (0.0, time, 1.0))
            return (value - low) / (high - low)


def _logistic(time: float) -> float:
    return 1.0 / (1.0 + math.exp(-STEEPNESS * (time - 0.5)))


@final
@dataclass(slots=True)
class AlphaSchedule:
    """A ramp of the amplitude to a target. It rests when all its steps are done; only then can it get another target."""

    alpha: Amplitude = 0.0
    """Present value."""
    start: Amplitude = 0.0
    target: Amplitude = 0.0
    curve: AlphaCurve = AlphaCurve.LINEAR
    num_steps: Count = 0
    steps_done: Count = 0

    @property
    def is_resting(self) -> bool:
        """Whether no step is left."""
        return self.steps_done >= self.num_steps

    @property
    def is_falling(self) -> bool:
        """Whether it is under way to a lower amplitude."""
        return not self.is_resting and self.target < self.start

    @property
    def is_at_target(self) -> bool:
        """Whether it rests at its target."""
        return self.is_resting and abs(self.alpha - self.target) <= TOLERANCE

    def retarget(self, target: float, *, steps: int, curve: AlphaCurve | None = None) -> None:
        """Start a ramp to `target`, clamped to [0, 1], in `steps` steps.

        If `steps` is not positive, `alpha` is set to `target` at once. Without a curve the previous one is used again.

        Raises:
            SlotError: a ramp is under way.
        """
        if not self.is_resting:
            raise SlotError(
                "an amplitude schedule must rest before it is given another target, got one with"
                f" {self.num_steps - self.steps_done} steps left; wait for them"
            )
        self.start = self.alpha
        self.target = min(max(target, 0.0), 1.0)
        self.curve = curve or self.curve
        self.steps_done = 0
        self.num_steps = 0 if self.target == self.start else max(steps, 0)
        if self.num_steps == 0:
            self.alpha = self.target

    def step(self) -> bool:
        """Take one step; return whether this step reached the target."""
        if self.is_resting:
            return False
        self.steps_done += 1
        if self.is_resting:
            self.alpha = self.target
            return True
        progress = ease(self.curve, self.steps_done / self.num_steps)
        alpha = self.start + (self.target - self.start) * progress
        # Rounding must not put it outside the ramp.
        low, high = sorted((self.start, self.target))
        self.alpha = min(max(alpha, low), high)
        return False

    def hold(self, alpha: float) -> None:
        """Rest at `alpha`, in [0, 1], and drop a ramp under way."""
        self.alpha = self.start = self.target = alpha
        self.steps_done = self.num_steps
