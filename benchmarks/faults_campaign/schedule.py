"""When faults strike: each as a context that is in force from the beginning of one step to that of the next."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from faults_campaign.loop import TrainingRun

Injection = Callable[[TrainingRun], AbstractContextManager[None]]


class Sign(Enum):
    """How it shows that a strike was noticed."""

    ALARM = auto()
    """The guardian refused a step, went back or ended the run."""
    NOT_COPIED = auto()
    """The governor told that a snapshot could not be copied."""
    CORRUPT = auto()
    """The governor told that a snapshot is not what was saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One thing that goes wrong."""

    inject: Injection
    sign: Sign | None
    """None where nothing needs to be noticed."""
    at: int = 0
    """Steps after the fault has begun."""
    steps: int = 1
    """Steps that it lasts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong in a run."""

    name: str
    text: str
    """The same for people."""
    strikes: tuple[Strike, ...]
    is_ready: Callable[[TrainingRun], bool] = lambda run: True
    """Whether it can begin; it waits until it can."""
    is_inner: bool = False
    """Whether it strikes what only a governor has: snapshots, or telemetry of a rollback."""
    must_stop: bool = False
    """Whether nothing can be done about it but to end the run with a sound network."""


class Schedule:
    """Lets one fault begin, last and end.

    Attributes:
        began: steps that had been tried when the fault began; None while it has not.
    """

    def __init__(self, fault: Fault | None, first_step: int) -> None:
        """Plan `fault` for when `first_step` steps have been tried, or as soon after that as it can begin."""
        self.began: int | None = None
        self._fault = fault
        self._first_step = first_step
        self._in_force = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._in_force.close()

    def advance(self, run: TrainingRun) -> None:
        """End what was in force in the last step and begin what is to be in this one."""
        self._in_force.close()
        fault = self._fault
        if fault is None:
            return
        if self.began is None and run.step >= self._first_step and fault.is_ready(run):
            self.began = run.step
        if self.began is not None:
            for strike in fault.strikes:
                if strike.at <= run.step - self.began < strike.at + strike.steps:
                    self._in_force.enter_context(strike.inject(run))
