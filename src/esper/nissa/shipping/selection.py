"""Selects the events that a sink gets, and withholds their sensitive fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, final
from zlib import crc32

from esper._generated.envelope import Envelope
from esper._generated.fields import EVENT_FIELDS, RECORD_FIELDS, FieldInfo
from esper._generated.registry import LEVELS
from esper.nissa.reader import LoggedEvent
from esper.nissa.shipping.config import LEVEL_ORDER, ShipConfig

WITHHELD = "withheld"
"""The text that stands for a sensitive text that cannot be null; the contract compiler checks that it is valid."""

Withhold = Callable[[Any], Any]
_SAMPLE_RANGE = 2**32


@final
class Selection:
    """Decides about every event by its name, with the settings of one sink."""

    def __init__(self, config: ShipConfig) -> None:
        """Select events as `config` says."""
        self._config = config
        self._lowest = LEVEL_ORDER.index(config.min_level)
        self._decisions: dict[str, tuple[float, Withhold | None]] = {}

    def select(self, events: Iterable[LoggedEvent]) -> list[LoggedEvent]:
        """Return the events that the sink gets, without the values of their sensitive fields."""
        selected = []
        for envelope, payload in events:
            decision = self._decisions.get(envelope.event)
            if decision is None:
                decision = self._decisions[envelope.event] = self._decide(envelope.event)
            part, withhold = decision
            if part < 1.0 and _place(envelope) >= part:
                continue
            selected.append((envelope, payload if withhold is None else withhold(payload)))
        return selected

    def _decide(self, event: str) -> tuple[float, Withhold | None]:
        """Return the part of the events of this name that the sink gets, and how their payloads change."""
        config = self._config
        is_selected = (
            _fits(event, config.events)
            and not _fits(event, config.exclude)
            and LEVEL_ORDER.index(LEVELS[event]) >= self._lowest
        )
        parts = (part for name, part in config.sample.items() if fnmatchcase(event, name))
        withhold = find_withheld(event, EVENT_FIELDS[event], frozenset(config.reveal))
        return (next(parts, 1.0) if is_selected else 0.0), withhold


def find_withheld(
    owner: str, declared: Iterable[FieldInfo], revealed: frozenset[str]
) -> Withhold | None:
    """Return the function that withholds the sensitive fields of an event or record, but those in `revealed`.

    None if it has no such field, also not in records that it contains.
    """
    changes: dict[str, Withhold] = {}
    for one in declared:
        inner = one.type.rstrip("[]{}")
        if one.sensitive and f"{owner}.{one.name}" not in revealed:
            changes[one.name] = partial(_replacement, one)
        elif inner in RECORD_FIELDS:
            within = find_withheld(inner, RECORD_FIELDS[inner], revealed)
            if within is not None:
                changes[one.name] = partial(_apply, within)
    return partial(_withhold, changes) if changes else None


def _withhold(changes: Mapping[str, Withhold], owner: Any) -> Any:
    return replace(
        owner, **{name: change(getattr(owner, name)) for name, change in changes.items()}
    )


def _replacement(declared: FieldInfo, _value: object) -> object:
    """Return the value that stands for one that is withheld."""
    if declared.nullable:
        return None
    if declared.type.endswith("[]"):
        return ()
    return {} if declared.type.endswith("{}") else WITHHELD


def _apply(within: Withhold, value: Any) -> Any:
    """Withhold what is sensitive in a record, or in each record of a list or map."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {key: _apply(within, one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_apply(within, one) for one in value)
    return within(value)


def _fits(event: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(event, pattern) for pattern in patterns)


def _place(envelope: Envelope) -> float:
    """Return a number from 0 to 1 that is random among events, but always the same for one event."""
    return crc32(f"{envelope.rank}/{envelope.boot}/{envelope.seq}".encode()) / _SAMPLE_RANGE
