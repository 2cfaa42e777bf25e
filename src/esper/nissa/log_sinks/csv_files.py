"""Log sink `csv`: a file for each event, `EVENT.csv`, whose columns are the keys of the line and the fields of the event."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TextIO, final

import msgspec

from esper._generated.codec import encode_payload
from esper._generated.enums import Resumption
from esper._generated.fields import ENVELOPE_FIELDS, EVENT_FIELDS
from esper.nissa.log_sinks.output_folder import OutputFolder
from esper.nissa.reader import LoggedEvent
from esper.nissa.shipping.log_sink import LogSink, ShippedRun, State

# `event` is the name of the file, and the same in each of its lines.
_ENVELOPE = tuple(one.name for one in ENVELOPE_FIELDS if one.name != "event")
# The last four are the full-width forms of the first four.
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


@final
class CsvSink(LogSink):
    """Writes a CSV file for each event into `csv/` in the run's folder, or into `ARGUMENT/RUN/`.

    A field with the name of a key of the line, such as `epoch`, has the column `payload_epoch`. Lists, maps and records are
    JSON. Null is empty. A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """

    RESUMPTION: ClassVar[Resumption] = Resumption.OFFSETS

    def __init__(self) -> None:
        """Write nothing yet."""
        self._folder: OutputFolder | None = None
        self._files: dict[str, TextIO] = {}

    def open(self, run: ShippedRun, state: State | None) -> None:
        """Cut the files back to the last commit.

        Raises:
            UsageError: the folder holds CSV files of something else, or cannot be written.
            LogError: a file is missing or shorter than it was.
        """
        self._folder = _folder(run)
        self._folder.begin(None if state is None else state["sizes"])

    def write(self, events: Sequence[LoggedEvent]) -> None:
        """Append a line for each event."""
        rows: dict[str, list[list[Any]]] = {}
        for envelope, payload in events:
            head = [getattr(envelope, name) for name in _ENVELOPE]
            values: dict[str, Any] = msgspec.json.decode(encode_payload(payload))
            columns = payload_columns(envelope.event)
            cells = [to_cell(values.get(wire), is_text) for wire, _, is_text in columns]
            rows.setdefault(envelope.event, []).append([*map(_envelope_cell, head), *cells])
        for event, added in rows.items():
            csv.writer(self._open_file(event), lineterminator="\n").writerows(added)

    def commit(self) -> State:
        """Flush the files to the disk and return their sizes."""
        assert self._folder is not None
        for file in self._files.values():
            file.flush()
        return {"sizes": self._folder.commit()}

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def clear(self, run: ShippedRun) -> bool:
        """Remove the files of the run."""
        return _folder(run).clear()

    def _open_file(self, event: str) -> TextIO:
        """Return the file of an event; a new one if an older version of Esper has written one with other columns."""
        if event in self._files:
            return self._files[event]
        assert self._folder is not None
        header = _header(event)
        number = 1
        while True:
            path = self._folder.path / (f"{event}.csv" if number == 1 else f"{event}-{number}.csv")
            is_new = not path.exists() or not path.stat().st_size
            if is_new or _begins_with(path, header):
                break
            number += 1
        file = path.open("a", encoding="utf-8", errors="backslashreplace", newline="")
        if is_new:
            file.write(header.decode())
        self._files[event] = file
        return file


def _folder(run: ShippedRun) -> OutputFolder:
    return OutputFolder(run, "csv", pattern="*.csv")


@cache
def payload_columns(event: str) -> tuple[tuple[str, str, bool], ...]:
    """Return key on the wire, column, and whether it is a text, of each field."""
    return tuple(
        (
            one.wire or one.name,
            f"payload_{one.name}" if one.name in _ENVELOPE or one.name == "event" else one.name,
            one.type == "str",
        )
        for one in EVENT_FIELDS[event]
    )


@cache
def _header(event: str) -> bytes:
    text = io.StringIO()
    columns = [*_ENVELOPE, *(column for _, column, _ in payload_columns(event))]
    csv.writer(text, lineterminator="\n").writerow(columns)
    return text.getvalue().encode()


def _begins_with(path: Path, header: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(header)) == header


def _envelope_cell(value: object) -> object:
    return _safe(value) if isinstance(value, str) else value


def to_cell(value: object, is_text: bool) -> object:
    """Return the cell of a value of the wire; `is_text` is whether the contract calls its field a text."""
    if isinstance(value, list | dict):
        return msgspec.json.encode(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    # Also "NaN" and "-Infinity" are texts on the wire, but numbers for the reader of the file.
    return _safe(value) if isinstance(value, str) and is_text else value


def _safe(text: str) -> str:
    """Return a text that no spreadsheet runs: a program may have logged what somebody else gave it."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
