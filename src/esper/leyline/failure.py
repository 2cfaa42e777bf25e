"""Describes the exception that ended a run, for the log and for messages."""

import traceback
from dataclasses import dataclass
from pathlib import Path

from esper.leyline.text import printable

_MAX_MESSAGE = 500
_MAX_PLACE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Type, message and place of an exception, each as one line of printable text."""

    type: str
    """Name of its class, such as `SlotError`."""
    message: str
    place: str | None
    """File, line and function that raised it, such as `task.py:12 in load`; None if it was not raised."""

    def __str__(self) -> str:
        """Return all three in one line."""
        message = f": {self.message}" if self.message else ""
        place = f" ({self.place})" if self.place else ""
        return f"{self.type}{message}{place}"


def describe_failure(error: BaseException) -> Failure:
    """Return type, message and place of `error`; of a message with several lines, the first that is not empty."""
    lines = (line.strip() for line in str(error).splitlines())
    frames = traceback.extract_tb(error.__traceback__)
    place = None
    if frames:
        last = frames[-1]
        place = printable(f"{Path(last.filename).name}:{last.lineno} in {last.name}", _MAX_PLACE)
    return Failure(
        type=printable(type(error).__name__),
        message=printable(next(filter(None, lines), ""), _MAX_MESSAGE),
        place=place,
    )
