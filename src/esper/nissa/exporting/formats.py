"""The file formats of an export: each writes a file with the events of one kind, without the columns in its path."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from esper._generated.codec import encode_payload
from esper._generated.fields import ENVELOPE_FIELDS
from esper.nissa.log_sinks.csv_files import payload_columns, to_cell
from esper.nissa.reader import LoggedEvent
from esper.nissa.tables import check_pyarrow, to_table

PARTITION_KEYS: Final = ("event", "run", "rank")
"""Columns that are in the path of a file instead of in the file, from the outermost folder inwards.

The event comes first, because a folder of one kind of event has one schema: readers that take the schema of the first
file they find, such as pandas, get all columns from `event=EPOCH_COMPLETED/`.
"""

_IN_FILE = tuple(one.name for one in ENVELOPE_FIELDS if one.name not in PARTITION_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format."""

    name: str
    write: Callable[[str, Sequence[LoggedEvent], BinaryIO], None]
    """Writes events of one kind, whose name is given, into a file."""
    merge: Callable[[Sequence[Path], BinaryIO], None]
    """Writes the rows of files with the same columns into one file, in the order of the files."""
    needs_pyarrow: bool

    def check_installed(self) -> None:
        """Check that the package that the format needs is installed.

        Raises:
            MissingExtraError: it is not.
        """
        if self.needs_pyarrow:
            check_pyarrow()


def _write_parquet(event: str, events: Sequence[LoggedEvent], file: BinaryIO) -> None:
    import pyarrow.parquet

    table = to_table(event, events).drop_columns(list(PARTITION_KEYS))
    pyarrow.parquet.write_table(table, file, compression="zstd")


def _write_arrow(event: str, events: Sequence[LoggedEvent], file: BinaryIO) -> None:
    import pyarrow.ipc

    table = to_table(event, events).drop_columns(list(PARTITION_KEYS))
    with pyarrow.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _write_csv(event: str, events: Sequence[LoggedEvent], file: BinaryIO) -> None:
    """Write a header and a line for each event; lists, maps and records are JSON, null is empty."""
    columns = payload_columns(event)
    text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_IN_FILE, *(column for _, column, _ in columns)])
    for envelope, payload in events:
        values = msgspec.json.decode(encode_payload(payload))
        head = [getattr(envelope, name) for name in _IN_FILE]
        writer.writerow(
            [*head, *(to_cell(values.get(key), is_text) for key, _, is_text in columns)]
        )
    # Flushes, and leaves the file open for its owner.
    text.detach()


def _merge_parquet(paths: Sequence[Path], file: BinaryIO) -> None:
    import pyarrow
    import pyarrow.parquet

    # Not read_table, which would add the columns of the path.
    tables = [pyarrow.parquet.ParquetFile(path).read() for path in paths]
    pyarrow.parquet.write_table(pyarrow.concat_tables(tables), file, compression="zstd")


def _merge_arrow(paths: Sequence[Path], file: BinaryIO) -> None:
    import pyarrow
    import pyarrow.ipc

    tables = []
    for path in paths:
        with pyarrow.ipc.open_file(path) as reader:
            tables.append(reader.read_all())
    table = pyarrow.concat_tables(tables).combine_chunks()
    with pyarrow.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _merge_csv(paths: Sequence[Path], file: BinaryIO) -> None:
    """Write the header once; it is a line, because no column has a line end in its name."""
    for number, path in enumerate(paths):
        with path.open("rb") as source:
            header = source.readline()
            if not number:
                file.write(header)
            shutil.copyfileobj(source, file)


FORMATS: Final = {
    one.name: one
    for one in (
        Format(name="parquet", write=_write_parquet, merge=_merge_parquet, needs_pyarrow=True),
        Format(name="arrow", write=_write_arrow, merge=_merge_arrow, needs_pyarrow=True),
        Format(name="csv", write=_write_csv, merge=_merge_csv, needs_pyarrow=False),
    )
}
"""The formats by name; the name is also the end of the names of their files."""
