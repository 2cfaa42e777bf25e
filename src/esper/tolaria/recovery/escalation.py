"""What a rollback is accompanied by when rollbacks repeat.

The attempts are counted here, outside of every snapshot: a governor whose memory went back together with the weights
would try the same thing for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from esper._generated.enums import EscalationAction

_LEAST: Final = {
    "budget": 1,
    "ages": 0,
    "window_steps": 1,
    "window_checks": 1,
    "warm_back_steps": 1,
    "skip_batches": 1,
    "settle_epochs": 0,
    "hold_epochs": 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationConfig:
    """How patient the governor is. The numbers are ours, set on the fault campaign of `benchmarks/faults.py`."""

    budget: int = 6
    """Rollbacks that a window allows: one for each thing that can be tried, and then as many batches passed over
    (16, 32, 64) as a fault of a few epochs needs to be over. Data that is bad for good ends a run after some 290 steps;
    with two more it would be 700."""
    ages: int = 2
    """Rollbacks that go further and further back; those after them go to the best snapshot again."""
    window_steps: int = 500
    """Steps in a window, in a loop that reports its steps."""
    window_checks: int = 20
    """Checks in a window, in a loop that reports none."""
    learning_rate_factor: float = 0.5
    """What learning rates are multiplied by, each time."""
    warm_back_steps: int = 200
    """Steps in which they return to full."""
    skip_batches: int = 16
    """Batches passed over the first time, and twice as many each further time."""
    settle_epochs: int = 2
    """Checks behind any rollback in which no seed may be planted: planting announces a shift, and what is still wrong would
    pass for it."""
    hold_epochs: int = 5
    """The same when that is what is tried."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ValueError: a number is out of its range.
        """
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number from {least} on, got {value!r}")
        if not 0.0 < self.learning_rate_factor <= 1.0:
            raise ValueError(
                f"learning_rate_factor must be in (0, 1], got {self.learning_rate_factor!r};"
                " 1 leaves learning rates alone"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What is done about one alarm; the source of GOVERNOR_ESCALATED."""

    attempt: int
    budget: int
    actions: tuple[EscalationAction, ...]
    learning_rate_factor: float
    batches_to_skip: int
    epochs_to_hold: int


@dataclass(slots=True)
class _Attempt:
    """A rollback."""

    clock: int
    snapshot_id: int
    actions: list[int]
    """Values of what was done."""


@dataclass(slots=True)
class _Memory:
    """Everything that changes, in plain types, so that a checkpoint can hold it."""

    clock: int = 0
    """Steps, or checks where no steps are reported, that have been seen."""
    attempts: list[_Attempt] = field(default_factory=list)
    """The rollbacks in the window."""
    num_attempts: int = 0
    """How many there have been since it was last empty."""
    factor: float = 1.0
    """What learning rates were last multiplied by."""
    factor_clock: int = 0
    """The clock at that time."""
    batches_to_skip: int = 0
    epochs_to_hold: int = 0


