"""The one place through which commands talk to the terminal: messages are escaped, broken output is said in one line.

Names, arguments and log contents come from anybody. They reach the terminal through `printable` or one of the functions
here, which show control characters as `\\x1b` and the like.
"""

import contextlib
import errno
import io
import os
import shutil
import sys
from collections.abc import Iterable
from typing import NoReturn, final

from rich.console import Console

from esper.leyline.text import printable, printable_message

_MAX_LINE = 8192
"""Characters of a line of text; only a hostile log has longer ones."""


@final
class _Console(Console):
    """A console that lets the program handle a broken pipe; Rich itself would end the process."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise the error again, which Rich has caught."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def make_console() -> Console:
    """Return a console for standard output.

    Nothing is interpreted as markup, so that a name such as `exp[lr=0.1]` is printed whole, and plain text stays uncoloured.
    """
    console = _Console(markup=False, emoji=False, highlight=False)
    if console.width == 0:
        # COLUMNS=0 means that the width is not known, but Rich would print nothing at all.
        console.width = shutil.get_terminal_size().columns
    return console


def print_line(console: Console, text: str) -> None:
    """Print one line, escaped and not wrapped."""
    console.print(printable_message(text), soft_wrap=True)


def print_text(console: Console, lines: Iterable[str]) -> None:
    """Print lines of any length, escaped; they are wrapped by the caller."""
    for line in lines:
        console.print(printable(line, _MAX_LINE), soft_wrap=True)


def print_error(text: str) -> None:
    """Print one line on standard error, escaped; if it cannot be written, do nothing, as there is no other place."""
    # `print` takes None, a closed standard error, for standard output.
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(printable_message(text), file=sys.stderr, flush=True)


def escape_unencodable() -> None:
    """Let standard output and error escape characters that their encoding does not have, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != "backslashreplace":
            stream.reconfigure(errors="backslashreplace")


def flush_output() -> None:
    """Write what standard output still holds.

    Raises:
        OSError: it cannot be written.
    """
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def discard_output() -> None:
    """Drop the rest of standard output, which would raise once more when the interpreter flushes it at exit."""
    # Streams that are not the process's own, as in tests, have no descriptor or hold nothing back.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        descriptor = sys.stdout.fileno()
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, descriptor)
        os.close(devnull)
