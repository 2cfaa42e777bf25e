"""The exceptions that Esper raises. All are subclasses of `EsperError`.

A message states the rule, the value that broke it, and the remedy. The command line prints the message as one line and
exits with code 2. Each class also inherits the built-in exception for the same kind of mistake, so `except ValueError`
works too.
"""

from typing import final


class EsperError(Exception):
    """Base class of every error that the caller can fix."""


@final
class UsageError(EsperError, ValueError):
    """Raised when an argument has a value that cannot be used.

    The message writes a Python argument in backticks, such as `epochs`; the command line shows its option instead.
    """


@final
class RunNotFoundError(EsperError, LookupError):
    """Raised when no run has the given name, or a folder does not hold a run."""


@final
class LogError(EsperError, ValueError):
    """Raised when a run log cannot be written or read; the message names the file, and the line if it is known."""


class SnapshotError(EsperError, ValueError):
    """Raised when a snapshot cannot be taken or restored; nothing has been changed."""


@final
class ProbeError(EsperError, ValueError):
    """Raised when a probe returns something other than losses, or different losses for the same weights and batch."""


@final
class CheckpointError(EsperError, ValueError):
    """Raised when a checkpoint or model file is missing, damaged, or does not fit the model."""


@final
class SlotError(EsperError, ValueError):
    """Raised when a slot cannot carry out a call; the slot has not changed."""


@final
class MissingExtraError(EsperError, ImportError):
    """Raised when an optional dependency is not installed; the message gives the command that installs it."""

    def __init__(self, extra: str, *, package: str) -> None:
        """Say that `package` is missing and that the extra `extra` of the distribution `esper-grow` installs it."""
        super().__init__(
            f"{package} must be installed for this, but it is missing; run: pip install 'esper-grow[{extra}]'"
        )
