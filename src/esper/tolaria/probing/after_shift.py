"""Notices damage in the first steps after an announced shift, while the detector does not know the new level yet.

The losses before the shift say how noisy a loss is, and the first losses after it, under weights that have hardly been
trained since, say what the shift has done. A loss far above all of those is a suspicion, which a comparison must confirm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

_MAX_LOSSES: Final = 64
"""Losses after a shift that are looked at; by then every detector knows the level."""
_MAX_CHECKS: Final = 8
"""Validation losses after a shift that are looked at."""
JUMP: Final = 4.0
"""Multiple of the smallest difference that matters by which a loss must exceed those since the shift."""


@dataclass(slots=True)
class AfterShift:
    """The losses since the last announced shift; the field names are keys of its state dict."""

    usual: float | None = None
    """Usual loss before the shift; None before the first shift, or if it was not known."""
    noise: float = 0.0
    """Standard deviation of the losses before the shift."""
    next_snapshot_id: int = 0
    """Number of the first snapshot after the shift."""
    first: float | None = None
    """The first loss after the shift."""
    highest: float | None = None
    """The highest healthy one."""
    num_losses: int = 0
    """Healthy losses since the shift."""
    num_checks: int = _MAX_CHECKS
    """Validation losses since the shift; the largest number if they are not looked at."""

    def note_shift(self, usual: float | None, noise: float, *, next_snapshot_id: int) -> None:
        """Start with a shift; `usual` is None if the losses since the last one were too few."""
        if usual is not None:
            self.usual, self.noise = usual, noise
        self.next_snapshot_id = next_snapshot_id
        self.first = self.highest = None
        self.num_losses = self.num_checks = 0

    def note_healthy(self, loss: float) -> None:
        """Remember a loss that is not anomalous."""
        self.first = loss if self.first is None else self.first
        self.highest = loss if self.highest is None else max(self.highest, loss)
        self.num_losses += 1

    def note_check(self) -> bool:
        """Count a validation loss, and return whether it is one of the first after the shift."""
        self.num_checks = min(self.num_checks + 1, _MAX_CHECKS)
        return self.num_checks < _MAX_CHECKS

    def end_checks(self) -> None:
        """Look at no more validation losses: they have another level, and not because of damage."""
        self.num_checks = _MAX_CHECKS

    def note_rollback(self) -> None:
        """Forget the losses but the first: they may be those of damaged weights."""
        self.highest = self.first

    def has_jumped(self, loss: float, margin: float) -> bool:
        """Return whether the next loss is far above those since the shift; `margin` is the smallest difference that matters."""
        if self.usual is None or self.highest is None or self.num_losses >= _MAX_LOSSES:
            return False
        return loss > self.highest + JUMP * margin

    def is_comparable(self, snapshot_id: int, margin: float) -> bool:
        """Return whether a snapshot is a measure of the weights since the shift.

        A shift may change the weights on purpose, for the worse too, as pruning does. Then earlier weights are no measure.
        """
        if snapshot_id >= self.next_snapshot_id:
            return True
        if self.usual is None or self.first is None:
            return False
        return self.first <= self.usual + JUMP * margin

    def state_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return what `state_dict` was called on.

        Raises:
            TypeError: an entry of `state` is unknown.
        """
        return cls(**state)
