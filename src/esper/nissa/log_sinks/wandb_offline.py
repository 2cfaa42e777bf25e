"""Log sink `wandb`: an offline run of W&B, for its terminal page and for `wandb sync`; nothing is sent."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, final

from esper._generated.enums import Resumption, RunOutcome
from esper._generated.fields import EVENT_FIELDS
from esper._generated.registry import EVENTS, LEVELS
from esper._generated.run import RunFinishedPayload, RunResumedPayload
from esper.leyline.atomic import write_atomically
from esper.leyline.text import encodable
from esper.nissa.log_sinks.output_folder import OutputFolder
from esper.nissa.log_sinks.plain_values import plain_fields, run_settings
from esper.nissa.log_sinks.wandb_file import WandbFile
from esper.nissa.reader import LoggedEvent
from esper.nissa.run_edges import START_EVENTS
from esper.nissa.shipping.log_sink import LogSink, ShippedRun, State
from esper.nissa.shipping.series import find_env, find_place, find_scalars, find_texts

_TABLES = ("lifecycle", "governor")
"""Families of events that are tables of W&B too."""
_MAX_ROWS = 10_000
"""Rows of a table, the newest ones: as many as W&B's client allows by default."""
_TABLE_HEAD = ("epoch", "seq", "boot", "t_wall_ns", "event")
_AXES = ("step", "epoch")
# Not `run-ID.wandb.synced`, with which `wandb sync` marks what it has sent.
_PATTERN = "run-*[bl]"


@dataclass(slots=True, kw_only=True)
class _Part:
    """One run of W&B: that of one rank and environment."""

    folder: str
    """Folder below the sink's."""
    wandb_id: str
    num_records: int = 0
    num_rows: int = 0
    """Rows of the history."""
    axes: dict[str, str] = field(default_factory=dict)
    """The axis of the curves of each event so far."""
    outcome: str | None = None
    """Name of the outcome in RUN_FINISHED; None before it."""
    newest_s: float = 0.0


