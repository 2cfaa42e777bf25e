"""The newest events of a log, in bounded memory, and filters over them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from fnmatch import fnmatchcase
from math import isfinite
from pathlib import Path
from typing import Any, Final, final

import msgspec

from esper._generated.registry import LEVELS
from esper.karn.watch.texts import show_clock
from esper.leyline.errors import EsperError
from esper.leyline.text import printable
from esper.nissa.reader import LoggedEvent, RunEvents
from esper.nissa.segments import Segment, find_segments
from esper.nissa.shipping.follower import LogFollower, LogPosition

LEVEL_NAMES: Final = ("debug", "info", "warning", "error")
"""Levels of events, from the least to the most important."""

_MAX_KEPT = 1000
"""Newest events of each level that are kept, so that many unimportant ones do not displace the alarms."""
_MAX_TAIL_BYTES = 4 * 2**20
"""Bytes at the end of a log that are read at first."""
_BATCH_EVENTS = 2000
_MAX_VALUES = 48
_MAX_VALUE = 400
_MAX_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event, as texts that are safe to show."""

    number: int
    """Position among the events that were read, from 0."""
    t_wall_ns: int
    rank: int
    boot: str
    seq: int
    epoch: int | None
    event: str
    level: str
    env_id: int | None
    """Training environment; None for events without one."""
    slot_id: str | None
    """Slot as the log names it; None for events that are not about one slot. Make it printable before showing it."""
    values: tuple[tuple[str, str], ...]
    """The other fields with their values; None, where the log has no value, is `-`."""

    @property
    def text(self) -> str:
        """The event in one line: time, rank, epoch, name and values."""
        rank = f" r{self.rank}" if self.rank else ""
        epoch = "    " if self.epoch is None else f"{self.epoch:>4}"
        slot = "" if self.slot_id is None else f" {printable(self.slot_id, _MAX_SHOWN)}"
        values = " ".join(
            f"{name}={printable(value, _MAX_SHOWN)}" for name, value in self.values if value != "-"
        )
        return f"{show_clock(self.t_wall_ns)}{rank} {epoch} {self.event}{slot} {values}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are shown."""

    min_level: str = "info"
    """The least important level."""
    names: str = ""
    """Names, parts of names or patterns such as SEED_*, separated by spaces or commas; empty for all events."""
    slot: tuple[int, str] | None = None
    """Environment and id of the only slot; None for all events."""
    search: str = ""
    """Text that the line of the event contains, in upper or lower case."""

    @property
    def is_open(self) -> bool:
        """Whether every event is shown."""
        return self == EventFilter(min_level="debug")

    def select(self, rows: Iterable[EventRow]) -> tuple[EventRow, ...]:
        """Return the rows that are shown."""
        return tuple(rows) if self.is_open else tuple(filter(self._is_shown, rows))

    def _is_shown(self, row: EventRow) -> bool:
        if LEVEL_NAMES.index(row.level) < LEVEL_NAMES.index(self.min_level):
            return False
        if self.slot is not None and (row.env_id, row.slot_id) != self.slot:
            return False
        patterns = self.names.upper().replace(",", " ").split()
        if patterns and not any(_matches(row.event, pattern) for pattern in patterns):
            return False
        return not self.search or self.search.lower() in row.text.lower()

    def describe(self) -> str:
        """Return the conditions in a few words; empty if every event is shown."""
        parts = []
        if self.min_level != "debug":
            parts.append(f"{self.min_level}+")
        if self.names:
            parts.append(printable(self.names, _MAX_SHOWN))
        if self.slot is not None:
            parts.append(f"slot {printable(self.slot[1], _MAX_SHOWN)}")
        if self.search:
            parts.append(f'"{printable(self.search, _MAX_SHOWN)}"')
        return ", ".join(parts)


