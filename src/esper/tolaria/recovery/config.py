"""How the governor remembers and how patient it is."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from esper.tolaria.recovery.escalation import EscalationConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernorConfig:
    """The governor's numbers. Unless a source is given they are ours, set on the digits task with injected faults."""

    optimizer_state: Literal["clear", "restore"] = "clear"
    """What becomes of moments and step counts in a rollback. To be restored they are saved too, which triples a
    snapshot under Adam. After a spike they are best forgotten (SPAM, arXiv 2501.06842)."""
    random_state: bool = False
    """Whether random generators go back too, so that the same batches come again in the same order."""
    snapshot_interval: int = 25
    """Steps between the snapshots that `after_step` takes."""
    probation_steps: int = 15
    """Healthy steps until a snapshot is trusted: about as many as the detector needs to see a doubled loss."""
    ring_ages: tuple[int, ...] = (1, 3, 8)
    """Snapshots after which the second place takes a younger one, the third, and so on; at least one, so that one that
    has proved itself is always left."""
    max_skips: int = 25
    """Steps that are refused in a row before the governor goes back further."""
    escalation: EscalationConfig = field(default_factory=EscalationConfig)
    """What accompanies repeated rollbacks."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: one of them cannot work.
        """
        if self.optimizer_state not in ("clear", "restore"):
            raise ValueError(
                f"optimizer_state must be 'clear' or 'restore', got {self.optimizer_state!r}"
            )
        for name, number, least in (
            ("snapshot_interval", self.snapshot_interval, 1),
            ("probation_steps", self.probation_steps, 0),
            ("max_skips", self.max_skips, 0),
        ):
            if number < least:
                raise ValueError(f"{name} must be at least {least}, got {number}")
        ages = self.ring_ages
        is_rising = all(younger < older for younger, older in pairwise((0, *ages)))
        if not ages or not is_rising:
            raise ValueError(
                f"ring_ages must be rising positive numbers, at least one, got {ages};"
                " take for example (1, 3, 8)"
            )
