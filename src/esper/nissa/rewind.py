"""Takes a run log back to the place that a checkpoint holds; what it told since is kept aside.

A resumed run trains the epochs after its checkpoint anew and tells of them anew. What a dead process told of them has
to leave the log, or every reader would count it twice; it moves to `log/superseded/`, where nothing reads it.
"""

from __future__ import annotations

from pathlib import Path

from esper.leyline.atomic import write_atomically
from esper.leyline.errors import LogError
from esper.nissa.log import LogPosition
from esper.nissa.segments import LOG_FOLDER, Segment

SUPERSEDED_FOLDER = "superseded"


def rewind(run_folder: Path, position: LogPosition | None, *, rank: int = 0) -> int:
    """Take the log of `rank` back to `position`, or to its beginning when None; return how many events that takes away.

    A process that dies in the middle leaves the log as it was or rewound in part; rewinding again finishes it.

    Raises:
        LogError: the log does not reach to `position`.
        OSError: the disk refused.
    """
    log_folder = run_folder / LOG_FOLDER
    segments = _segments(log_folder, rank)
    if position is None:
        return sum(_set_aside(segment) for segment in reversed(segments))
    held = [segment for segment in segments if segment.name == position.segment]
    if not held or held[0].path.stat().st_size < position.num_bytes:
        raise LogError(
            f"the log in {log_folder} must reach to byte {position.num_bytes} of {position.segment}, as the"
            " checkpoint says, got a shorter one; put the missing file back"
        )
    later = [segment for segment in segments if segment.number > held[0].number]
    num_events = sum(_set_aside(segment) for segment in reversed(later))
    return num_events + _cut(held[0], position.num_bytes)


def _segments(log_folder: Path, rank: int) -> list[Segment]:
    found = (Segment.parse(path) for path in log_folder.glob("*.jsonl"))
    return sorted(
        (segment for segment in found if segment is not None and segment.rank == rank),
        key=lambda segment: segment.number,
    )


def _set_aside(segment: Segment) -> int:
    """Move a whole file away; return how many events it holds."""
    num_events = segment.path.read_bytes().count(b"\n")
    segment.path.replace(_free_name(segment))
    return num_events


def _cut(segment: Segment, num_bytes: int) -> int:
    """Keep the first `num_bytes` of a file and set the rest aside; return how many events that is."""
    content = segment.path.read_bytes()
    kept, rest = content[:num_bytes], content[num_bytes:]
    if not rest:
        return 0
    _free_name(segment).write_bytes(rest)
    write_atomically(segment.path, lambda file: file.write(kept))
    return rest.count(b"\n")


def _free_name(segment: Segment) -> Path:
    """Return a path among what is superseded that no earlier resumption has used."""
    folder = segment.folder / SUPERSEDED_FOLDER
    folder.mkdir(exist_ok=True)
    number = 0
    while (path := folder / f"{segment.path.stem}.{number}.jsonl").exists():
        number += 1
    return path