class Escalation:
    """Counts rollbacks, and decides what is done beside going back."""

    def __init__(
        self, config: EscalationConfig, *, can_slow_down: bool, can_hold_germination: bool
    ) -> None:
        """Start with nothing tried; whether there are learning rates to lower and slots to hold is told here."""
        self._config = config
        self._can_slow_down = can_slow_down
        self._can_hold = can_hold_germination
        self._counts_steps = False
        self._memory = _Memory()

    @property
    def counts_steps(self) -> bool:
        """Whether windows are measured in steps."""
        return self._counts_steps

    @property
    def budget(self) -> int:
        """Rollbacks that a window allows."""
        return self._config.budget

    @property
    def window(self) -> int:
        """Steps, or checks where no steps are reported, in a window."""
        config = self._config
        return config.window_steps if self._counts_steps else config.window_checks

    @property
    def is_exhausted(self) -> bool:
        """Whether the next rollback would be one too many."""
        return len(self._memory.attempts) >= self._config.budget

    @property
    def is_repeated(self) -> bool:
        """Whether the next rollback would not be the first in the window."""
        return bool(self._memory.attempts)

    @property
    def goes_to_best(self) -> bool:
        """Whether older snapshots have been tried and did not help: the fault is not in the weights."""
        return self.is_exhausted or len(self._memory.attempts) >= self._config.ages

    @property
    def snapshot_ids(self) -> tuple[int, ...]:
        """The snapshots gone back to in the window."""
        return tuple(attempt.snapshot_id for attempt in self._memory.attempts)

    @property
    def tried(self) -> tuple[EscalationAction, ...]:
        """Everything that has been tried in the window."""
        attempts = self._memory.attempts
        return tuple(EscalationAction(value) for one in attempts for value in one.actions)

    @property
    def learning_rate_factor(self) -> float:
        """What learning rates are multiplied by now; it returns to 1 by and by."""
        memory = self._memory
        if memory.factor == 1.0:
            return 1.0
        progress = (memory.clock - memory.factor_clock) / self._config.warm_back_steps
        return float(memory.factor ** max(0.0, 1.0 - progress))

    @property
    def may_germinate(self) -> bool:
        """Whether seeds may be planted."""
        return self._memory.epochs_to_hold == 0

    def count_steps(self) -> None:
        """Measure windows in steps from now on."""
        self._counts_steps = True

    def advance(self) -> int:
        """Let a step, or a check, go by; return how many attempts it took when a whole window has gone without one."""
        memory = self._memory
        memory.clock += 1
        if not memory.attempts:
            return 0
        memory.attempts = [
            attempt for attempt in memory.attempts if memory.clock - attempt.clock < self.window
        ]
        if memory.attempts:
            return 0
        num_attempts, memory.num_attempts = memory.num_attempts, 0
        memory.epochs_to_hold = 0
        return num_attempts

    def end_epoch(self) -> None:
        """Let an epoch go by in which no seed was planted if none might be."""
        self._memory.epochs_to_hold = max(0, self._memory.epochs_to_hold - 1)

    def skip_batch(self) -> bool:
        """Return whether the next batch is passed over."""
        if not self._memory.batches_to_skip:
            return False
        self._memory.batches_to_skip -= 1
        return True

    def respond(self, *, snapshot_id: int, has_older: bool, to_best: bool) -> Measures:
        """Count a rollback to a snapshot, and decide what is done beside it; that is in force from now on.

        `has_older` says whether it could go back further than the last time, `to_best` that it goes to the best.
        """
        memory, config = self._memory, self._config
        actions = self._actions(has_older=has_older, to_best=to_best)
        memory.attempts.append(
            _Attempt(
                clock=memory.clock,
                snapshot_id=snapshot_id,
                actions=[action.value for action in actions],
            )
        )
        memory.num_attempts += 1
        if EscalationAction.LOWER_LEARNING_RATE in actions:
            memory.factor = self.learning_rate_factor * config.learning_rate_factor
            memory.factor_clock = memory.clock
        if EscalationAction.SKIP_BATCHES in actions:
            # As often as the window allows; counted on, a fault that keeps coming back would have ever more passed over.
            num_doublings = len(memory.attempts) - (3 + self._can_slow_down)
            memory.batches_to_skip = config.skip_batches << num_doublings
        is_held = EscalationAction.HOLD_GERMINATION in actions
        hold = config.hold_epochs if is_held else config.settle_epochs
        memory.epochs_to_hold = max(memory.epochs_to_hold, hold)
        return self._measures(len(memory.attempts), actions)

    def carry_out_order(self) -> Measures:
        """Return what is done about a rollback that the caller has ordered: nothing more, and it counts for nothing."""
        return self._measures(1, (EscalationAction.NEWEST_SNAPSHOT,))

    def state_dict(self) -> dict[str, Any]:
        """Return everything remembered, in plain types."""
        return {"counts_steps": self._counts_steps, **asdict(self._memory)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what `state_dict` returned."""
        memory = dict(state)
        self._counts_steps = memory.pop("counts_steps")
        attempts = [_Attempt(**attempt) for attempt in memory.pop("attempts")]
        self._memory = _Memory(**memory, attempts=attempts)

    def _measures(self, attempt: int, actions: tuple[EscalationAction, ...]) -> Measures:
        return Measures(
            attempt=attempt,
            budget=self._config.budget,
            actions=actions,
            learning_rate_factor=self.learning_rate_factor,
            batches_to_skip=self._memory.batches_to_skip,
            epochs_to_hold=self._memory.epochs_to_hold,
        )

    def _actions(self, *, has_older: bool, to_best: bool) -> tuple[EscalationAction, ...]:
        """Return what is done at the next attempt: as a rule one thing more than at the one before."""
        rungs = []
        if self._counts_steps and self._can_slow_down:
            rungs.append(EscalationAction.LOWER_LEARNING_RATE)
        if self._counts_steps:
            rungs.append(EscalationAction.SKIP_BATCHES)
        if self._can_hold:
            rungs.append(EscalationAction.HOLD_GERMINATION)
        attempt = 1 + len(self._memory.attempts)
        if to_best:
            target = EscalationAction.BEST_SNAPSHOT
        elif has_older and attempt > 1:
            target = EscalationAction.OLDER_SNAPSHOT
        else:
            target = EscalationAction.NEWEST_SNAPSHOT
        if self.is_exhausted:
            return (target, EscalationAction.STOP)
        return (target, *rungs[: max(0, attempt - 2)])
