"""One line to the person at the terminal, about telemetry itself."""

import contextlib
import sys


def say(message: str) -> None:
    """Write a line to standard error; whatever is wrong with standard error must not hurt the training run."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(f"telemetry: {message}", file=sys.stderr, flush=True)
