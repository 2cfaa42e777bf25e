"""Events, enums, fields and their owners that two contracts have in common, as pairs of old and new."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ..contract.model import (
    Enum,
    EnumType,
    Event,
    ListType,
    MapType,
    Primitive,
    RecordType,
    Reserved,
    Type,
    Value,
)
from ..contract.nodes import Stability
from ..contract.wire_paths import join_path
from ..diagnostics.findings import Span
from .impact import NO_IMPACT, Impact
from .modes import CompatibilityMode
from .rule import Change, RequiredUpcast
from .upcast_chain import PayloadPath, UpcastChain, quote_path

TypeChange = Literal["same", "widened", "narrowed", "changed", "cardinality"]


@dataclass(frozen=True)
class EventPair:
    """An event that both contracts have, perhaps under another name."""

    old: Event
    new: Event
    mode: CompatibilityMode

    @property
    def is_revised(self) -> bool:
        """Whether the event has a new revision, with a note that says what has changed."""
        is_noted = self.new.note is not None and self.new.note != self.old.note
        return self.new.revision > self.old.revision and is_noted

    def make_change(self, key: str, description: str, *, resolved: Impact = NO_IMPACT) -> Change:
        """Build a change of the attribute `key` of the event."""
        return Change(
            subject=self.new.name,
            span=self.new.at(key),
            description=description,
            mode=self.mode,
            resolved=resolved,
            is_revised=self.is_revised,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A value of a payload that has another parent in the new contract; `old` and `new` are its paths."""

    pair: EventPair
    old: str
    new: str
    value: Value


@dataclass(frozen=True)
class EnumPair:
    """An enum that both contracts have, and the paths at which payloads hold its members."""

    upcasts: UpcastChain
    old: Enum
    new: Enum
    mode: CompatibilityMode
    paths: tuple[PayloadPath, ...]

    def make_change(
        self,
        name: str,
        span: Span,
        description: str,
        *,
        impact: Impact | None = None,
        replaced: str = "",
    ) -> Change:
        """Build a change of the member `name`, or of the enum when it is empty.

        `replaced` is the old member that upcasts have to replace; empty when no upcast is needed.
        """
        return Change(
            subject=f"{self.new.name}.{name}" if name else self.new.name,
            span=span,
            description=description,
            mode=self.mode,
            impact=impact,
            required_upcasts=tuple(self._require_upcasts(replaced)) if replaced else (),
        )

    def _require_upcasts(self, member: str) -> Iterator[RequiredUpcast]:
        for one in self.paths:
            _, steps = self.upcasts.follow(one.event)
            step = steps.get(one.path)
            names = step.values.value if step and step.values else None
            text = f"{{convert: {quote_path(one.path)}, values: {{{member}: ...}}}}"
            is_known = isinstance(names, dict) and member in names
            is_present = step is not None and (is_known or step.otherwise is not None)
            yield RequiredUpcast(one.event, f"{quote_path(one.path)}: {text}", is_present)


@dataclass(frozen=True, slots=True)
class Owner:
    """One side of an owner of fields: an event, a record, the envelope or the context."""

    fields: tuple[Value, ...]
    reserved: tuple[Reserved, ...]
    span: Span
    stability: Stability = "stable"


