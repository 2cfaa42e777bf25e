"""Parts of the story of a run that describe its log: logged metrics, names unknown or missing, and the processes that wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsStory:
    """The metrics that the user's own training loop has logged at its steps."""

    num_logged: int
    """Calls that were written to the log."""
    num_left_out: int
    """Calls that were left out to limit the rate."""
    last_step: int | None
    """Step of the newest one; None if there is none, or it names no step."""
    newest: Mapping[str, float]
    """The newest value of each metric, by name; of the first 1,000 names only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownInLog:
    """A name that a later minor version of the contract has added, and that this version does not know."""

    kind: str
    """`field`, `event`, `member`, or `value`: a field with a value outside the bounds that this version has."""
    name: str
    count: int
    """How often it occurs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingInLog:
    """A field of the contract that events in the log lack; it is None in their payloads."""

    name: str
    """`EVENT.field`, or `Record.field` for a field of a record."""
    count: int
    """How many events lack it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterStory:
    """One process that wrote the log."""

    rank: int
    boot: str
    """Random id of the process."""
    continues: bool
    """Whether it resumed the run from a checkpoint of the process before it."""
    num_events: int
    first_ns: int
    """Wall time of its first event, in nanoseconds since 1970 UTC."""
    last_ns: int
    """Wall time of its newest event, in nanoseconds since 1970 UTC."""
    files: tuple[str, ...]
    """Names of its files in the log's folder."""
