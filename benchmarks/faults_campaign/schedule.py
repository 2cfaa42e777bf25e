"""The schedule of a fault: each of its parts is a context that is active from the start of one step to the start of the next."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from faults_campaign.loop import TrainingRun

Injection = Callable[[TrainingRun], AbstractContextManager[None]]


class Sign(Enum):
    """The sign by which a strike counts as detected."""

    ALARM = auto()
    """The guardian refused a step, rolled back or stopped the run."""
    NOT_COPIED = auto()
    """The governor reported that a snapshot could not be copied."""
    CORRUPT = auto()
    """The governor reported that a snapshot has changed since it was saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """An injection with its time: one part of a fault."""

    inject: Injection
    sign: Sign | None
    """None where nothing has to be detected."""
    at: int = 0
    """Steps from the start of the fault to that of the strike."""
    steps: int = 1
    """Number of steps for which it is active."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, as one or more strikes."""

    name: str
    text: str
    """Short description for the report."""
    strikes: tuple[Strike, ...]
    is_ready: Callable[[TrainingRun], bool] = lambda run: True
    """Returns whether the fault can start; it is postponed until it can."""
    is_inner: bool = False
    """Whether it breaks a part that only a governor has: snapshots, or the telemetry of a rollback."""
    must_stop: bool = False
    """Whether the only right reaction is to stop the run with finite weights."""


class Schedule:
    """Starts and ends the strikes of one fault.

    Attributes:
        began: steps tried when the fault started; None before that.
    """

    def __init__(self, fault: Fault | None, first_step: int) -> None:
        """Start `fault` when `first_step` steps have been tried, or as soon after that as it can start."""
        self.began: int | None = None
        self._fault = fault
        self._first_step = first_step
        self._active = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._active.close()

    def advance(self, run: TrainingRun) -> None:
        """End the strikes of the last step and start those of this one."""
        self._active.close()
        fault = self._fault
        if fault is None:
            return
        if self.began is None and run.step >= self._first_step and fault.is_ready(run):
            self.began = run.step
        if self.began is not None:
            for strike in fault.strikes:
                if strike.at <= run.step - self.began < strike.at + strike.steps:
                    self._active.enter_context(strike.inject(run))
