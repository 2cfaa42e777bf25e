"""One run of the campaign: one fault, one guardian, one seed, and its outcome."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise

from esper._generated.enums import RunOutcome, Severity, SnapshotFault
from esper._generated.governor import (
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorStepSkippedPayload,
)
from esper._generated.run import EpochCompletedPayload
from esper.nissa.hub import Hub
from esper.nissa.sinks.memory import MemorySink
from esper.tamiyo.heuristic import HeuristicPolicy
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer
from faults_campaign.guardians import GOVERNOR, GUARDIANS
from faults_campaign.loop import TrainingRun
from faults_campaign.network import EPOCH_STEPS, is_finite
from faults_campaign.schedule import Fault, Schedule, Sign

_SNAPSHOT_FAULTS = {Sign.NOT_COPIED: SnapshotFault.NOT_COPIED, Sign.CORRUPT: SnapshotFault.CORRUPT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one run."""

    guardian: str
    fault: str | None
    """None for a clean run."""
    seed: int
    began: int | None
    """Steps tried when the fault started; None if it never did."""
    detected: bool | None
    """None where nothing has to be detected."""
    delay: int | None
    """Steps from the fault to its alarm, the longest if it has several; None without an alarm."""
    num_rollbacks: int
    num_refused: int
    """Number of steps that were refused because of an anomaly."""
    is_complete: bool
    """Whether all epochs were trained."""
    is_finite: bool
    """Whether all weights are finite at the end."""
    accuracies: tuple[float, ...]
    """Validation accuracy at the end of each epoch, in percent."""
    host_accuracies: tuple[float, ...]
    """The same with live seeds switched off."""
    accuracy: float
    """Validation accuracy of the final network, in percent."""


def first_step(seed: int) -> int:
    """Return the step at which the fault starts: in the middle of the 11th to 16th epoch of 30, depending on `seed`."""
    return EPOCH_STEPS * (10 + seed % 6) + 2 + seed * 7 % 19


def run_trial(guardian: str, fault: Fault | None, seed: int, *, grows: bool = True) -> Outcome:
    """Train once under `guardian`, with `fault` injected unless it is None."""
    schedule = Schedule(fault, first_step(seed))
    run = TrainingRun(seed, guard=GUARDIANS[guardian], before_step=schedule.advance, grows=grows)
    with schedule:
        is_complete = run.train()
    detected, delay = (None, None) if fault is None else _detection(run, fault, schedule.began)
    return Outcome(
        guardian=guardian,
        fault=None if fault is None else fault.name,
        seed=seed,
        began=schedule.began,
        detected=detected,
        delay=delay,
        num_rollbacks=sum(alarm.severity >= Severity.ROLLBACK for alarm in run.alarms),
        num_refused=sum(alarm.severity is Severity.SKIP for alarm in run.alarms),
        is_complete=is_complete,
        is_finite=is_finite(run.network.model),
        accuracies=tuple(run.accuracies),
        host_accuracies=tuple(run.host_accuracies),
        accuracy=run.validate().accuracy,
    )


def run_trainer(seed: int) -> Outcome:
    """Train once without a fault, as `esper train` does."""
    with Hub("faults") as hub:
        memory = hub.attach(MemorySink())
        trainer = Trainer(
            DIGITS,
            RunSettings(seed=seed),
            policy=HeuristicPolicy(),
            channel=hub.channel(env_id=0),
        )
        outcome = trainer.fit()
    return Outcome(
        guardian=GOVERNOR,
        fault=None,
        seed=seed,
        began=None,
        detected=None,
        delay=None,
        num_rollbacks=len(memory.of(GovernorRollbackPayload)),
        num_refused=len(memory.of(GovernorStepSkippedPayload)),
        is_complete=outcome is RunOutcome.COMPLETED,
        is_finite=is_finite(trainer.model),
        accuracies=tuple(payload.val_accuracy for payload in memory.of(EpochCompletedPayload)),
        host_accuracies=(),
        accuracy=trainer.validate().accuracy,
    )


ENDLESS = 10**6
"""Epochs of a run whose learning rate stays where it starts."""
_EPOCHS_OF_LINE = 100
"""Epochs between two lines about an endless run."""


def run_endless(seed: int, epochs: int) -> tuple[int, int, int]:
    """Train `epochs` epochs of a run that would go on for ever, at a constant rate and long after it has converged.

    Return the number of rollbacks, of refused steps, and of epochs trained; the counts so far go to stderr.
    """
    with Hub("faults") as hub:
        memory = hub.attach(MemorySink())

        def counts() -> tuple[int, int, int]:
            rollbacks = len(memory.of(GovernorRollbackPayload))
            return rollbacks, len(memory.of(GovernorStepSkippedPayload)), trainer.epochs_completed

        next_line = _EPOCHS_OF_LINE

        def should_stop() -> bool:
            nonlocal next_line
            if trainer.epochs_completed >= next_line:
                next_line += _EPOCHS_OF_LINE
                rollbacks, refused, done = counts()
                print(
                    f"{rollbacks} rollbacks, {refused} refused steps in {done} epochs",
                    file=sys.stderr,
                    flush=True,
                )
            return trainer.epochs_completed >= epochs

        trainer = Trainer(
            DIGITS,
            RunSettings(seed=seed, epochs=ENDLESS),
            policy=HeuristicPolicy(),
            channel=hub.channel(env_id=0),
            should_stop=should_stop,
        )
        trainer.fit()
        return counts()


def _detection(run: TrainingRun, fault: Fault, began: int | None) -> tuple[bool | None, int | None]:
    """Return whether every strike that needs a sign gave one, and the longest delay of an alarm in steps."""
    signs = [strike.sign for strike in fault.strikes if strike.sign is not None]
    if not signs or began is None:
        return None, None
    starts = [began + strike.at for strike in fault.strikes if strike.sign is Sign.ALARM]
    delays = [
        next((alarm.step - start for alarm in run.alarms if start < alarm.step <= end), None)
        for start, end in pairwise([*starts, sys.maxsize])
    ]
    reported = {payload.fault for payload in run.memory.of(GovernorSnapshotFailedPayload)}
    is_reported = all(
        _SNAPSHOT_FAULTS[sign] in reported for sign in signs if sign is not Sign.ALARM
    )
    raised = [delay for delay in delays if delay is not None]
    return is_reported and len(raised) == len(delays), max(raised, default=None)
