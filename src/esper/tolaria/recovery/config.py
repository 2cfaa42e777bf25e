"""The settings of the governor: how often it takes snapshots, which it keeps, and how many steps it may skip."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from esper.leyline.arguments import describe, instance_of, whole_number
from esper.tolaria.probing.config import ProbeConfig
from esper.tolaria.recovery.escalation import EscalationConfig
from esper.tolaria.snapshots.retention import OLDER_SNAPSHOT_AGES


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernorConfig:
    """The governor's settings. The defaults were set on the digits task with injected faults, unless a source is given."""

    mode: Literal["act", "watch"] = "act"
    """Whether the governor acts on its verdicts, or only watches: it reports what it would have done and does nothing."""
    optimizer_state: Literal["clear", "restore"] = "clear"
    """Whether a rollback clears the moments and step counts of optimizers or restores them. Restoring requires saving
    them, which triples the size of a snapshot under Adam. After a spike, clearing works best (SPAM, arXiv 2501.06842)."""
    random_state: bool = False
    """Whether a rollback restores the random generators too, so that the same batches come again in the same order."""
    snapshot_interval: int = 25
    """Steps between the snapshots that `after_step` takes."""
    trust_after_steps: int = 15
    """Healthy steps after which a snapshot is trusted: about as many as the detector needs to detect a doubled loss."""
    older_snapshot_ages: tuple[int, ...] = OLDER_SNAPSHOT_AGES
    """Which snapshots are kept beside the newest: one for each age, counted in snapshots taken since, rising. There must be at
    least one, so that a trusted snapshot is always kept. With n ages the governor needs n + 2 times the memory of a
    snapshot: those kept and one to fill; until training has recovered from a rollback, once more."""
    max_skips: int = 25
    """Steps that may be skipped in a row for their gradient or data before the governor rolls back further."""
    escalation: EscalationConfig = field(default_factory=EscalationConfig)
    """The measures that accompany repeated rollbacks."""
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    """How a governor with a probe compares the present weights with a snapshot."""

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: a setting is of another type or out of its range.
        """
        if self.optimizer_state not in ("clear", "restore"):
            raise ValueError(
                f"optimizer_state must be 'clear' or 'restore', got {self.optimizer_state!r}"
            )
        if self.mode not in ("act", "watch"):
            raise ValueError(f"mode must be 'act' or 'watch', got {self.mode!r}")
        for name, number, least in (
            ("snapshot_interval", self.snapshot_interval, 1),
            ("trust_after_steps", self.trust_after_steps, 0),
            ("max_skips", self.max_skips, 0),
        ):
            whole_number(name, number, minimum=least)
        instance_of("random_state", self.random_state, bool)
        instance_of("escalation", self.escalation, EscalationConfig, "write EscalationConfig(...)")
        instance_of("probe", self.probe, ProbeConfig, "write ProbeConfig(...)")
        ages = self.older_snapshot_ages
        if not isinstance(ages, tuple | list):
            raise ValueError(
                f"older_snapshot_ages must be a tuple of numbers, got {describe(ages)}"
            )
        for age in ages:
            whole_number("an age of older_snapshot_ages", age)
        is_rising = all(younger < older for younger, older in pairwise((0, *ages)))
        if not ages or not is_rising:
            raise ValueError(
                f"older_snapshot_ages must be rising positive numbers, at least one, got {ages};"
                f" for example {OLDER_SNAPSHOT_AGES}"
            )


def checked_config(config: GovernorConfig | None) -> GovernorConfig:
    """Return `config`, or the default settings when None.

    Raises:
        ValueError: it is of another type.
    """
    if config is None:
        return GovernorConfig()
    return instance_of("config", config, GovernorConfig, "write GovernorConfig(...)")
