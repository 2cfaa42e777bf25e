"""What a growth policy may ask for. Doing nothing needs no action."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Germinate:
    """Plant a seed of `blueprint_id` in an empty slot."""

    slot_id: str
    blueprint_id: str
    blend_tempo_epochs: int
    """Epochs that blending in will take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Try the gate to the seed's next stage."""

    slot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Remove the seed."""

    slot_id: str
    reason: str


Action = Germinate | Advance | Prune
