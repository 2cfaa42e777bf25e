"""The actions that a growth policy may ask for. A slot without an action is left alone."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Germinate:
    """Plant a seed of `blueprint_id` in an empty slot.

    The loop raises a SlotError if the slot is not empty, so look for stage DORMANT; `may_germinate` of the signals says
    whether the governor allows it.
    """

    slot_id: str
    blueprint_id: str
    """A registered blueprint for the slot's kind of features, such as `conv_light` for `cnn`."""
    blend_tempo_epochs: int
    """Epochs over which the seed is blended in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Lead the seed to its next stage, if it passes the gate; otherwise it stays where it is."""

    slot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Remove the seed."""

    slot_id: str
    reason: str
    """Short text for the telemetry, such as `low_contribution`."""


Action = Germinate | Advance | Prune
