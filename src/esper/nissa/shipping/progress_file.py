"""The file `position.json` of a sink: the position in the log and the state of the sink, stored in one atomic step."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from esper.leyline.atomic import write_atomically
from esper.leyline.errors import LogError
from esper.nissa.shipping.follower import LogPosition
from esper.nissa.shipping.log_sink import State

SHIP_FOLDER = "ship"
"""Folder in a run's folder that holds a folder for each sink."""
_FILE_NAME = "position.json"


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a sink is: everything that counts after its process was killed."""

    position: LogPosition = field(default_factory=LogPosition)
    """The position in the log after the last commit."""
    state: State | None = None
    """The state of the sink after its last commit; None before the first."""
    num_written: int = 0
    """Events that the sink has committed."""
    num_left_out: int = 0
    """Events that were filtered or sampled out."""
    num_failures: int = 0
    """Failures of the sink so far."""
    newest_ns: int = 0
    """Wall time of the newest event up to the position; 0 if there is none."""
    is_ended: bool = False
    """Whether RUN_FINISHED is among the events up to the position."""


@final
class ProgressFile:
    """Reads and writes the progress of one sink of a run."""

    def __init__(self, run_folder: Path, label: str) -> None:
        """Use the folder of the sink `label` in the run's folder."""
        self.folder = run_folder / SHIP_FOLDER / label
        self._path = self.folder / _FILE_NAME

    def load(self) -> Progress:
        """Return the progress that was stored last; that of a sink that has nothing yet if there is none.

        Raises:
            LogError: the file is damaged.
        """
        try:
            plain: dict[str, Any] = json.loads(self._path.read_bytes())
            position = LogPosition.from_json(plain.pop("position"))
            return Progress(position=position, **plain)
        except FileNotFoundError:
            return Progress()
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise LogError(
                f"{self._path} must be as it was written, got a file that cannot be read ({error});"
                f" remove {self.folder} to carry the whole log again"
            ) from error

    def save(self, progress: Progress) -> None:
        """Store the progress; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written; the old one is kept.
            TypeError, ValueError: the sink's state is not JSON.
        """
        plain = {
            "position": progress.position.to_json(),
            "state": progress.state,
            "num_written": progress.num_written,
            "num_left_out": progress.num_left_out,
            "num_failures": progress.num_failures,
            "newest_ns": progress.newest_ns,
            "is_ended": progress.is_ended,
        }
        content = json.dumps(plain, allow_nan=False).encode()
        write_atomically(self._path, lambda file: file.write(content))
