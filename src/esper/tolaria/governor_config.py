"""How the governor remembers and how patient it is."""

from dataclasses import dataclass, field
from typing import Literal

from esper.tolaria.escalation import EscalationConfig


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
    """Snapshots after which the second place takes a younger one, the third, and so on."""
    max_skips: int = 25
    """Steps that are refused in a row before the governor goes back further."""
    escalation: EscalationConfig = field(default_factory=EscalationConfig)
    """What accompanies repeated rollbacks."""