@final
class EventTail:
    """Reads the newest events of a log, and what is added to it.

    Attributes:
        is_cut: whether there are older events, which are not among the rows.
        num_bytes: size of the log when it was read first.
    """

    def __init__(self, folder: Path) -> None:
        """Read the log of the run in `folder`, at first only its end."""
        self._folder = folder
        self._kept: dict[str, deque[EventRow]] = {}
        self._number = 0
        self.is_cut, self.num_bytes = False, 0
        self._follower: LogFollower | None = None

    def _start(self) -> LogFollower:
        self._kept = {level: deque(maxlen=_MAX_KEPT) for level in LEVEL_NAMES}
        self._number = 0
        position, self.is_cut, self.num_bytes = _find_tail(self._folder)
        # With the log, so that lines that lack a field are read, too.
        return LogFollower(self._folder, position, flaws=RunEvents(self._folder, lenient=True))

    def read(self) -> bool:
        """Read what is new; return whether there was anything.

        Raises:
            RunNotFoundError: the folder does not hold a run log.
            LogError: a file cannot be read, or was written under a later major version of the contract.
        """
        if self._follower is None:
            self._follower = self._start()
        new: dict[str, deque[tuple[int, LoggedEvent]]] = {
            level: deque(maxlen=_MAX_KEPT) for level in LEVEL_NAMES
        }
        has_new = False
        while True:
            batch = self._follower.read(_BATCH_EVENTS)
            if self._follower.is_superseded:
                # A resumed run has replaced events that are among the rows.
                self._follower = None
                return self.read() or True
            if not batch:
                break
            has_new = True
            # Ranks are read one after another; within what is new, the clock orders their events.
            for event in sorted(batch, key=lambda event: event[0].t_wall_ns):
                new[_level(event)].append((self._number, event))
                self._number += 1
        for level, events in new.items():
            self._kept[level].extend(make_row(event, number) for number, event in events)
        self.is_cut |= sum(map(len, self._kept.values())) < self._number
        return has_new

    @property
    def rows(self) -> tuple[EventRow, ...]:
        """The newest events of each level, in the order in which they were read."""
        return tuple(
            sorted(
                (row for rows in self._kept.values() for row in rows), key=lambda row: row.number
            )
        )


def make_row(event: LoggedEvent, number: int) -> EventRow:
    """Return an event as texts; long values and those after the first 48 are cut off."""
    envelope, payload = event
    assert is_dataclass(payload)
    names = [field.name for field in fields(payload)]
    plain: dict[str, Any] = {name: getattr(payload, name) for name in names[:_MAX_VALUES]}
    env_id, slot_id = plain.pop("env_id", None), plain.pop("slot_id", None)
    return EventRow(
        number=number,
        t_wall_ns=envelope.t_wall_ns,
        rank=envelope.rank,
        boot=printable(envelope.boot, _MAX_SHOWN),
        seq=envelope.seq,
        epoch=envelope.epoch,
        event=printable(envelope.event, _MAX_SHOWN),
        level=_level(event),
        env_id=env_id,
        slot_id=slot_id,
        values=tuple((name, _show(value)) for name, value in plain.items()),
    )


def _level(event: LoggedEvent) -> str:
    return LEVELS.get(event[0].event, "info")


def _matches(event: str, pattern: str) -> bool:
    return fnmatchcase(event, pattern) if set("*?[") & set(pattern) else pattern in event


def _show(value: object) -> str:
    """Return the value of a field, shortened."""
    plain = _plain(value)
    if plain is None:
        return "-"
    if isinstance(plain, float):
        return f"{plain:.4g}"
    text = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    return printable(text, _MAX_VALUE)


def _plain(value: object) -> Any:
    """Return a value as dicts, lists, texts and numbers; of long lists and maps the first 48 items."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, str):
        return value[:_MAX_VALUE]
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, dict):
        items = list(value.items())[:_MAX_VALUES]
        return {str(key)[:_MAX_VALUE]: _plain(item) for key, item in items}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value[:_MAX_VALUES]]
    return value


def _find_tail(folder: Path) -> tuple[LogPosition, bool, int]:
    """Return the position from which the end of a log is read, whether events are before it, and the size of the log."""
    try:
        segments, _ = find_segments(folder)
    except EsperError:
        # The folder was removed, and its writer makes it again; other errors are those of the whole log.
        return LogPosition(), False, 0
    position, is_cut, left, num_bytes = LogPosition(), False, _MAX_TAIL_BYTES, 0
    for segment in sorted(segments, key=_changed_ns, reverse=True):
        size = _size(segment)
        num_bytes += size
        if size > left:
            is_cut = True
            position.offsets[segment.name] = _find_line(segment, size - left)
        left = max(0, left - size)
    return position, is_cut, num_bytes


def _find_line(segment: Segment, offset: int) -> int:
    """Return where the first line after `offset` begins."""
    try:
        with segment.path.open("rb") as file:
            file.seek(offset)
            while (data := file.read(2**16)) and (place := data.find(b"\n")) < 0:
                offset += len(data)
    except OSError:
        return offset
    return offset + place + 1 if data else offset


def _size(segment: Segment) -> int:
    try:
        return segment.path.stat().st_size if segment.path.is_file() else 0
    except OSError:
        return 0


def _changed_ns(segment: Segment) -> int:
    try:
        return segment.path.stat().st_mtime_ns
    except OSError:
        return 0
