"""The fields of an owner that went and came, sorted out: gone, new, moved, or probably renamed."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from ..contract.model import Field, FromContext, Value
from ..contract.wire_paths import join_path
from .contract_diff import Scene
from .owners import OwnerPair
from .pairs import Move


@dataclass(frozen=True)
class Turnover:
    """What went and came among the fields of an owner."""

    owner: OwnerPair
    gone: tuple[Value, ...]
    come: tuple[Value, ...]
    suspects: tuple[tuple[Value, Value], ...]
    """Pairs of a field that is gone and one that is new, and which may be the same."""
    keys_gone: tuple[Value, ...]
    """Those that tell records apart: the envelope's fields and what is stamped from the context."""
    keys_come: tuple[Value, ...]


def find_turnovers(scene: Scene) -> Iterator[Turnover]:
    """Sort out the fields of every owner."""
    for owner in scene.owners:
        gone = [one for one in owner.gone if not _is_moved(owner, one, _old_paths(scene.moves))]
        come = [one for one in owner.come if not _is_moved(owner, one, _new_paths(scene.moves))]
        keys_gone, gone = _split_keys(owner, gone)
        keys_come, come = _split_keys(owner, come)
        suspects = tuple(_suspect(owner, gone, come))
        yield Turnover(
            owner=owner,
            gone=tuple(one for one in gone if one not in [old for old, _ in suspects]),
            come=tuple(one for one in come if one not in [new for _, new in suspects]),
            suspects=suspects,
            keys_gone=tuple(keys_gone),
            keys_come=tuple(keys_come),
        )


def _split_keys(owner: OwnerPair, values: list[Value]) -> tuple[list[Value], list[Value]]:
    keys = [one for one in values if owner.subject == "envelope" or _is_stamped(one)]
    return keys, [one for one in values if one not in keys]


def _is_stamped(value: Value) -> bool:
    return isinstance(value, Field) and isinstance(value.capture, FromContext)


def _suspect(
    owner: OwnerPair, gone: list[Value], come: list[Value]
) -> Iterator[tuple[Value, Value]]:
    """Pair fields of the same type and unit, those with the most similar names first."""
    pairs = [
        (SequenceMatcher(None, old.name, new.name).ratio(), old, new)
        for old in gone
        for new in come
        if (str(old.type), old.unit) == (str(new.type), new.unit) and old.name not in owner.reserved
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1].name, pair[2].name))
    paired: list[str] = []
    for _, old, new in pairs:
        if old.name not in paired and new.name not in paired:
            paired += [old.name, new.name]
            yield old, new


def _is_moved(owner: OwnerPair, value: Value, paths: set[tuple[str, str]]) -> bool:
    """Tell whether a field, or a value inside the record that it is, is found elsewhere now."""
    for place in owner.places:
        path = join_path(place.path, value.wire)
        if any(event == place.event and _is_below(one, path) for event, one in paths):
            return True
    return False


def _is_below(path: str, parent: str) -> bool:
    return path == parent or path.startswith((f"{parent}.", f"{parent}[", f"{parent}{{"))


def _old_paths(moves: tuple[Move, ...]) -> set[tuple[str, str]]:
    return {(move.pair.old.name, move.old) for move in moves}


def _new_paths(moves: tuple[Move, ...]) -> set[tuple[str, str]]:
    return {(move.pair.old.name, move.new) for move in moves}
