"""The file `run-ID.wandb` of an offline run of W&B: its records, appended one after another.

W&B's client hands records to a process of its own, and has no call that says when they are on the disk, so nothing could
be committed with it. This writes the same file from the client's own record classes. A file is a header and blocks of
32 KiB; a record is split where a block ends, and each piece has a checksum, its size and its kind, as in the logs of LevelDB.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, final
from zlib import crc32

_HEADER = b":W&B\xe1\xbe\x00"
_BLOCK = 32 * 2**10
_PIECE = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_MIN_CONSUMER = "0.70.0"
"""Oldest version of the reading part of W&B that understands these records, as its client states it."""


@final
class WandbFile:
    """Appends records to one file.

    Attributes:
        num_records: records in the file.
    """

    def __init__(self, path: Path, *, num_records: int = 0) -> None:
        """Append to the file at `path`, which holds `num_records`; a file without records is begun."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self.num_records = num_records
        if not num_records:
            import wandb
            from wandb.proto.wandb_internal_pb2 import HeaderRecord, Record, VersionInfo

            self._file.write(_HEADER)
            version = VersionInfo(producer=wandb.__version__, min_consumer=_MIN_CONSUMER)
            self.append(Record(header=HeaderRecord(version_info=version)))

    def append(self, record: Any) -> None:
        """Append a `Record`."""
        self.num_records += 1
        record.num = self.num_records
        data = record.SerializeToString()
        is_first = True
        while is_first or data:
            left = _BLOCK - self._file.tell() % _BLOCK
            if left < _PIECE.size:
                self._file.write(bytes(left))
                left = _BLOCK
            piece, data = data[: left - _PIECE.size], data[left - _PIECE.size :]
            kinds = (_FULL, _FIRST) if is_first else (_LAST, _MIDDLE)
            kind = kinds[bool(data)]
            checksum = crc32(piece, crc32(bytes([kind])))
            self._file.write(_PIECE.pack(checksum, len(piece), kind) + piece)
            is_first = False

    def append_history(self, step: int, values: Mapping[str, Any]) -> None:
        """Append a row of values by name, the one with number `step`."""
        from wandb.proto.wandb_internal_pb2 import HistoryRecord, HistoryStep, Record

        history = HistoryRecord(step=HistoryStep(num=step))
        for name, value in {**values, "_step": step}.items():
            history.item.add(nested_key=[name], value_json=_json(value))
        self.append(Record(history=history))

    def append_summary(self, values: Mapping[str, Any]) -> None:
        """Append the values that the table of runs shows from now on."""
        from wandb.proto.wandb_internal_pb2 import Record, SummaryRecord

        summary = SummaryRecord()
        for name, value in values.items():
            summary.update.add(nested_key=[name], value_json=_json(value))
        self.append(Record(summary=summary))

    def append_config(self, values: Mapping[str, Any]) -> None:
        """Append settings of the run."""
        from wandb.proto.wandb_internal_pb2 import ConfigRecord, Record

        config = ConfigRecord()
        for name, value in values.items():
            config.update.add(key=name, value_json=json.dumps(value))
        self.append(Record(config=config))

    def append_metric(self, name: str, axis: str | None) -> None:
        """Append the definition of an axis, or, with `axis`, of the axis of all curves whose names begin with `name`."""
        from wandb.proto.wandb_internal_pb2 import MetricOptions, MetricRecord, Record

        if axis is None:
            metric = MetricRecord(name=name, options=MetricOptions(defined=True))
        else:
            options = MetricOptions(defined=True, step_sync=True)
            metric = MetricRecord(glob_name=f"{name}/*", step_metric=axis, options=options)
        self.append(Record(metric=metric))

    def flush(self) -> None:
        """Pass everything on to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _json(value: Any) -> str:
    """Return a value as JSON, in which W&B has NaN and infinities."""
    # `json` writes a number so too, but takes ten times as long.
    if type(value) is float and isfinite(value):
        return repr(value)
    return json.dumps(value)
