"""Events, enums, fields and their owners that two contracts have in common, as pairs of old and new."""

from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from ..contract.model import (
    Enum,
    Event,
    Field,
    FromCaller,
    FromSource,
    Record,
    Reserved,
    Value,
)
from ..contract.nodes import Stability
from ..contract.promises import Step
from ..contract.wire_paths import join_path
from ..diagnostics.findings import Span
from .impact import NO_IMPACT, Impact
from .modes import CompatibilityMode
from .reading import Kind, read_slots
from .readings import Holder, Reading, Verdict, judge
from .rule import Change, RequiredUpcast
from .skeletons import OLD, is_path
from .type_changes import TypeChange, compare_types
from .upcast_chain import PayloadPath, UpcastChain, quote_path
from .value_sets import Slot, accepted_slots


@dataclass(frozen=True)
class EventPair:
    """An event that both contracts have, perhaps under another name."""

    old: Event
    new: Event
    mode: CompatibilityMode
    reading: Reading

    @property
    def is_revised(self) -> bool:
        """Whether the event has a new revision, with a note that says what has changed."""
        is_noted = self.new.note is not None and self.new.note != self.old.note
        return self.new.revision > self.old.revision and is_noted

    def make_change(
        self,
        key: str,
        description: str,
        *,
        impact: Impact | None = None,
        resolved: Impact = NO_IMPACT,
    ) -> Change:
        """Build a change of the attribute `key` of the event."""
        return Change(
            subject=self.new.name,
            span=self.new.at(key),
            description=description,
            mode=self.mode,
            impact=impact,
            resolved=resolved,
            is_revised=self.is_revised,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A value of a payload that has another parent in the new contract; `old` and `new` are its paths."""

    pair: EventPair
    old: str
    """The old path, where renamed fields have their new names."""
    new: str
    value: Value


@dataclass(frozen=True, slots=True)
class EnumPlace:
    """A field that holds members of an enum, with its keys in the old and the new contract."""

    holder: Holder
    old: str | None
    new: str | None


@dataclass(frozen=True)
class EnumPair:
    """An enum that both contracts have, and the fields that hold its members."""

    upcasts: UpcastChain
    old: Enum
    new: Enum
    mode: CompatibilityMode
    places: tuple[EnumPlace, ...]

    def make_change(
        self,
        name: str,
        span: Span,
        description: str,
        *,
        impact: Impact | None = None,
        is_read: bool = False,
        replaced: str = "",
    ) -> Change:
        """Build a change of the member `name`, or of the enum when it is empty.

        `is_read` says whether readers of the fields are affected; `replaced` is the old member that upcasts have to
        replace, empty when no upcast is needed.
        """
        verdict = Verdict()
        for one in self.places if is_read else ():
            verdict |= judge([one.holder], ["text"], old_key=one.old, new_key=one.new)
        required = tuple(self._require_upcasts(replaced)) if replaced else ()
        if required and all(one.is_present for one in required):
            resolved = verdict.impact & Impact.WIRE_B
            verdict = replace(verdict, resolved=resolved)
        return Change(
            subject=f"{self.new.name}.{name}" if name else self.new.name,
            span=span,
            description=description,
            mode=self.mode,
            impact=_sum_up(impact, verdict) if is_read else impact,
            resolved=verdict.resolved,
            claims=verdict.claims,
            required_upcasts=required,
        )

    def _require_upcasts(self, member: str) -> Iterator[RequiredUpcast]:
        kept = {one.name for one in self.new.members}
        for place in self.places:
            if place.new is None or place.holder.new is None:
                continue
            event = place.holder.reading.event
            path = join_path(place.holder.new, place.new)
            step = self.upcasts.steps_of(event).get(path)
            names = step.values.value if step and step.values else None
            new = names.get(member) if isinstance(names, dict) else None
            if step is not None and new is None:
                new = step.otherwise
            example = self.new.members[0].name
            text = f"{{convert: {quote_path(path)}, values: {{{member}: {example}}}}}"
            if is_path(path):
                yield RequiredUpcast(event, f"{quote_path(path)}: {text}", new in kept)


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
    holders: tuple[Holder, ...] = ()
    is_revised: bool = False
    is_emitted: bool = True
    """Whether callers can emit it in both versions."""
    attributes: frozenset[str] = frozenset()
    """The attributes that its source had in the old contract."""

    @property
    def paths(self) -> tuple[PayloadPath, ...]:
        """The paths at which new payloads hold it; the envelope is not a payload."""
        return tuple(
            PayloadPath(one.reading.event, one.new, one.protected)
            for one in self.holders
            if one.new is not None and one.reading.event
        )

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
        verdict: Verdict | None = None,
        key: str = "",
        old_key: str = "",
        step: str = "",
        remedies: tuple[str, ...] = (),
        mode: CompatibilityMode | None = None,
        is_element: bool = False,
    ) -> Change:
        """Build a change of the field `name`.

        `verdict` says who cannot read it; `impact` and `resolved` are added to it. Without both, the rule says it.
        `step` is the upcast step, as a skeleton, that the value under `key` needs and takes from `old_key`; empty when
        no upcast would help.
        """
        return Change(
            subject=f"{self.subject}.{name}",
            span=span,
            description=description,
            mode=mode or self.mode,
            impact=_sum_up(impact, verdict),
            resolved=resolved | verdict.resolved if verdict else resolved,
            claims=verdict.claims if verdict else frozenset(),
            required_upcasts=self._require_upcasts(key, step, old_key or key) if step else (),
            remedies=remedies,
            is_revised=self.is_revised,
            is_element=is_element or self.is_nested,
        )

    def judge(
        self, kinds: Collection[Kind], *, old_key: str | None = None, new_key: str | None = None
    ) -> Verdict:
        """Return who cannot read a field with these keys, as far as it is for one of these kinds of problems."""
        return judge(self.holders, kinds, old_key=old_key, new_key=new_key)

    def is_passed(self, value: Value) -> bool:
        """Return whether callers pass a value: to an emission helper, or to the constructor of a record."""
        if isinstance(value, Field):
            return self.is_emitted and isinstance(value.capture, FromCaller)
        return True

    def needs_attributes(self, value: Value) -> bool:
        """Return whether a field is captured from an attribute that old sources do not have."""
        if not self.is_emitted or not isinstance(value, Field):
            return False
        match value.capture:
            case FromSource(attribute, guard):
                return bool({attribute, guard} - {None, *self.attributes})
            case _:
                return False

    def step_at(self, key: str) -> list[Step | None]:
        """Return the step of the upcasts that makes the value under `key`, for each path of the owner."""
        return [
            self.upcasts.steps_of(one.event).get(join_path(one.path, key)) for one in self.paths
        ]

    def _require_upcasts(self, key: str, step: str, old_key: str) -> tuple[RequiredUpcast, ...]:
        required = []
        for one in self.paths:
            path, source = join_path(one.path, key), join_path(one.path, old_key)
            steps = self.upcasts.steps_of(one.event)
            # A key with a dot would be taken for the keys of two objects.
            if is_path(path) and is_path(source) and "." not in key + old_key:
                text = f"{quote_path(path)}: {step.replace(OLD, quote_path(source))}"
                required.append(RequiredUpcast(one.event, text, path in steps))
        return tuple(required)

    def _match(self) -> Iterator["FieldPair"]:
        old = {value.name: value for value in self.old.fields}
        new = {value.name for value in self.new.fields}
        rest = {value.name: value for value in self.old.fields if value.name not in new}
        for value in self.new.fields:
            name = find_old_name(value, old, new)
            if name is None:
                name = self._find_origin(value, rest)
            if name is not None:
                rest.pop(name, None)
                yield FieldPair(self, old[name], value)

    def _find_origin(self, value: Value, rest: Mapping[str, Value]) -> str | None:
        """Return the old field that readers of a new field read, by an alias or an upcast; None if it is new."""
        keys = {value.wire, *value.aliases}
        for one in self.holders:
            if one.new is not None and one.old is not None:
                path = self.upcasts.origins(one.reading.event).get(join_path(one.new, value.wire))
                if path is not None and path.startswith(one.old):
                    keys.add(path.removeprefix(one.old).lstrip("."))
        return next((name for name, old in rest.items() if old.wire in keys), None)


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

    def judge(self, *kinds: Kind, is_deep: bool = False) -> Verdict:
        """Return who cannot read the field, as far as it is for one of these kinds of problems."""
        return judge(
            self.owner.holders,
            kinds,
            old_key=self.old.wire,
            new_key=self.new.wire,
            is_deep=is_deep,
        )

    @cached_property
    def lost(self) -> set[Kind]:
        """Why the new field does not allow some of the old values, apart from keys and upcasts."""
        (slot,) = accepted_slots([self.old])
        own = Slot({self.new.wire: slot.choices[self.old.wire]})
        return {one.kind for one in read_slots((own,), [self.new], is_open=False)}

    @property
    def steps(self) -> list[Step | None]:
        """The step of the upcasts that makes the field, for each path of its owner."""
        return self.owner.step_at(self.new.wire)

    def make_change(
        self,
        key: str,
        description: str,
        *,
        impact: Impact | None = None,
        resolved: Impact = NO_IMPACT,
        verdict: Verdict | None = None,
        step: str = "",
        old_key: str = "",
        remedies: tuple[str, ...] = (),
        is_element: bool = False,
    ) -> Change:
        """Build a change of the attribute `key` of the field.

        `step` is the skeleton of the upcast step that it needs; the step takes the value from `old_key`, by default the
        old key of the field.
        """
        return self.owner.make_change(
            self.new.name,
            self.new.at(key),
            description,
            impact=impact,
            resolved=resolved,
            verdict=verdict,
            key=self.new.wire,
            old_key=old_key or self.old.wire,
            step=step,
            remedies=remedies,
            mode=self.owner.mode_of(self.old),
            is_element=is_element,
        )


def _sum_up(impact: Impact | None, verdict: Verdict | None) -> Impact | None:
    return impact if verdict is None else (impact or NO_IMPACT) | verdict.impact


def find_old_name(
    one: Event | Value | Record | Enum, old: Container[str], new: Container[str]
) -> str | None:
    """Return the name that an event or a field had in the old contract; None when it is new."""
    if one.name in old:
        return one.name
    is_renamed = one.renamed_from in old and one.renamed_from not in new
    return one.renamed_from if is_renamed else None
