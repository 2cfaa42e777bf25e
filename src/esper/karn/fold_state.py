"""Keeps the state of a run's fold in the run's folder, so that a long run opens in a fraction of the time the second time.

The file is a cache: it is ignored, and the log read from its start, if the log is not the one that it was made from plus
new lines, if it is damaged, or if another version of Esper or of the contract wrote it. It holds numbers, texts and lines
of the log, and nothing that could run. Whoever can write it could as well write the log.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import msgspec

from esper._generated.checks import ContractError
from esper._generated.registry import VERSION
from esper._generated.unknown import UnknownName
from esper.karn.builder_states import WriterState, read_writer, write_writer
from esper.karn.run_fold import RunFold
from esper.leyline.atomic import write_atomically
from esper.leyline.errors import LogError, RunNotFoundError
from esper.leyline.regular_file import read_regular_file
from esper.nissa.event_numbers import EventNumbers
from esper.nissa.reader import DamagedLine, Gap, RunEvents
from esper.nissa.segments import LOG_FOLDER
from esper.nissa.shipping.follower import LogPosition
from esper.version import VERSION as ESPER_VERSION

_FORMAT: Final = "1"
"""Changes whenever the meaning of the state does."""
_MAX_BYTES: Final = 2**28
_TAIL_BYTES: Final = 4096
"""Bytes before the position in a file that must be as they were."""
_CHECKSUM_BYTES: Final = 4


class _FileState(msgspec.Struct, array_like=True):
    """How far a file of the log has been read."""

    offset: int
    num_lines: int
    mtime_ns: int
    """Time of its last change if it was read to its end; 0 otherwise."""
    tail: int
    """Checksum of the bytes before `offset`."""


class _NumbersState(msgspec.Struct, array_like=True):
    intervals: list[tuple[int, int]]
    current: int


class _LineState(msgspec.Struct, array_like=True):
    """A damaged line or a gap."""

    file: str
    line: int
    values: tuple[Any, ...]


class _State(msgspec.Struct, array_like=True):
    version: str
    files: dict[str, _FileState]
    numbers: dict[str, _NumbersState]
    num_events: int
    damaged: list[_LineState]
    num_damaged: int
    gaps: list[_LineState]
    num_gaps: int
    unknown: list[tuple[str, str, int]]
    num_set_aside: int
    num_superseded: int
    writers: list[WriterState]


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_State)


def save(path: Path, fold: RunFold, events: RunEvents, position: LogPosition) -> None:
    """Keep the state of a fold, unless the folder cannot be written.

    The state of a log that lacks fields is not kept: its events cannot be written as the contract has them.

    Args:
        path: the file of the state, in the run's folder.
        fold: the fold of all events up to `position`.
        events: the log, which knows its flaws up to `position`.
        position: how far the log has been read.
    """
    if events.missing:
        return
    with suppress(OSError):
        data = _encode(_make_state(path.parent, fold, events, position))
        content = crc32(data).to_bytes(_CHECKSUM_BYTES, "big") + data
        write_atomically(path, lambda file: file.write(content))


def load(path: Path) -> tuple[RunFold, RunEvents, LogPosition] | None:
    """Return the kept fold, the log and the position up to which it was folded; None if there is no usable state.

    Raises:
        RunNotFoundError: the folder of `path` does not hold a run log.
        LogError: the log's folder cannot be read, or Esper did not write a single file in it.
    """
    folder = path.parent
    try:
        # A link would lead out of the folder, which may come from somebody else.
        if path.is_symlink() or path.stat().st_size > _MAX_BYTES:
            return None
        content = read_regular_file(path)
        checksum, data = content[:_CHECKSUM_BYTES], content[_CHECKSUM_BYTES:]
        if crc32(data).to_bytes(_CHECKSUM_BYTES, "big") != checksum:
            return None
        state = _decoder.decode(data)
        if state.version != _version() or not _is_current(folder, state):
            return None
        events = RunEvents(folder, lenient=True)
        return _restore(folder, state, events)
    except (
        OSError,
        msgspec.MsgspecError,
        ContractError,
        ValueError,
        LookupError,
        TypeError,
    ) as error:
        if isinstance(error, LogError | RunNotFoundError):
            raise
        return None


def _version() -> str:
    return f"{_FORMAT} {ESPER_VERSION} {VERSION}"


def _make_state(folder: Path, fold: RunFold, events: RunEvents, position: LogPosition) -> _State:
    return _State(
        version=_version(),
        files={
            name: _describe_file(folder, name, offset, events.num_lines.get(name, 0))
            for name, offset in position.offsets.items()
        },
        numbers={
            key: _NumbersState(one.intervals, one.current_interval)
            for key, one in position.numbers.items()
        },
        num_events=position.num_events,
        damaged=[
            _LineState(one.path.name, one.line, (one.problem, one.version))
            for one in events.damaged
        ],
        num_damaged=events.num_damaged,
        gaps=[
            _LineState(one.path.name, one.line, (one.expected_seq, one.got_seq))
            for one in events.gaps
        ],
        num_gaps=events.num_gaps,
        unknown=[(one.kind, one.name, count) for one, count in events.unknown.items()],
        num_set_aside=events.num_set_aside,
        num_superseded=events.num_superseded,
        writers=[write_writer(rank, boot, writer) for (rank, boot), writer in fold.writers.items()],
    )


def _describe_file(folder: Path, name: str, offset: int, num_lines: int) -> _FileState:
    path = folder / LOG_FOLDER / name
    stat = path.stat()
    mtime_ns = stat.st_mtime_ns if stat.st_size == offset else 0
    return _FileState(offset, num_lines, mtime_ns, _checksum_before(path, offset))


def _is_current(folder: Path, state: _State) -> bool:
    """Return whether each file still begins with what was read."""
    for name, one in state.files.items():
        path = folder / LOG_FOLDER / name
        if "/" in name or not path.is_file():
            return False
        stat = path.stat()
        if stat.st_size < one.offset or _checksum_before(path, one.offset) != one.tail:
            return False
        if stat.st_size == one.offset and one.mtime_ns not in (0, stat.st_mtime_ns):
            return False
    return True


def _checksum_before(path: Path, offset: int) -> int:
    with path.open("rb") as file:
        file.seek(max(0, offset - _TAIL_BYTES))
        return crc32(file.read(min(offset, _TAIL_BYTES)))


def _restore(
    folder: Path, state: _State, events: RunEvents
) -> tuple[RunFold, RunEvents, LogPosition]:
    fold = RunFold()
    for one in state.writers:
        fold.writers[one.rank, one.boot] = read_writer(one)
    log = folder / LOG_FOLDER
    events.damaged = [
        DamagedLine(
            path=log / one.file, line=one.line, problem=one.values[0], version=one.values[1]
        )
        for one in state.damaged
    ]
    events.gaps = [
        Gap(path=log / one.file, line=one.line, expected_seq=one.values[0], got_seq=one.values[1])
        for one in state.gaps
    ]
    events.num_damaged, events.num_gaps = state.num_damaged, state.num_gaps
    unknown: Any = {UnknownName(kind, name): count for kind, name, count in state.unknown}  # type: ignore[arg-type]  # a kind that save wrote
    events.unknown = Counter(unknown)
    events.num_set_aside, events.num_superseded = state.num_set_aside, state.num_superseded
    events.num_lines = {name: one.num_lines for name, one in state.files.items()}
    position = LogPosition(
        offsets={name: one.offset for name, one in state.files.items()},
        numbers={
            key: EventNumbers.from_intervals(one.intervals, one.current)
            for key, one in state.numbers.items()
        },
        num_events=state.num_events,
        num_bytes=sum(one.offset for one in state.files.values()),
    )
    return fold, events, position
