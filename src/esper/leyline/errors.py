"""The errors that Esper raises, all under one root.

A message says the rule, then what was got, then the remedy. The command line prints it as its only line and ends
with exit code 2. Where Python has a usual error for the same mistake, ours is also that one.
"""


class EsperError(Exception):
    """Says what the caller can mend."""


class UsageError(EsperError, ValueError):
    """Says that an argument of a command cannot be used."""


class RunNotFoundError(EsperError, LookupError):
    """Says that there is no such run."""


class LogError(EsperError, ValueError):
    """Says that a run log cannot be written or read, and where."""


class SnapshotError(EsperError, ValueError):
    """Says that a snapshot cannot be taken or restored; nothing has been touched."""


class CheckpointError(EsperError, ValueError):
    """Says that a file of weights cannot be used."""


class SlotError(EsperError, ValueError):
    """Says that a slot cannot do what it was asked; it is as it was."""


class MissingExtraError(EsperError, ImportError):
    """Says which optional dependency is missing and how to install it."""

    def __init__(self, extra: str, *, package: str) -> None:
        super().__init__(
            f"{package} must be installed for this, got none; try: pip install 'esper[{extra}]'"
        )
