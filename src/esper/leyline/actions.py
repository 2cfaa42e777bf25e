"""The actions that a growth policy may ask for. A slot without an action is left alone."""

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Remove the seed at once; a fossil is not removed."""

    slot_id: str
    reason: str
    """Short text for the telemetry, such as `low_contribution`."""


Action = Germinate | Advance | Prune
