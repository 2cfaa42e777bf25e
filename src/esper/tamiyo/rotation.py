"""Chooses the blueprint of the next seed."""

from collections.abc import Mapping

_DECAY = 0.95
_FORGOTTEN_BELOW = 0.1
_PENALTY = 2.0


class BlueprintRotation:
    """Goes round the blueprints, leaving out those whose seeds were pruned lately.

    Each pruned seed adds a penalty to its blueprint, which fades by a twentieth each epoch. When all are penalised the least
    penalised one is next, and the rotation moves on all the same, so that no blueprint is repeated for ever.
    """

    def __init__(self, blueprint_ids: tuple[str, ...], skip_from: float) -> None:
        """Start at the first of `blueprint_ids`; a penalty of `skip_from` or more leaves one out."""
        self._blueprint_ids = blueprint_ids
        self._skip_from = skip_from
        self.next_index = 0
        self.penalties: dict[str, float] = {}

    def decay(self) -> None:
        """Forget a part of every penalty; called once an epoch."""
        faded = {name: penalty * _DECAY for name, penalty in self.penalties.items()}
        self.penalties = {name: p for name, p in faded.items() if p >= _FORGOTTEN_BELOW}

    def penalise(self, blueprint_id: str) -> None:
        """Count a pruned seed against its blueprint."""
        self.penalties[blueprint_id] = self.penalties.get(blueprint_id, 0.0) + _PENALTY

    def choose(self) -> str:
        """Return the next blueprint and move on."""
        count = len(self._blueprint_ids)
        in_turn = [self._blueprint_ids[(self.next_index + i) % count] for i in range(count)]
        allowed = [name for name in in_turn if self._penalty(name) < self._skip_from]
        chosen = allowed[0] if allowed else min(in_turn, key=self._penalty)
        self.next_index = (self._blueprint_ids.index(chosen) + 1) % count
        return chosen

    def load(self, next_index: int, penalties: Mapping[str, float]) -> None:
        """Go on from a saved place."""
        self.next_index = next_index
        self.penalties = dict(penalties)

    def _penalty(self, blueprint_id: str) -> float:
        return self.penalties.get(blueprint_id, 0.0)
