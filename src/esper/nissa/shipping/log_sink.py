"""The interface of log sinks, which receive the events of a run log in a process of their own.

The log is the record of truth, and a log sink is a reader of it: training does not know about it, and cannot wait for it
or fail because of it. After each commit the position in the log is stored in the run's folder, together with a small state
of the sink, in one atomic step. A process that is killed continues from there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from esper._generated.enums import Resumption
from esper.nissa.reader import LoggedEvent

State = Mapping[str, Any]
"""What a sink needs to continue after its last commit: a JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedRun:
    """The run whose events a sink receives."""

    run_id: str
    """Id of the run, the name of its folder."""
    folder: Path
    """Folder of the run, absolute; `log/` and `ship/` in it belong to Esper."""
    argument: str = ""
    """The text after the colon in `--to NAME:ARGUMENT`; empty if there is none."""


class LogSink(ABC):
    """Base class of log sinks; a package offers its own by an entry point of the group `esper.sinks`.

    One process carries the events to one sink, and calls it from one thread: `open`, then `write` and `commit` as long as
    there are events, then `close`. If a method raises, the sink is closed, a new object is made, opened with the state of
    the last commit, and given all events after it again. `EsperError` is an exception from this: it says that only the
    user can help, and ends the process. A process that makes no progress is killed and started again.

    Events of one writer (`envelope.rank`, `envelope.boot`) arrive in the order of `envelope.seq`; those of several writers
    arrive in any order. Sensitive fields are withheld before a sink sees them.

    `esper.testing.sink_contract` tells the author of a sink whether it keeps these promises.
    """

    RESUMPTION: ClassVar[Resumption]
    """How the sink avoids gaps and repeated events: by cutting its output back to the state of the last commit (OFFSETS),
    by giving each event a key that its receiver recognises (KEYS, see `event_key`), or not exactly (AT_LEAST_ONCE)."""
    REQUIRES: ClassVar[tuple[str, ...]] = ()
    """Modules that must be installed; the module of the class must be importable without them."""
    EXTRA: ClassVar[str | None] = None
    """The extra of the distribution `esper-grow` that installs them, for sinks of Esper."""

    @abstractmethod
    def open(self, run: ShippedRun, state: State | None) -> None:
        """Prepare to receive the events after those of `state`, which the last `commit` returned; None: from the first.

        A sink of the kind OFFSETS removes here whatever it has written after that commit.

        Raises:
            EsperError: the user must correct something first, such as the argument.
        """

    @abstractmethod
    def write(self, events: Sequence[LoggedEvent]) -> None:
        """Take pairs of envelope and payload; they need not be durable before the next commit."""

    @abstractmethod
    def commit(self) -> State:
        """Make all events so far durable, or have the receiver acknowledge them, and return the state to continue from."""

    @abstractmethod
    def close(self) -> None:
        """Release the sink's resources; events after the last commit may be lost, as they will be written again."""

    def clear(self, run: ShippedRun) -> bool:
        """Remove everything that was written for the run, and return True; return False, and do nothing, if that cannot be.

        Called before `open`, when a resumed run has replaced events that the sink has already: the log is then carried
        from its start. A sink that returns False keeps them, and receives the new ones under a new `envelope.boot`.
        """
        return False


def event_key(event: LoggedEvent) -> str:
    """Return a text that no other event has, `RUN/RANK/BOOT/SEQ`, by which a receiver recognises an event that it has."""
    envelope = event[0]
    return f"{envelope.run}/{envelope.rank}/{envelope.boot}/{envelope.seq}"
