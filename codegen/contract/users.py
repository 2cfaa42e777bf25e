"""The modules that use a contract: which emit each event and which read each field, from a file next to it.

Finding them takes seconds, so `generate` reads the file instead. `codegen coverage` reports when the file is out of
date, and `codegen coverage --record` writes it again.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..diagnostics.errors import UsageError
from ..reading import read_bounded

MAX_BYTES = 1 << 24

Modules = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """The modules that emit each event, by its name, and those that read each field, by `OWNER.name`."""

    emitters: Modules = field(default_factory=dict)
    readers: Modules = field(default_factory=dict)


def users_path(spec: Path) -> Path:
    """Return the path of the file that lists the users of the contract at `spec`."""
    return spec.with_suffix(".users.json")


def format_users(users: Users) -> str:
    """Return the text of the file that lists `users`."""
    return json.dumps(asdict(users), indent=2, sort_keys=True) + "\n"


def read_users(path: Path) -> Users:
    """Read the file that lists the users; without a file, no users are known.

    Raises:
        UsageError: the file does not have the form that `format_users` writes.
    """
    if not path.exists():
        return Users()
    try:
        found = json.loads(read_bounded(path, MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    if not (isinstance(found, dict) and sorted(found) == ["emitters", "readers"]):
        raise _damaged(path, "other keys than emitters and readers")
    return Users(**{kind: _modules(path, listed) for kind, listed in found.items()})


def _modules(path: Path, listed: object) -> Modules:
    if not isinstance(listed, dict) or not all(map(_are_names, listed.values())):
        raise _damaged(path, "other values than lists of modules by name")
    return {name: tuple(modules) for name, modules in listed.items()}


def _are_names(listed: object) -> bool:
    return isinstance(listed, list) and all(isinstance(one, str) for one in listed)


def _damaged(path: Path, found: str) -> UsageError:
    return UsageError(
        f"{path.name} must have the form that `coverage --record` writes, got {found}; run that again"
    )
