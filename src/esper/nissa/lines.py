"""Splits a log file into lines, without trusting it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from esper.leyline.errors import LogError
from esper.nissa.segments import MAX_LINE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a file."""

    path: Path
    number: int
    """From 1."""
    data: bytes
    """Its bytes, with the line end."""

    @property
    def is_torn(self) -> bool:
        """Whether it lacks its line end, so that its writer may not have finished it; only a file's last line can."""
        return not self.data.endswith(b"\n")

    @property
    def place(self) -> str:
        """Where it is, as compilers say it."""
        return f"{self.path}:{self.number}"


def read_lines(path: Path) -> Iterator[Line]:
    """Read one line at a time.

    Raises:
        LogError: the file cannot be read, or a line is longer than any that is written.
    """
    if not path.is_file():
        # Opening a pipe that nobody writes to would wait for ever.
        raise LogError(f"{path}: a log file must be a regular file; remove what is there")
    try:
        with path.open("rb") as file:
            number = 0
            while data := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                line = Line(path=path, number=number, data=data)
                if len(data) > MAX_LINE_BYTES:
                    raise LogError(
                        f"{line.place}: a line must be at most {MAX_LINE_BYTES} bytes, got more;"
                        " the file is damaged or no run log"
                    )
                yield line
    except OSError as error:
        raise LogError(
            f"{path}: a log file must be readable, got {error.strerror}; copy the run to a sound disk"
        ) from error
