"""The actions that a growth policy may ask for. A slot without an action is left alone."""

from dataclasses import dataclass

from esper.leyline.arguments import instance_of, real_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Germinate:
    """Plant a seed of `blueprint_id` in an empty slot.

    The training loop raises a SlotError if the slot is not empty, so look for stage DORMANT. Whether the governor allows
    new seeds at present is in `TrainingSignals.may_germinate`.
    """

    slot_id: str
    blueprint_id: str
    """A blueprint that is registered for the slot's topology, such as `conv_light` for `cnn`."""
    blend_tempo_epochs: int
    """Epochs over which the seed is blended in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Advance the seed to its next stage if it passes the gate; otherwise nothing changes."""

    slot_id: str
    on_credit: bool = False
    """Whether a seed may leave TRAINING without having shown that it helps; to become a fossil it must show it anyway.

    A seed whose blueprint changes the features by more than 25 % at birth gets no credit: its gate is asked as without.
    """

    def __post_init__(self) -> None:
        """Check the field that nothing else checks.

        Raises:
            ValueError: `on_credit` is not a boolean.
        """
        instance_of("on_credit", self.on_credit, bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Remove the seed at once; a fossil is not removed."""

    slot_id: str
    reason: str
    """Short text for the telemetry, such as `low_contribution`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejuvenate:
    """Shrink all weights, mix them with fresh ones, and restart the schedule of the learning rate.

    Newborn seeds starve beside a host that has settled, and a network that has learned its training samples by heart stays
    where it is. Weights become `shrink` times themselves plus `perturb` times a fresh initialisation (Ash and Adams, On
    Warm-Starting Neural Network Training, arXiv:1910.08475), momentum is cleared, and the learning rate starts again from its
    base, to fall over the epochs that are left.

    A trial trains two copies of the network in the same epochs, `trial_share` of those that are left and at least one, on the same
    batches: first the one without rejuvenation, then the other, whose epochs are reported and governed as all others. Then both are
    compared on the decision split. Training goes on from the rejuvenated copy if it is shown to have caught up, and from the other one if
    not, so that only the steps of one copy are lost. While a trial runs, no seed is judged and the policy is not asked. With 0
    there is no trial.

    Frozen parameters, which could not learn again, keep their weights. After the last epoch nothing is done. A policy may ask for
    one rejuvenation at a time; it comes after the other actions of its epoch.

    Raises:
        ValueError: a number is not in [0, 1], or `includes_seeds` is not a boolean.
    """

    shrink: float = 0.4
    perturb: float = 0.6
    trial_share: float = 0.1
    includes_seeds: bool = True
    """Whether seeds and fossils are rejuvenated too, and not the host alone."""

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in ("shrink", "perturb", "trial_share"):
            if not 0.0 <= real_number(name, getattr(self, name)) <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        instance_of("includes_seeds", self.includes_seeds, bool)


Action = Germinate | Advance | Prune | Rejuvenate
