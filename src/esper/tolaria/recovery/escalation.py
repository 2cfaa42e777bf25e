"""Decides about each rollback: which snapshot it restores, and which measures accompany it when rollbacks repeat.

The rollbacks are counted here, outside of every snapshot: a governor whose counts were restored together with the
weights would try the same thing for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from esper._generated.enums import EscalationAction, PanicReason
from esper.leyline.arguments import real_number, whole_number

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
    """The measures that accompany repeated rollbacks, and the number of rollbacks after which the run is stopped.

    The defaults were set on the fault campaign of `benchmarks/faults.py`.
    """

    budget: int = 6
    """Rollbacks that a window allows; the next one stops the run. Six are enough to try every action once, and then to skip
    as many batches (16, 32, 64) as a fault of a few epochs lasts. Permanently bad data stops a run after about 290 steps,
    or 420 with a probe, which skips sooner; with a budget of eight it would be 700."""
    ages: int = 2
    """Rollbacks that restore older and older snapshots; those after them restore the best snapshot."""
    window_steps: int = 500
    """Steps in a window, in a loop that reports its steps."""
    window_checks: int = 20
    """Checks in a window, in a loop that reports no steps."""
    learning_rate_factor: float = 0.5
    """Factor by which learning rates are multiplied at each rollback from the third on, or from the fourth on with
    a probe, in (0, 1]."""
    warm_back_steps: int = 200
    """Steps over which learning rates return to their full values."""
    skip_batches: int = 16
    """Batches skipped after the fourth rollback, or after the third with a probe; each further rollback doubles the number."""
    settle_epochs: int = 2
    """Checks after any rollback during which no seed may be planted: planting announces a shift, and a fault that is still
    there would be taken for that shift."""
    hold_epochs: int = 5
    """Same as `settle_epochs`, for rollbacks that hold germination, from the fifth on."""

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: a setting is out of its range.
        """
        for name, least in _LEAST.items():
            whole_number(name, getattr(self, name), minimum=least)
        if not 0.0 < real_number("learning_rate_factor", self.learning_rate_factor) <= 1.0:
            raise ValueError(
                f"learning_rate_factor must be in (0, 1], got {self.learning_rate_factor!r};"
                " 1 leaves learning rates as they are"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The measures taken at one rollback; the source of GOVERNOR_ESCALATED."""

    attempt: int
    """Number of the rollback in its window, from 1."""
    budget: int
    actions: tuple[EscalationAction, ...]
    learning_rate_factor: float
    batches_to_skip: int
    epochs_to_hold: int


@dataclass(slots=True)
class _Attempt:
    """One rollback."""

    clock: int
    """The clock of `_Memory` at that time."""
    snapshot_id: int
    """Number of the restored snapshot."""
    actions: list[int]
    """Values of the actions that were taken."""


@dataclass(slots=True)
class _Memory:
    """All that changes; the field names are keys of the state dict."""

    clock: int = 0
    """Steps, or checks where the loop reports no steps, that have been seen."""
    attempts: list[_Attempt] = field(default_factory=list)
    """The rollbacks in the window."""
    num_attempts: int = 0
    """Rollbacks since the window was last without any."""
    factor: float = 1.0
    """Factor that learning rates were multiplied by when they were last lowered."""
    factor_clock: int = 0
    """The clock at that time."""
    batches_to_skip: int = 0
    epochs_to_hold: int = 0
    """Checks during which no seed may be planted."""


class Escalation:
    """Counts rollbacks, and decides which snapshot each restores and which measures accompany it."""

    def __init__(
        self,
        config: EscalationConfig,
        *,
        can_slow_down: bool,
        can_hold_germination: bool,
        skips_first: bool = False,
    ) -> None:
        """Start without any rollback.

        Args:
            config: the settings.
            can_slow_down: whether there are optimizers whose learning rates can be lowered.
            can_hold_germination: whether the model has slots.
            skips_first: whether batches are skipped before learning rates are lowered, not after. That suits rollbacks
                that a probe has confirmed, which come before the weights are far gone.
        """
        self._skips_first = skips_first
        self._config = config
        self._can_slow_down = can_slow_down
        self._can_hold = can_hold_germination
        self._counts_steps = False
        self._memory = _Memory()

    @property
    def counts_steps(self) -> bool:
        """Whether windows are measured in steps rather than in checks."""
        return self._counts_steps

    @property
    def budget(self) -> int:
        """Rollbacks that a window allows."""
        return self._config.budget

    @property
    def window(self) -> int:
        """Steps in a window, or checks where the loop reports no steps."""
        config = self._config
        return config.window_steps if self._counts_steps else config.window_checks

    @property
    def is_exhausted(self) -> bool:
        """Whether the next rollback exceeds the budget and stops the run."""
        return len(self._memory.attempts) >= self._config.budget

    @property
    def snapshot_ids(self) -> tuple[int, ...]:
        """Numbers of the snapshots that were restored in the window."""
        return tuple(attempt.snapshot_id for attempt in self._memory.attempts)

    @property
    def tried(self) -> tuple[EscalationAction, ...]:
        """All actions of the rollbacks in the window, in order."""
        attempts = self._memory.attempts
        return tuple(EscalationAction(value) for one in attempts for value in one.actions)

    @property
    def learning_rate_factor(self) -> float:
        """Factor by which learning rates are multiplied now, in (0, 1]; it returns to 1 gradually."""
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
        """Measure windows in steps from now on, because the loop reports its steps."""
        self._counts_steps = True

    def advance(self) -> int:
        """Advance the clock by a step or a check.

        Return how many rollbacks the run needed to recover, if the last of them has just left the window, otherwise 0.
        """
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

    def forget_attempts(self) -> None:
        """Count the rollbacks so far no longer: going back has changed nothing, so they were no answer to a fault."""
        self._memory.attempts, self._memory.num_attempts = [], 0
        self._memory.batches_to_skip = self._memory.epochs_to_hold = 0

    def end_epoch(self) -> None:
        """Count down the epochs in which no seed may be planted."""
        self._memory.epochs_to_hold = max(0, self._memory.epochs_to_hold - 1)

    def consume_skip(self) -> bool:
        """Return whether the next batch must be skipped; if so, one fewer is left to skip."""
        if not self._memory.batches_to_skip:
            return False
        self._memory.batches_to_skip -= 1
        return True

    def choose_target(self, reason: PanicReason, *, has_older: bool) -> EscalationAction:
        """Return which snapshot the next rollback restores: NEWEST_SNAPSHOT, OLDER_SNAPSHOT or BEST_SNAPSHOT.

        Args:
            reason: why the run is rolled back; ORDERED if the caller has ordered it.
            has_older: whether there is an older snapshot than the first choice.
        """
        num_attempts = len(self._memory.attempts)
        if reason is PanicReason.ORDERED:
            return EscalationAction.NEWEST_SNAPSHOT
        # Once older snapshots did not help, the fault is not in the weights. A drift is in the newest snapshots too.
        have_older_failed = self.is_exhausted or num_attempts >= self._config.ages
        if have_older_failed or reason is PanicReason.DRIFT:
            return EscalationAction.BEST_SNAPSHOT
        if num_attempts and has_older:
            return EscalationAction.OLDER_SNAPSHOT
        return EscalationAction.NEWEST_SNAPSHOT

    def respond(self, target: EscalationAction, *, snapshot_id: int) -> Measures:
        """Count a rollback to `target`, decide on its measures, and return them; they are in force from now on.

        Args:
            target: the result of `choose_target`.
            snapshot_id: number of the restored snapshot.
        """
        memory, config = self._memory, self._config
        actions = self._actions(target)
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
            # Counted within the window: otherwise a fault that keeps coming back would skip ever more batches.
            first = 3 if self._skips_first or not self._can_slow_down else 4
            num_doublings = len(memory.attempts) - first
            memory.batches_to_skip = config.skip_batches << num_doublings
        is_held = EscalationAction.HOLD_GERMINATION in actions
        hold = config.hold_epochs if is_held else config.settle_epochs
        memory.epochs_to_hold = max(memory.epochs_to_hold, hold)
        return self._measures(len(memory.attempts), actions)

    def ordered_measures(self) -> Measures:
        """Return the measures for a rollback that the caller has ordered: nothing is done in addition or counted."""
        return self._measures(1, (EscalationAction.NEWEST_SNAPSHOT,))

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes, in plain types."""
        return {"counts_steps": self._counts_steps, **asdict(self._memory)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError, TypeError: an entry of `state` is missing or unknown.
        """
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

    def _actions(self, target: EscalationAction) -> tuple[EscalationAction, ...]:
        """Return the actions of the next rollback: from the third on, each takes one more than the rollback before it."""
        if self.is_exhausted:
            return (target, EscalationAction.STOP)
        further = []
        if self._counts_steps and self._can_slow_down:
            further.append(EscalationAction.LOWER_LEARNING_RATE)
        if self._counts_steps:
            # A fault that passes is over after a few batches; lower rates cost the run more, most of all when they anneal.
            further.insert(0 if self._skips_first else 1, EscalationAction.SKIP_BATCHES)
        if self._can_hold:
            further.append(EscalationAction.HOLD_GERMINATION)
        num_before = len(self._memory.attempts)
        return (target, *further[: max(0, num_before - 1)])
