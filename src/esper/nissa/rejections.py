"""Warns about rejected events, so that a value of the wrong type does not go unnoticed until the log is read."""

import sys
from typing import final

from esper._generated.telemetry import TelemetryRejectedPayload
from esper.leyline.text import printable
from esper.nissa.stderr import warn

_MAX_WARNINGS = 20
"""Warnings for one hub; a rule may name the value, so that every event would have a warning of its own."""


@final
class RejectionWarnings:
    """Prints the first rejection of each event, field and rule, with the line of the program that emitted it."""

    def __init__(self) -> None:
        """Start without warnings; `num_rejected` counts all rejections."""
        self.num_rejected = 0
        self._shown: set[tuple[str, str | None, str]] = set()

    def show(self, rejected: TelemetryRejectedPayload) -> None:
        """Print the rejection if it is the first of its kind; called while the emission helper runs."""
        self.num_rejected += 1
        key = (rejected.event, rejected.field, rejected.rule)
        if key in self._shown or len(self._shown) >= _MAX_WARNINGS:
            return
        self._shown.add(key)
        subject = rejected.rule if rejected.field is None else f"{rejected.field} {rejected.rule}"
        warn(
            printable(
                f"{rejected.event} is rejected at {_caller()}: {subject}, got {rejected.got};"
                " the log counts later ones as TELEMETRY_REJECTED"
            )
        )


def _caller() -> str:
    """Return `file:line` of the innermost call that is not in this package."""
    frame = sys._getframe()
    while frame.f_back is not None and _is_ours(str(frame.f_globals.get("__name__"))):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_ours(module: str) -> bool:
    return module == "esper" or module.startswith("esper.")