@final
class WandbSink(LogSink):
    """Writes offline runs of W&B into `wandb/` in the run's folder, or into `ARGUMENT/RUN/`.

    Rank 0 and environment 0 are the run of W&B with the id of Esper's run, others are runs of the same group. A row of its
    history is an event with a curve or text. Files are cut back to the last commit when the sink is opened again, and the
    tables and the mark of the end, which it writes when it is closed, are then written again: no row is there twice.
    Project and entity are those of the variables `WANDB_PROJECT` and `WANDB_ENTITY`.
    """

    RESUMPTION: ClassVar[Resumption] = Resumption.OFFSETS
    # Not `wandb`: a folder of that name, as W&B makes it, would be taken for the package.
    REQUIRES: ClassVar[tuple[str, ...]] = ("wandb.proto",)
    EXTRA: ClassVar[str | None] = "wandb"

    def __init__(self) -> None:
        """Write nothing yet."""
        self._run_id = ""
        self._folder: OutputFolder | None = None
        self._parts: dict[str, _Part] = {}
        self._files: dict[str, WandbFile] = {}
        self._rows: dict[Path, list[str]] = {}
        self._summaries: dict[str, dict[str, Any]] = {}
        self._is_committed = False

    def open(self, run: ShippedRun, state: State | None) -> None:
        """Cut the files back to the last commit.

        Raises:
            UsageError: the folder holds such files of something else, or cannot be written.
            LogError: a file is missing or shorter than it was.
        """
        self._run_id = run.run_id
        self._folder = _folder(run)
        self._folder.begin(None if state is None else state["sizes"])
        if state is not None:
            self._parts = {name: _Part(**plain) for name, plain in state["parts"].items()}
        self._is_committed = True

    def write(self, events: Sequence[LoggedEvent]) -> None:
        """Append a row for each event with curves or texts, and keep the rows of the tables."""
        for event in events:
            self._is_committed = False
            envelope, payload = event
            name = _part_name(event)
            file = self._file_of(name, event)
            part = self._parts[name]
            part.newest_s = envelope.t_wall_ns / 1e9
            if envelope.event in START_EVENTS:
                file.append_config({**run_settings(event), "run_id": envelope.run})
            if isinstance(payload, RunFinishedPayload):
                part.outcome = payload.outcome.name
            elif isinstance(payload, RunResumedPayload):
                part.outcome = None
            self._append_row(name, file, event)
            if _family(envelope.event) in _TABLES and LEVELS[envelope.event] != "debug":
                row = {
                    **{one: getattr(envelope, one) for one in _TABLE_HEAD},
                    **plain_fields(event),
                }
                path = self._rows_path(part, _family(envelope.event))
                self._rows.setdefault(path, []).append(f"{json.dumps(row)}\n")

    def commit(self) -> State:
        """Flush the files to the disk and return their sizes and what is known of each run of W&B."""
        assert self._folder is not None
        for name, values in self._summaries.items():
            self._files[name].append_summary(values)
        self._summaries.clear()
        for path, lines in self._rows.items():
            with path.open("a", encoding="utf-8") as file:
                file.writelines(lines)
        self._rows.clear()
        for name, opened in self._files.items():
            opened.flush()
            self._parts[name].num_records = opened.num_records
        self._is_committed = True
        parts = {name: asdict(part) for name, part in self._parts.items()}
        return {"sizes": self._folder.commit(), "parts": parts}

    def close(self) -> None:
        """Append the tables, and the mark of the end if the run has ended, unless events are not committed."""
        try:
            if self._is_committed and self._folder is not None:
                for name, part in self._parts.items():
                    self._append_end(name, part)
        finally:
            self._is_committed = False
            for file in self._files.values():
                file.close()
            self._files.clear()

    def clear(self, run: ShippedRun) -> bool:
        """Remove the files of the run."""
        folder = _folder(run)
        is_clear = folder.clear()
        if is_clear:
            for path in folder.path.glob("offline-run-*/files/media/table/*.table.json"):
                path.unlink()
        return is_clear

    def _append_row(self, name: str, file: WandbFile, event: LoggedEvent) -> None:
        """Append curves and texts of an event, with its place on the axis."""
        values: dict[str, Any] = dict(find_scalars(event))
        values.update((key, encodable(text)) for key, text in find_texts(event))
        if not values:
            return
        envelope, _ = event
        part, place = self._parts[name], find_place(event)
        root = envelope.event.lower()
        if root not in part.axes:
            part.axes[root] = place.axis
            file.append_metric(root, place.axis)
        self._summaries.setdefault(name, {}).update(values)
        values["epoch"] = envelope.epoch or 0
        values[part.axes[root]] = place.x
        values["_timestamp"] = part.newest_s
        file.append_history(part.num_rows, values)
        part.num_rows += 1

    def _append_end(self, name: str, part: _Part) -> None:
        """Append the tables as far as they are, and the exit code if the run has ended."""
        from wandb.proto.wandb_internal_pb2 import FilesItem, FilesRecord, Record, RunExitRecord

        assert self._folder is not None
        file = self._files.get(name) or self._open_file(name, part)
        tables = {}
        for family in _TABLES:
            rows = self._rows_path(part, family)
            if rows.exists():
                tables[family] = self._write_table(part, family, rows)
        for table in tables.values():
            file.append(Record(files=FilesRecord(files=[FilesItem(path=table["path"])])))
        if tables:
            file.append_history(part.num_rows, {**tables, "_timestamp": part.newest_s})
            file.append_summary(tables)
        if part.outcome is not None:
            code = 0 if part.outcome == RunOutcome.COMPLETED.name else 1
            file.append(Record(exit=RunExitRecord(exit_code=code)))

    def _write_table(self, part: _Part, family: str, rows: Path) -> dict[str, Any]:
        """Write the newest rows as a table of W&B, and return what its history says of it."""
        assert self._folder is not None
        with rows.open(encoding="utf-8") as file:
            lines = deque(file, maxlen=_MAX_ROWS)
        columns = _table_columns(family)
        data = [[row.get(column) for column in columns] for row in map(json.loads, lines)]
        content = json.dumps({"columns": columns, "data": data}).encode()
        place = f"media/table/{family}.table.json"
        write_atomically(
            self._folder.path / part.folder / "files" / place, lambda file: file.write(content)
        )
        return {
            "_type": "table-file",
            "path": place,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "ncols": len(columns),
            "nrows": len(data),
        }

    def _file_of(self, name: str, event: LoggedEvent) -> WandbFile:
        """Return the open file of a run of W&B; begin both if this is the first event of it."""
        if name in self._files:
            return self._files[name]
        part = self._parts.get(name)
        is_new = part is None
        if part is None:
            wandb_id = re.sub(r"[^A-Za-z0-9_-]", "-", f"{self._run_id}{name}")
            begin = datetime.fromtimestamp(event[0].t_wall_ns / 1e9, UTC)
            folder = f"offline-run-{begin:%Y%m%d_%H%M%S}-{wandb_id}"
            part = self._parts[name] = _Part(folder=folder, wandb_id=wandb_id)
        file = self._open_file(name, part)
        if is_new:
            file.append(_run_record(part, self._run_id, event[0].t_wall_ns))
            for axis in _AXES:
                file.append_metric(axis, None)
        return file

    def _open_file(self, name: str, part: _Part) -> WandbFile:
        assert self._folder is not None
        path = self._folder.path / part.folder / f"run-{part.wandb_id}.wandb"
        self._files[name] = WandbFile(path, num_records=part.num_records)
        return self._files[name]

    def _rows_path(self, part: _Part, family: str) -> Path:
        assert self._folder is not None
        return self._folder.path / part.folder / f"run-{part.wandb_id}.{family}.jsonl"


def _folder(run: ShippedRun) -> OutputFolder:
    return OutputFolder(run, "wandb", pattern=_PATTERN)


def _part_name(event: LoggedEvent) -> str:
    """Return the end of the id of the run of W&B to which an event belongs."""
    rank, env = event[0].rank, find_env(event)
    return (f"-rank-{rank}" if rank else "") + (f"-env-{env}" if env else "")


def _run_record(part: _Part, run_id: str, start_ns: int) -> Any:
    from wandb.proto.wandb_internal_pb2 import Record, RunRecord

    run = RunRecord(
        run_id=part.wandb_id,
        display_name=part.wandb_id,
        run_group=run_id,
        project=os.environ.get("WANDB_PROJECT", "esper"),
        entity=os.environ.get("WANDB_ENTITY", ""),
    )
    run.start_time.FromNanoseconds(start_ns)
    return Record(run=run)


@cache
def _family(event: str) -> str:
    return EVENTS[event].__module__.rpartition(".")[2]


@cache
def _table_columns(family: str) -> list[str]:
    """Return the columns of a table: those of the envelope, then every plain field of the family's events."""
    names = {
        one.name: None
        for event in EVENT_FIELDS
        if _family(event) == family
        for one in EVENT_FIELDS[event]
    }
    return [*_TABLE_HEAD, *(name for name in names if name not in _TABLE_HEAD)]
