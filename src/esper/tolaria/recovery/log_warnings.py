"""Warnings of a governor whose channel has no listener, on the standard library's logger `esper`.

Without any configuration of `logging` they are printed to standard error, one line each.
"""

from __future__ import annotations

import logging
from typing import Final

from esper._generated.enums import EscalationAction, SkipCause
from esper._generated.records import GovernorReport, StopReport
from esper.leyline.errors import SnapshotError
from esper.leyline.text import printable, printable_message
from esper.tolaria.detection.verdict import Verdict

_LOGGER = logging.getLogger("esper")
_CAUSES: Final = {
    SkipCause.GRADIENT: "the gradient is not finite",
    SkipCause.DATA: "the loss is anomalous although the weights have just been restored",
    SkipCause.PLANNED: "batches are skipped after repeated rollbacks",
}
"""Overflows under loss scaling are left out: a GradScaler skips such steps as part of its normal work, silently too."""


def warn_of_skip(cause: SkipCause, *, step: int, loss: float) -> None:
    """Warn that a step was skipped; call it only for the first of several in a row, because a lasting fault skips many."""
    if cause in _CAUSES:
        _LOGGER.warning(
            "step %d: skipped, because %s (loss %g); gradients were dropped, weights are unchanged;"
            " further skips in a row are not reported",
            step,
            _CAUSES[cause],
            loss,
        )


def warn_of_watched(verdict: Verdict, *, step: int) -> None:
    """Warn of what a governor that only watches would have done, unless it is the normal work of a GradScaler."""
    if verdict.reason is not None:
        _LOGGER.warning(
            "step %d: watching only; the governor would have answered %s because of %s (loss %g)",
            step,
            verdict.severity.name,
            verdict.reason.name,
            verdict.loss,
        )


def warn_of_missing_snapshot(error: SnapshotError, *, step: int) -> None:
    """Warn that a snapshot that was due could not be taken; training goes on with the earlier ones."""
    _LOGGER.warning("step %d: no snapshot was taken: %s", step, printable_message(str(error)))


def warn_of_rollback(report: GovernorReport) -> None:
    """Warn that the weights were restored, in a rollback that the caller has not ordered."""
    pruned = (
        f"; pruned the seeds of {', '.join(map(printable, report.pruned_slots))}"
        if report.pruned_slots
        else ""
    )
    _LOGGER.warning(
        "step %d: rolled back to the snapshot of step %d, because of %s (loss %g);"
        " rollback %d of the window (%s)%s",
        report.from_step,
        report.to_step,
        report.reason.name,
        report.loss_at_panic,
        report.attempt,
        action_names(report.actions),
        pruned,
    )


def warn_of_stop(report: StopReport) -> None:
    """Warn that the training loop must end."""
    _LOGGER.warning(
        "step %d: training must stop: %s; every further step is refused,"
        " end the loop when `verdict.must_stop` is true",
        report.step,
        printable_message(report.message),
    )


def action_names(actions: tuple[EscalationAction, ...]) -> str:
    """Return the names of `actions` in words, for a message."""
    return ", ".join(action.name.lower().replace("_", " ") for action in actions)
