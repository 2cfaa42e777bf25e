"""What growing may cost in all."""

from dataclasses import asdict, dataclass

from esper.leyline.arguments import real_number
from esper.leyline.signals import TrainingSignals


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthBudget:
    """The limits of a run's cost; None is without limit. Once one of them is reached, no more seeds are planted.

    Raises:
        ValueError: a limit is not a number from 0.
    """

    growth: float | None = 3.0
    """Parameters that seeds may add, as a multiple of the host's."""
    params: float | None = None
    """Parameters that seeds may add."""
    updates: float | None = None
    """Parameter updates of the whole run: parameters that learn times optimizer steps, those of trials included."""
    flops: float | None = None
    """Floating-point operations of the training steps of the whole run, forward and backward, those of trials included. It is
    reached as soon as the epochs that are left would take the rest with the seeds as they are."""
    seconds: float | None = None
    """Seconds of training. A run that is repeated may then plant other seeds, since no two runs take the same time."""

    def __post_init__(self) -> None:
        """Check the limits."""
        for name, limit in asdict(self).items():
            if limit is not None:
                real_number(name, limit, minimum=0.0)

    def is_spent(self, signals: TrainingSignals) -> bool:
        """Return whether the run has used up its updates or its seconds, or needs all its FLOPs to end as it is."""
        epochs_left = signals.epochs - signals.epoch
        return any(
            limit is not None and spent >= limit
            for limit, spent in (
                (self.updates, signals.num_updates),
                (self.flops, signals.num_flops + epochs_left * signals.epoch_flops),
                (self.seconds, signals.duration_s),
            )
        )

    def params_left(self, signals: TrainingSignals) -> float:
        """Return the parameters that seeds may still add."""
        limits = [float("inf") if self.params is None else self.params]
        if self.growth is not None:
            limits.append(self.growth * signals.num_host_params)
        return min(limits) - (signals.num_params - signals.num_host_params)
