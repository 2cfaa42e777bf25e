"""Reads all records of one contract with the readers of another one, and keeps what these refuse."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from ..contract.model import Event, Value
from ..contract.wire_paths import join_path, walk_records
from .impact import NO_IMPACT, WIRE, Impact
from .reading import Kind, Problem, read_slots
from .rewriting import remove_keys, rewrite
from .upcast_chain import UpcastChain
from .value_sets import Slots, accepted_slots, written_slots

Claim = tuple[str, str, Problem]
"""The old name of an event (empty for the envelope), "old" or "new" for the records, and why they are refused."""


@dataclass(frozen=True)
class Reading:
    """What readers refuse of an event that both contracts have, or of the envelope."""

    event: str
    """The old name of the event; empty for the envelope."""
    unconverted: frozenset[Problem]
    """What new readers would refuse of old records if there were no upcasts."""
    converted: frozenset[Problem]
    """What new readers refuse of old records."""
    forward: frozenset[Problem]
    """What old readers refuse of new records that a minor version writes."""


@dataclass(frozen=True)
class Verdict:
    """Who cannot read a value: the impact of a change, the part that upcasts have resolved, and the problems."""

    impact: Impact = NO_IMPACT
    resolved: Impact = NO_IMPACT
    claims: frozenset[Claim] = field(default=frozenset())

    @property
    def backward(self) -> "Verdict":
        """The part that is about new readers of old records."""
        claims = frozenset(one for one in self.claims if one[1] == "old")
        return Verdict(self.impact & Impact.WIRE_B, self.resolved, claims)

    @property
    def forward(self) -> "Verdict":
        """The part that is about old readers of new records."""
        claims = frozenset(one for one in self.claims if one[1] == "new")
        return Verdict(self.impact & Impact.WIRE_F, NO_IMPACT, claims)

    def __or__(self, other: "Verdict") -> "Verdict":
        """Return the verdict on two values together; an upcast must resolve both."""
        impact = self.impact | other.impact
        open_ = (self.impact & ~self.resolved) | (other.impact & ~other.resolved)
        return Verdict(impact, impact & ~open_, self.claims | other.claims)


@dataclass(frozen=True)
class Holder:
    """A place that holds an owner of fields: the reading of the event, and the paths in old and in new payloads."""

    reading: Reading
    old: str | None
    """None where old payloads do not have it."""
    new: str | None
    protected: Impact = WIRE
    """Which readers the event promises not to break; others do not count for parts that events share."""


ANY: Collection[Kind] = (
    "missing",
    "unknown",
    "repeated",
    "null",
    "type",
    "range",
    "length",
    "text",
)


def read_event(old: Event, new: Event, chain: UpcastChain) -> Reading:
    """Read the records of an event that both contracts have."""
    slots = accepted_slots(old.fields)
    converted = slots
    for stage in chain.stages(old.name):
        converted = rewrite(converted, stage.steps)
    return Reading(
        event=old.name,
        unconverted=_refused(_clean(slots, new), new.fields, is_open=False),
        converted=_refused(_clean(converted, new), new.fields, is_open=False),
        forward=_refused(written_slots(new.fields), old.fields, is_open=True),
    )


def read_envelope(old: tuple[Value, ...], new: tuple[Value, ...]) -> Reading:
    """Read the keys of a line besides its payload, which upcasts do not reach."""
    backward = _refused(accepted_slots(old), new, is_open=False)
    forward = _refused(written_slots(new), old, is_open=True)
    return Reading(event="", unconverted=backward, converted=backward, forward=forward)


def judge(
    holders: Collection[Holder],
    kinds: Collection[Kind],
    *,
    old_key: str | None,
    new_key: str | None,
    is_deep: bool = False,
) -> Verdict:
    """Return who cannot read a field, by what readers refuse at its places.

    `old_key` and `new_key` are its keys in the two contracts. Old readers report the old one; new readers report the
    new one, or the old one that they do not know. `is_deep` includes the values inside records that it holds.
    """
    verdict = Verdict()
    for holder in holders:
        reading = holder.reading
        forward = _at(reading.forward, holder.old, old_key, kinds, is_deep)
        before = _backward(reading.unconverted, holder, old_key, new_key, kinds, is_deep)
        after = _backward(reading.converted, holder, old_key, new_key, kinds, is_deep)
        impact = (Impact.WIRE_F if forward else NO_IMPACT) | (
            Impact.WIRE_B if before or after else NO_IMPACT
        )
        impact &= holder.protected
        claims = {(reading.event, "new", one) for one in forward}
        claims |= {(reading.event, "old", one) for one in after}
        resolved = impact & Impact.WIRE_B if before and not after else NO_IMPACT
        verdict |= Verdict(impact, resolved, frozenset(claims))
    return verdict


def _backward(
    problems: frozenset[Problem],
    holder: Holder,
    old_key: str | None,
    new_key: str | None,
    kinds: Collection[Kind],
    is_deep: bool,
) -> frozenset[Problem]:
    found = _at(problems, holder.new, new_key, kinds, is_deep)
    if old_key != new_key and "unknown" in kinds:
        found |= _at(problems, holder.new, old_key, ["unknown"], False)
    return found


def _at(
    problems: frozenset[Problem],
    prefix: str | None,
    key: str | None,
    kinds: Collection[Kind],
    is_deep: bool,
) -> frozenset[Problem]:
    if prefix is None or key is None:
        return frozenset()
    path = join_path(prefix, key)
    tail = r"([\[{.].*)?" if is_deep else r"(\[\]|\{\})*"
    pattern = re.compile(re.escape(path) + tail)
    return frozenset(one for one in problems if one.kind in kinds and pattern.fullmatch(one.path))


def _refused(slots: Slots, fields: tuple[Value, ...], *, is_open: bool) -> frozenset[Problem]:
    return frozenset(read_slots(slots, fields, is_open=is_open))


def _clean(slots: Slots, event: Event) -> Slots:
    """Remove the reserved fields of an event and of the records in it, as readers of older records do."""
    slots = remove_keys(slots, "", [one.wire for one in event.reserved])
    for path, record in walk_records(event.fields):
        slots = remove_keys(slots, path, [one.wire for one in record.reserved])
    return slots
