"""Matching of the fields that only one of two contracts has: removed, added, moved or probably renamed."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from ..contract.model import Field, FromContext, Value
from ..contract.wire_paths import is_inside, join_path
from .contract_diff import ContractDiff
from .pairs import OwnerPair


@dataclass(frozen=True)
class UnmatchedFields:
    """The fields of an owner that only one contract has; moved fields are left out."""

    owner: OwnerPair
    removed: tuple[Value, ...]
    added: tuple[Value, ...]
    is_major: bool
    """Whether the new contract is a new major version."""
    likely_renames: tuple[tuple[Value, Value], ...]
    """Pairs of a removed and an added field that are probably the same."""
    removed_keys: tuple[Value, ...]
    """Removed fields that identify records: those of the envelope, and those that the context sets."""


def find_unmatched_fields(diff: ContractDiff) -> Iterator[UnmatchedFields]:
    """Yield the unmatched fields of every owner."""
    old_paths = {(move.pair.old.name, move.old) for move in diff.moves}
    new_paths = {(move.pair.old.name, move.new) for move in diff.moves}
    for owner in diff.owners:
        removed = [one for one in owner.removed if not _is_moved(owner, one, old_paths)]
        added = [one for one in owner.added if not _is_moved(owner, one, new_paths)]
        removed_keys, removed = _split_keys(owner, removed)
        renames = tuple(_find_likely_renames(owner, removed, added))
        yield UnmatchedFields(
            owner=owner,
            is_major=diff.bump == "major",
            removed=tuple(one for one in removed if one not in [old for old, _ in renames]),
            added=tuple(one for one in added if one not in [new for _, new in renames]),
            likely_renames=renames,
            removed_keys=tuple(removed_keys),
        )


def _split_keys(owner: OwnerPair, values: list[Value]) -> tuple[list[Value], list[Value]]:
    keys = [one for one in values if owner.subject == "envelope" or _is_from_context(one)]
    return keys, [one for one in values if one not in keys]


def _is_from_context(value: Value) -> bool:
    return isinstance(value, Field) and isinstance(value.capture, FromContext)


def _find_likely_renames(
    owner: OwnerPair, removed: list[Value], added: list[Value]
) -> Iterator[tuple[Value, Value]]:
    """Pair removed and added fields of the same type and unit, those with the most similar names first."""
    pairs = [
        (SequenceMatcher(None, old.name, new.name).ratio(), old, new)
        for old in removed
        for new in added
        if (str(old.type), old.unit) == (str(new.type), new.unit) and old.name not in owner.reserved
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1].name, pair[2].name))
    paired: list[str] = []
    for _, old, new in pairs:
        if old.name not in paired and new.name not in paired:
            paired += [old.name, new.name]
            yield old, new


def _is_moved(owner: OwnerPair, value: Value, moved: set[tuple[str, str]]) -> bool:
    """Return whether a field, or a value inside the record that it holds, is at one of the `moved` paths."""
    for place in owner.paths:
        path = join_path(place.path, value.wire)
        if any(event == place.event and is_inside(one, path) for event, one in moved):
            return True
    return False
