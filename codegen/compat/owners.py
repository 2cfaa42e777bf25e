"""What has fields, as it was and as it is: events, records, the envelope and the context."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property

from ..contract.model import Event, Reserved, Value
from ..contract.nodes import Stability
from ..contract.wire_paths import join_path
from ..diagnostics.findings import Span
from .impact import NOTHING, Break
from .modes import Mode
from .rule import Change, Upcastable
from .steps import Place, Steps, quote_path


@dataclass(frozen=True, slots=True)
class Owner:
    """What has fields: an event, a record, the envelope or the context."""

    fields: tuple[Value, ...]
    reserved: tuple[Reserved, ...]
    span: Span
    stability: Stability = "stable"


@dataclass(frozen=True, kw_only=True)
class OwnerPair:
    """An owner of fields that both contracts have, and everywhere in payloads where it is found."""

    steps: Steps
    subject: str
    old: Owner
    new: Owner
    mode: Mode
    places: tuple[Place, ...] = ()
    is_revised: bool = False

    @cached_property
    def matched(self) -> tuple["FieldPair", ...]:
        """The fields that both have, under whatever name."""
        return tuple(self._match())

    @cached_property
    def gone(self) -> tuple[Value, ...]:
        """The fields that the new contract lacks."""
        kept = {pair.old.name for pair in self.matched}
        return tuple(value for value in self.old.fields if value.name not in kept)

    @cached_property
    def come(self) -> tuple[Value, ...]:
        """The fields that the old contract lacks."""
        kept = {pair.new.name for pair in self.matched}
        return tuple(value for value in self.new.fields if value.name not in kept)

    @property
    def is_nested(self) -> bool:
        """Whether payloads hold it, rather than being it."""
        return any(place.path for place in self.places)

    def mode_of(self, value: Value) -> Mode:
        """Return how far a field may change, which may be promised less firmly than its owner."""
        stabilities = (self.old.stability, self.new.stability)
        return self.mode if value.stability in stabilities else self.mode.at(value.stability)

    @property
    def reserved(self) -> set[str]:
        """The names that the new contract keeps from being used again."""
        return {one.name for one in self.new.reserved}

    def see(
        self,
        name: str,
        span: Span,
        what: str,
        *,
        breaks: Break | None = None,
        settled: Break = NOTHING,
        key: str = "",
        step: str = "",
        mode: Mode | None = None,
        is_element: bool = False,
    ) -> Change:
        """Note a change of the field `name`; `step` is what an upcast of its `key` on the wire would say."""
        return Change(
            subject=f"{self.subject}.{name}",
            span=span,
            what=what,
            mode=mode or self.mode,
            breaks=breaks,
            settled=settled,
            upcasts=self._find_upcasts(key, step) if step else (),
            is_revised=self.is_revised,
            is_element=is_element or self.is_nested,
        )

    def is_upcast(self, key: str) -> bool:
        """Tell whether upcasts give every old record the value under `key`."""
        found = self._find_upcasts(key, "{fill: ...}")
        return bool(found) and all(one.is_given for one in found)

    def _find_upcasts(self, key: str, step: str) -> tuple[Upcastable, ...]:
        found = []
        for place in self.places:
            path = join_path(place.path, key)
            _, steps = self.steps.follow(place.event)
            found.append(Upcastable(place.event, f"{quote_path(path)}: {step}", path in steps))
        return tuple(found)

    def _match(self) -> Iterator["FieldPair"]:
        old = {value.name: value for value in self.old.fields}
        new = {value.name for value in self.new.fields}
        for value in self.new.fields:
            name = find_old_name(value, old, new)
            if name is not None:
                yield FieldPair(self, old[name], value)


@dataclass(frozen=True)
class FieldPair:
    """A field that both contracts have."""

    owner: OwnerPair
    old: Value
    new: Value

    def see(
        self,
        key: str,
        what: str,
        *,
        breaks: Break | None = None,
        step: str = "",
        is_element: bool = False,
    ) -> Change:
        """Note a change of what the field says under `key`; `step` is what an upcast of it would say."""
        return self.owner.see(
            self.new.name,
            self.new.at(key),
            what,
            breaks=breaks,
            key=self.new.wire,
            step=step,
            mode=self.owner.mode_of(self.old),
            is_element=is_element,
        )


def find_old_name(one: Event | Value, old: Container[str], new: Container[str]) -> str | None:
    """Return the name that something new had among the old; None when it is altogether new."""
    if one.name in old:
        return one.name
    is_renamed = one.renamed_from in old and one.renamed_from not in new
    return one.renamed_from if is_renamed else None
