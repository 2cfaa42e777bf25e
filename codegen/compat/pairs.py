"""What rules look at: an event, an owner of fields, a field or an enum, as it was and as it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from codegen.compat.breaks import NOTHING, Break
from codegen.compat.modes import Mode
from codegen.compat.rule import Sighting, Upcastable
from codegen.compat.steps import Steps
from codegen.findings import Span
from codegen.model import Enum, Event, Reserved, Value
from codegen.spec import Stability
from codegen.wire_paths import join_path


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the payload of an event, called by its old name; the payload itself is the empty path."""

    event: str
    path: str


@dataclass(frozen=True)
class EventPair:
    """An event that both contracts have."""

    old: Event
    new: Event
    mode: Mode

    @property
    def is_revised(self) -> bool:
        """Whether the event has a new revision, with a note that says what has changed."""
        is_noted = self.new.note is not None and self.new.note != self.old.note
        return self.new.revision > self.old.revision and is_noted

    def see(self, key: str, what: str, *, settled: Break = NOTHING) -> Sighting:
        """Note a change of what the event says under `key`."""
        return Sighting(
            subject=self.new.name,
            span=self.new.at(key),
            what=what,
            mode=self.mode,
            settled=settled,
            is_revised=self.is_revised,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A value that is found under another parent than before."""

    pair: EventPair
    old: str
    new: str
    value: Value


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
    ) -> Sighting:
        """Note a change of the field `name`; `step` is what an upcast of its `key` on the wire would say."""
        return Sighting(
            subject=f"{self.subject}.{name}",
            span=span,
            what=what,
            mode=mode or self.mode,
            breaks=breaks,
            settled=settled,
            upcasts=self._find_upcasts(key, step) if step else (),
            is_revised=self.is_revised,
            is_element=is_element or bool(self.places and self.places[0].path),
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
            found.append(Upcastable(place.event, f"{_quote(path)}: {step}", path in steps))
        return tuple(found)

    def _match(self) -> Iterator["FieldPair"]:
        old = {value.name: value for value in self.old.fields}
        new = {value.name for value in self.new.fields}
        for value in self.new.fields:
            name = value.name
            if name not in old and value.renamed_from in old and value.renamed_from not in new:
                name = value.renamed_from or ""
            if name in old:
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
    ) -> Sighting:
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


@dataclass(frozen=True)
class EnumPair:
    """An enum that both contracts have, and everywhere in payloads where its members are found."""

    steps: Steps
    old: Enum
    new: Enum
    mode: Mode
    places: tuple[Place, ...]

    def see(
        self, name: str, span: Span, what: str, *, breaks: Break | None = None, renames: str = ""
    ) -> Sighting:
        """Note a change of the member `name`, or of the enum; `renames` is what an upcast would replace."""
        return Sighting(
            subject=f"{self.new.name}.{name}" if name else self.new.name,
            span=span,
            what=what,
            mode=self.mode,
            breaks=breaks,
            upcasts=tuple(self._find_upcasts(renames)) if renames else (),
        )

    def _find_upcasts(self, member: str) -> Iterator[Upcastable]:
        for place in self.places:
            _, steps = self.steps.follow(place.event)
            step = steps.get(place.path)
            names = step.values.value if step and step.values else None
            text = f"{{convert: {_quote(place.path)}, values: {{{member}: ...}}}}"
            is_given = isinstance(names, dict) and member in names
            yield Upcastable(place.event, f"{_quote(place.path)}: {text}", is_given)


def _quote(path: str) -> str:
    """Spell a path as YAML does: brackets would begin a list."""
    return path if path.replace("_", "a").replace(".", "a").isalnum() else f'"{path}"'
