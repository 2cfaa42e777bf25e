"""Tags of a run: names such as `good`, each with a note if the user has written one, in `tags.json` in the run's folder."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from esper.leyline.arguments import describe
from esper.leyline.atomic import write_atomically
from esper.leyline.errors import LogError, UsageError
from esper.leyline.regular_file import read_regular_file
from esper.leyline.text import printable

TAGS_FILE = "tags.json"

_NAME = re.compile(r"\w[\w.+:-]*")
_MAX_NAME = 64
MAX_NOTE = 2000
"""Most characters of a note."""
_MAX_TAGS = 100


def check_tag(name: object) -> str:
    """Return the name of a tag, which can be typed and shown.

    Raises:
        UsageError: it cannot.
    """
    if isinstance(name, str) and len(name) <= _MAX_NAME and _NAME.fullmatch(name):
        return name
    raise UsageError(
        f"a tag must have 1 to {_MAX_NAME} letters, digits or characters of _ . + : - and begin with a letter, digit or _,"
        f" got {describe(name)}; choose another"
    )


def check_note(note: object) -> str:
    """Return the text of a note.

    Raises:
        UsageError: it is not a text, too long, or cannot be stored.
    """
    is_usable = isinstance(note, str) and bool(note.strip()) and len(note) <= MAX_NOTE
    if isinstance(note, str) and is_usable:
        with suppress(UnicodeEncodeError):
            note.encode("utf-8")
            return note
    raise UsageError(f"a note must be a text of 1 to {MAX_NOTE} characters, got {describe(note)}")


def read_tags(run_folder: Path) -> dict[str, str | None]:
    """Return the tags of the run in `run_folder` by name, each with its note; a note that is not there is None.

    Raises:
        LogError: the file of tags cannot be read.
    """
    path = run_folder / TAGS_FILE
    try:
        plain: dict[str, Any] = json.loads(read_regular_file(path))["tags"]
        return {check_tag(name): _note(value) for name, value in sorted(plain.items())}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise LogError(
            f"{path} must be as esper tag writes it, got a file that cannot be read ({printable(str(reason))}); correct or"
            " remove it"
        ) from error


def add_tags(
    run_folder: Path, names: Iterable[str], *, note: str | None = None
) -> dict[str, str | None]:
    """Add tags to the run in `run_folder` and return all of its tags.

    Each gets the note; a tag that is there keeps its own where `note` is None.

    Raises:
        UsageError: a name or the note cannot be used, or there are too many tags.
        LogError: the file of tags cannot be read.
        OSError: it cannot be written.
    """
    added = [check_tag(name) for name in names]
    text = None if note is None else check_note(note)
    with _locked(run_folder):
        tags = read_tags(run_folder)
        tags |= {name: tags.get(name) if text is None else text for name in added}
        if len(tags) > _MAX_TAGS:
            raise UsageError(f"a run must have at most {_MAX_TAGS} tags, got {len(tags)}")
        _write(run_folder, tags)
    return dict(sorted(tags.items()))


def remove_tags(run_folder: Path, names: Iterable[str]) -> dict[str, str | None]:
    """Remove tags from the run in `run_folder` and return those that are left.

    Raises:
        UsageError: the run does not have one of the tags; then none is removed.
        LogError: the file of tags cannot be read.
        OSError: it cannot be written.
    """
    with _locked(run_folder):
        tags = read_tags(run_folder)
        removed = set(names)
        for name in removed - set(tags):
            held = f"it has: {', '.join(tags)}" if tags else "it has no tags"
            raise UsageError(f'{run_folder.name} has no tag "{printable(name)}"; {held}')
        left = {name: note for name, note in tags.items() if name not in removed}
        _write(run_folder, left)
    return left


def _note(value: Any) -> str | None:
    note = value["note"]
    return None if note is None else check_note(note)


def _write(run_folder: Path, tags: Mapping[str, str | None]) -> None:
    path = run_folder / TAGS_FILE
    if not tags:
        path.unlink(missing_ok=True)
        return
    plain = {"tags": {name: {"note": note} for name, note in sorted(tags.items())}}
    content = json.dumps(plain, indent=2, ensure_ascii=False).encode() + b"\n"
    write_atomically(path, lambda file: file.write(content))


@contextmanager
def _locked(run_folder: Path) -> Iterator[None]:
    """Let one process at a time change the tags of a run, so that none of two changes is lost."""
    # The folder itself is locked; its locks as a run are files in it.
    descriptor = os.open(run_folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some file systems have no locks.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
