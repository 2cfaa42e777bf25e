"""Warnings about telemetry itself, for the person at the terminal."""

import sys

from esper.leyline.interrupts import raised_by_signal_handler
from esper.leyline.text import printable_message


def warn(message: str) -> None:
    """Write `telemetry: message`, control characters escaped, to standard error; if that fails, ignore it, so that training goes on."""
    if sys.stderr is None:
        return
    try:
        print(f"telemetry: {printable_message(message)}", file=sys.stderr, flush=True)
    except (OSError, ValueError) as error:
        if raised_by_signal_handler(error):
            raise
