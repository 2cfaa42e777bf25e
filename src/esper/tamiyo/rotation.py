"""Chooses the blueprint of the next seed."""

from collections.abc import Mapping, Sequence
from typing import Any

_DECAY = 0.95
_DROPPED_BELOW = 0.1
_PENALTY = 2.0


class BlueprintRotation:
    """Takes the blueprints in turn, leaving out those whose seeds were pruned recently.

    Each pruned seed adds a penalty to its blueprint, which shrinks by a twentieth each epoch. When all blueprints are left
    out, the one with the smallest penalty is chosen, and among equal ones the next in turn.

    Attributes:
        next_index: index of the blueprint whose turn is next.
        penalties: by blueprint; blueprints without one are missing.
    """

    def __init__(self, blueprint_ids: tuple[str, ...], skip_penalty: float) -> None:
        """Start with the first of `blueprint_ids`; a blueprint with a penalty of `skip_penalty` or more is left out."""
        self._blueprint_ids = blueprint_ids
        self._skip_penalty = skip_penalty
        self.next_index = 0
        self.penalties: dict[str, float] = {}

    def decay(self) -> None:
        """Shrink every penalty, once an epoch, and drop the smallest ones."""
        decayed = {name: penalty * _DECAY for name, penalty in self.penalties.items()}
        self.penalties = {name: p for name, p in decayed.items() if p >= _DROPPED_BELOW}

    def penalise(self, blueprint_id: str) -> None:
        """Add the penalty for a pruned seed to its blueprint."""
        self.penalties[blueprint_id] = self._penalty(blueprint_id) + _PENALTY

    def choose(self) -> str:
        """Return the blueprint of the next seed and move the turn on."""
        count = len(self._blueprint_ids)
        in_turn = [self._blueprint_ids[(self.next_index + i) % count] for i in range(count)]
        allowed = [name for name in in_turn if self._penalty(name) < self._skip_penalty]
        chosen = allowed[0] if allowed else min(in_turn, key=self._penalty)
        self.next_index = (self._blueprint_ids.index(chosen) + 1) % count
        return chosen

    def least_penalised(self, among: Sequence[str]) -> str:
        """Return the first of `among` that is not left out, or the one with the smallest penalty; no turn is taken."""
        allowed = [name for name in among if self._penalty(name) < self._skip_penalty]
        return allowed[0] if allowed else min(among, key=self._penalty)

    def state_dict(self) -> dict[str, Any]:
        """Return whose turn it is and the penalties, in plain values."""
        return {"next_blueprint": self.next_index, "penalties": self.penalties}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`; other entries are ignored.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        self.next_index = state["next_blueprint"]
        self.penalties = dict(state["penalties"])

    def _penalty(self, blueprint_id: str) -> float:
        return self.penalties.get(blueprint_id, 0.0)
