"""Warnings about telemetry itself, for the person at the terminal."""

import contextlib
import sys


def warn(message: str) -> None:
    """Write `telemetry: message` to standard error; if that fails, ignore it, so that training goes on."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(f"telemetry: {message}", file=sys.stderr, flush=True)
