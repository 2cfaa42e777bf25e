"""The file `position.json` of a sink: the position in the log and the state of the sink, stored in one atomic step."""

from __future__ import annotations

import json
import os
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
        self._descriptor = -1

    def hold(self) -> None:
        """Have `save` refuse from now on if the folder has been removed, and release the folder that was held before.

        The sink's files are then gone with it, so a position that is stored after that would hide the events in them.
        """
        self.release()
        self.folder.mkdir(parents=True, exist_ok=True)
        # While it is open, no other folder can have its number.
        self._descriptor = os.open(self.folder, os.O_RDONLY)

    def release(self) -> None:
        """Hold the folder no longer."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

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
            FileNotFoundError: the folder that is held was removed; nothing is stored.
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
        self._check_held()
        write_atomically(self._path, lambda file: file.write(content))
        try:
            self._check_held()
        except FileNotFoundError:
            self._path.unlink(missing_ok=True)
            raise

    def _check_held(self) -> None:
        if self._descriptor < 0:
            return
        if not os.path.samestat(os.stat(self.folder), os.fstat(self._descriptor)):
            raise FileNotFoundError(f"{self.folder} was removed, and made again, during shipping")