@dataclass(frozen=True, kw_only=True)
class OwnerPair:
    """An owner of fields that both contracts have, and the paths at which payloads hold it."""

    upcasts: UpcastChain
    subject: str
    old: Owner
    new: Owner
    mode: CompatibilityMode
    paths: tuple[PayloadPath, ...] = ()
    is_revised: bool = False

    @cached_property
    def matched(self) -> tuple["FieldPair", ...]:
        """The fields that both contracts have, renamed ones included."""
        return tuple(self._match())

    @cached_property
    def removed(self) -> tuple[Value, ...]:
        """The fields that only the old contract has."""
        kept = {pair.old.name for pair in self.matched}
        return tuple(value for value in self.old.fields if value.name not in kept)

    @cached_property
    def added(self) -> tuple[Value, ...]:
        """The fields that only the new contract has."""
        kept = {pair.new.name for pair in self.matched}
        return tuple(value for value in self.new.fields if value.name not in kept)

    @property
    def is_nested(self) -> bool:
        """Whether it is a part of payloads and not a payload itself."""
        return any(one.path for one in self.paths)

    def mode_of(self, value: Value) -> CompatibilityMode:
        """Return the mode of a field, which may be less stable than its owner."""
        stabilities = (self.old.stability, self.new.stability)
        return (
            self.mode if value.stability in stabilities else self.mode.lowered_to(value.stability)
        )

    @property
    def reserved(self) -> set[str]:
        """The names that the new contract reserves."""
        return {one.name for one in self.new.reserved}

    def make_change(
        self,
        name: str,
        span: Span,
        description: str,
        *,
        impact: Impact | None = None,
        resolved: Impact = NO_IMPACT,
        key: str = "",
        step: str = "",
        mode: CompatibilityMode | None = None,
        is_element: bool = False,
    ) -> Change:
        """Build a change of the field `name`.

        `step` is the upcast step, as YAML, that the value under `key` needs; empty when no upcast would help.
        """
        return Change(
            subject=f"{self.subject}.{name}",
            span=span,
            description=description,
            mode=mode or self.mode,
            impact=impact,
            resolved=resolved,
            required_upcasts=self._require_upcasts(key, step) if step else (),
            is_revised=self.is_revised,
            is_element=is_element or self.is_nested,
        )

    def is_upcast(self, key: str) -> bool:
        """Return whether upcasts give every old record a value under `key`."""
        required = self._require_upcasts(key, "{fill: ...}")
        return bool(required) and all(one.is_present for one in required)

    def _require_upcasts(self, key: str, step: str) -> tuple[RequiredUpcast, ...]:
        required = []
        for one in self.paths:
            path = join_path(one.path, key)
            _, steps = self.upcasts.follow(one.event)
            required.append(RequiredUpcast(one.event, f"{quote_path(path)}: {step}", path in steps))
        return tuple(required)

    def _match(self) -> Iterator["FieldPair"]:
        old = {value.name: value for value in self.old.fields}
        new = {value.name for value in self.new.fields}
        for value in self.new.fields:
            name = find_old_name(value, old, new)
            if name is not None:
                yield FieldPair(self, old[name], value)


@dataclass(frozen=True)
class FieldPair:
    """A field that both contracts have, perhaps under another name."""

    owner: OwnerPair
    old: Value
    new: Value

    @property
    def type_change(self) -> TypeChange:
        """How the type has changed."""
        return compare_types(self.old.type, self.new.type)

    def make_change(
        self,
        key: str,
        description: str,
        *,
        impact: Impact | None = None,
        step: str = "",
        is_element: bool = False,
    ) -> Change:
        """Build a change of the attribute `key` of the field; `step` is the upcast step that it needs, as YAML."""
        return self.owner.make_change(
            self.new.name,
            self.new.at(key),
            description,
            impact=impact,
            key=self.new.wire,
            step=step,
            mode=self.owner.mode_of(self.old),
            is_element=is_element,
        )


def find_old_name(one: Event | Value, old: Container[str], new: Container[str]) -> str | None:
    """Return the name that an event or a field had in the old contract; None when it is new."""
    if one.name in old:
        return one.name
    is_renamed = one.renamed_from in old and one.renamed_from not in new
    return one.renamed_from if is_renamed else None


def compare_types(old: Type, new: Type) -> TypeChange:
    """Return how a type has changed; inside lists and maps of the same kind, how the type of their items has."""
    match old, new:
        case (ListType(before), ListType(after)) | (MapType(before), MapType(after)):
            return compare_types(before, after)
        case (ListType() | MapType(), _) | (_, ListType() | MapType()):
            return "cardinality"
        case (Primitive("int"), Primitive("float")) | (EnumType(), Primitive("str")):
            return "widened"
        case (Primitive("float"), Primitive("int")) | (Primitive("str"), EnumType()):
            return "narrowed"
        case EnumType(before), EnumType(after):
            return _compare_enums(before, after)
        case RecordType(before), RecordType(after):
            return "same" if before.name == after.name else "changed"
    return "same" if old == new else "changed"


def _compare_enums(old: Enum, new: Enum) -> TypeChange:
    """Compare two enums by the names of their members, which are the values on the wire.

    The same enum counts as the same type: the rules about enums report its changes.
    """
    if old.name == new.name:
        return "same"
    before, after = ({member.name for member in enum.members} for enum in (old, new))
    if before <= after:
        return "widened"
    return "narrowed" if after <= before else "changed"
