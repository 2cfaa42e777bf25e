"""Who uses a contract: the modules that emit each event and read each field, as recorded in a file beside it.

To find that out takes seconds, so it is not done whenever something is generated; `coverage` finds out whether the record still
holds, and `coverage --record` renews it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..diagnostics.errors import UsageError

Modules = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """Modules by what they use: an event by its name, a field by `OWNER.name`."""

    emitters: Modules = field(default_factory=dict)
    readers: Modules = field(default_factory=dict)


def users_path(spec: Path) -> Path:
    """Return where it is recorded who uses the contract at `spec`."""
    return spec.with_suffix(".users.json")


def print_users(users: Users) -> str:
    """Return the text of a record."""
    return json.dumps(asdict(users), indent=2, sort_keys=True) + "\n"


def read_users(path: Path) -> Users:
    """Read a record; where there is none, nobody is known.

    Raises:
        UsageError: it is not what was written.
    """
    if not path.exists():
        return Users()
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
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
        f"{path.name} must be what `codegen coverage --record` wrote, got {found}; record it anew"
    )
