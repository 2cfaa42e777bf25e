"""Failures: class, message and place of an exception, as the log keeps them and as messages of the command line."""

from __future__ import annotations

import site
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from esper._generated.enums import RunOutcome
from esper.leyline.text import describe_exception, encodable, printable, shorten

_MAX_TYPE = 256
_MAX_MESSAGE = 1024
_MAX_PLACE = 512
"""Most characters that the contract allows in the fields of RUN_FINISHED; a test compares them with it."""
_MAX_SHOWN_MESSAGE = 500

_ESPER = str(Path(__file__).parents[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The exception that ended a run, as text."""

    type: str
    """Name of the exception's class, with its module unless that is `builtins` or `__main__`."""
    message: str
    """At most 1,024 characters."""
    place: str | None
    """File and line of the innermost frame of the user's code, such as `train.py:12`; None without a traceback."""

    def __str__(self) -> str:
        """Return class, message and place in one printable line; of the message, the first line that is not empty."""
        lines = (line.strip() for line in self.message.splitlines())
        message = printable(next(filter(None, lines), ""), _MAX_SHOWN_MESSAGE)
        place = "" if self.place is None else f" ({printable(self.place, _MAX_PLACE)})"
        return f"{printable(self.type)}{f': {message}' if message else ''}{place}"


def describe_end(error: BaseException) -> tuple[RunOutcome, Failure | None]:
    """Return the outcome of a run that `error` ended, and the failure.

    `KeyboardInterrupt`, `SystemExit` and other exceptions that are not an `Exception` interrupt a run: there is no
    failure.
    """
    if not isinstance(error, Exception):
        return RunOutcome.INTERRUPTED, None
    return RunOutcome.FAILED, _describe(error)


def describe_failure(error: BaseException) -> str:
    """Return class, message and place of `error` in one printable line, for a message of the command line."""
    return str(_describe(error))


def _describe(error: BaseException) -> Failure:
    cls = type(error)
    is_bare = cls.__module__ in ("builtins", "__main__")
    name = cls.__qualname__ if is_bare else f"{cls.__module__}.{cls.__qualname__}"
    text = describe_exception(error)
    return Failure(
        type=shorten(encodable(name), _MAX_TYPE),
        message=shorten(encodable(text.removeprefix(name).removeprefix(": ")), _MAX_MESSAGE),
        place=_find_place(error.__traceback__),
    )


def _find_place(frames: TracebackType | None) -> str | None:
    """Return the innermost frame outside of Esper and of installed packages, preferably one in a file; else the innermost frame."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(frames)]
    if not places:
        return None
    own = [place for place in places if _is_users(place[0])]
    # Generated code, such as the __init__ of a data class, is in no file; but so is all of `python -c`.
    in_files = [place for place in own if not place[0].startswith("<")]
    file, line = (in_files or own or places)[-1]
    place = encodable(f"{file}:{line}")
    # The end of a long path says more than its start.
    return place if len(place) <= _MAX_PLACE else f"...{place[3 - _MAX_PLACE:]}"


def _is_users(file: str) -> bool:
    return not file.startswith(("<frozen ", *_installed_folders()))


def _installed_folders() -> list[str]:
    paths = sysconfig.get_paths()
    folders = [paths["stdlib"], paths["purelib"], paths["platlib"], *site.getsitepackages()]
    return [_ESPER, *folders, site.getusersitepackages()]
