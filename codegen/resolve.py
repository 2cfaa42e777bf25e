"""From the contract as written to the contract as meant."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar, get_args

from codegen import model
from codegen.findings import Findings, Span
from codegen.similar import suggest
from codegen.forms import VERSION
from codegen.spec import (
    Bounds,
    ContractSpec,
    EnumSpec,
    EventSpec,
    FieldSpec,
    GroupSpec,
    MemberSpec,
    Node,
    RecordSpec,
    ReservedSpec,
    ValueSpec,
)

_PRIMITIVES: dict[str, model.Type] = {
    name: model.Primitive(name) for name in get_args(model.PrimitiveName)
}
_NodeType = TypeVar("_NodeType", bound=Node)
_SHARED = {field.name for field in fields(model.Value)} & {
    field.name for field in fields(ValueSpec)
}
_SHARED -= {"type", "wire", "stability", "owner"}
_EVERY_LINE = (
    ValueSpec(name="event", type="str", doc="The event.", length=Bounds(1, 128)),
    ValueSpec(name="v", type="str", doc="Version of the contract.", pattern=VERSION.pattern),
)


def resolve(spec: ContractSpec, broken: set[str], findings: Findings) -> model.Contract:
    """Resolve every name of `spec`; what does not resolve is a finding and left out.

    Names in `broken` have had their finding already.
    """
    return _Resolver(spec, broken, findings).resolve()


class _Resolver:
    def __init__(self, spec: ContractSpec, broken: set[str], findings: Findings) -> None:
        self._spec = spec
        self._broken = broken
        self._findings = findings
        self._types = dict(_PRIMITIVES)
        self._groups = {group.name: group for group in spec.groups}
        self._records: dict[str, model.Record] = {}
        self._record_specs = {record.name: record for record in spec.records}
        self._being_resolved: list[str] = []

    def resolve(self) -> model.Contract:
        enums = tuple(_to_enum(enum) for enum in self._spec.enums)
        self._types |= {enum.name: model.EnumType(enum) for enum in enums}
        for record in self._spec.records:
            self._resolve_record(record)
        context = tuple(
            model.ContextValue(**self._share(one, "stable"), place=one.place)
            for one in self._spec.context
            if self._has_type(one)
        )
        return model.Contract(
            path=self._spec.span.path,
            version=self._spec.version,
            enums=enums,
            envelope=self._resolve_envelope(context),
            context=context,
            # In the order in which they were finished, each record comes after those that it holds.
            records=tuple(self._records.values()),
            families=self._resolve_families(context),
            retired=_to_reserved(self._spec.retired),
        )

    def _resolve_envelope(self, context: tuple[model.ContextValue, ...]) -> model.Envelope:
        spec = self._spec.envelope
        found = {one.name: one for one in self._resolve_values(spec.fields, "stable")}
        for one in context:
            if one.place == "envelope":
                found[one.name] = model.Value(**_plain(replace(one, default=None)))
        found |= {one.name: one for one in self._resolve_values(_EVERY_LINE, "stable")}
        for name, span in _with_spans(spec, "order", spec.order):
            self._find("field of the envelope", name, found, span)
        order = [name for name in spec.order if name in found]
        rest = [name for name in found if name not in order]
        return model.Envelope(doc=spec.doc, fields=tuple(found[name] for name in (*order, *rest)))

    def _resolve_families(
        self, context: tuple[model.ContextValue, ...]
    ) -> tuple[model.Family, ...]:
        events: dict[str, list[model.Event]] = {family.name: [] for family in self._spec.families}
        for spec in self._spec.events:
            event = self._resolve_event(spec, context)
            if self._find("family", spec.family, events, spec.at("family")):
                events[spec.family].append(event)
        return tuple(
            model.Family(name=family.name, doc=family.doc, events=tuple(events[family.name]))
            for family in self._spec.families
        )

    def _resolve_record(self, spec: RecordSpec) -> model.Record:
        if spec.name in self._records:
            return self._records[spec.name]
        self._being_resolved.append(spec.name)
        record = model.Record(
            name=spec.name,
            span=spec.span,
            doc=spec.doc,
            fields=tuple(self._resolve_values(spec.fields, spec.stability)),
            reserved=_to_reserved(spec.reserved),
            stability=spec.stability,
        )
        self._being_resolved.pop()
        self._records[spec.name] = record
        self._types[spec.name] = model.RecordType(record)
        return record

    def _resolve_values(
        self, specs: Iterable[ValueSpec], stability: model.Stability
    ) -> Iterable[model.Value]:
        for spec in specs:
            if self._has_type(spec):
                yield model.Value(**self._share(spec, stability))

    def _resolve_event(
        self, spec: EventSpec, context: tuple[model.ContextValue, ...]
    ) -> model.Event:
        resolved = [*self._resolve_carried(spec)]
        resolved += self._resolve_fields(spec.fields, spec, None)
        for name, span in _with_spans(spec, "include", spec.include):
            if self._find("group", name, self._groups, span):
                group = self._groups[name]
                resolved += self._resolve_fields(group.fields, spec, group)
        by_name = {one.name: one for one in context}
        for name, span in _with_spans(spec, "context", spec.context):
            if self._find("context field", name, by_name, span):
                resolved.append(_stamp(by_name[name]))
        return model.Event(
            name=spec.name,
            span=spec.span,
            doc=spec.doc,
            family=spec.family,
            payload=spec.payload,
            source=spec.source,
            fields=tuple(resolved),
            reserved=_to_reserved(spec.reserved),
            carried=spec.carry,
            stability=spec.stability,
            since=spec.since,
            deprecated=spec.deprecated,
            renamed_from=spec.renamed_from,
            owner=spec.owner or self._spec.owner,
        )

    def _resolve_carried(self, spec: EventSpec) -> Iterable[model.Field]:
        if spec.carry is None:
            for name in spec.omit:
                message = f"{spec.name} omits {name} but carries no record"
                self._findings.add(spec.at("omit"), "REF002", message, "remove it, or say carry:")
            return
        if not self._find("record", spec.carry, self._record_specs, spec.at("carry")):
            return
        record = self._resolve_record(self._record_specs[spec.carry])
        names = {one.name for one in record.fields}
        for name, span in _with_spans(spec, "omit", spec.omit):
            self._find(f"field of {record.name}", name, names, span)
        for one in record.fields:
            if one.name not in spec.omit:
                yield model.Field(**_plain(one), capture=model.FromSource(one.name))

    def _resolve_fields(
        self, specs: Sequence[FieldSpec], event: EventSpec, group: GroupSpec | None
    ) -> Iterable[model.Field]:
        for spec in specs:
            if not self._has_type(spec):
                continue
            capture: model.Capture = model.FromCaller()
            if spec.from_ is not None:
                capture = model.FromSource(spec.from_, group.when if group else None)
            yield model.Field(
                **self._share(spec, event.stability, event.owner),
                capture=capture,
                phase=spec.phase,
                reduce=spec.reduce,
                group=group.name if group else None,
            )

    def _share(
        self, spec: ValueSpec, stability: model.Stability, owner: str | None = None
    ) -> dict[str, Any]:
        return {name: getattr(spec, name) for name in _SHARED} | {
            "type": self._read_type(spec),
            "wire": spec.wire or spec.name,
            "stability": spec.stability or stability,
            "owner": spec.owner or owner or self._spec.owner,
        }

    def _has_type(self, spec: ValueSpec) -> bool:
        return self._read_type(spec) is not None

    def _read_type(self, spec: ValueSpec) -> model.Type | None:
        text, wrappers = spec.type, []
        while text[-1] in "]}":
            wrappers.append(model.ListType if text[-1] == "]" else model.MapType)
            text = text[:-2]
        inner = self._look_up_type(text, spec)
        for wrap in reversed(wrappers):
            inner = wrap(inner) if inner is not None else None
        return inner

    def _look_up_type(self, name: str, spec: ValueSpec) -> model.Type | None:
        if name in self._being_resolved:
            path = " -> ".join([*self._being_resolved, name])
            self._findings.add(
                spec.at("type"), "REF003", f"a record cannot hold itself: {path}", "use an id"
            )
            return None
        if name not in self._types and name in self._record_specs:
            self._resolve_record(self._record_specs[name])
        known = [*self._types, *self._record_specs]
        return self._types[name] if self._find("type", name, known, spec.at("type")) else None

    def _find(self, kind: str, name: str, known: Iterable[str], span: Span) -> bool:
        if name in known:
            return True
        if name not in self._broken:
            known = list(known)
            hint = suggest(name, known) or f"there are: {', '.join(known) or 'none'}"
            self._findings.add(span, "REF001", f'unknown {kind} "{name}"', hint)
        return False


def _with_spans(spec: Node, key: str, names: tuple[str, ...]) -> Iterable[tuple[str, Span]]:
    return ((name, spec.at(key)) for name in names)


def _plain(value: model.Value) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(model.Value)}


def _stamp(value: model.ContextValue) -> model.Field:
    # The channel gives the value, so a payload has no default for it: forgetting it would look like a measurement.
    return model.Field(**_plain(replace(value, default=None)), capture=model.FromContext())


def _to_enum(spec: EnumSpec) -> model.Enum:
    return model.Enum(
        name=spec.name,
        span=spec.span,
        doc=spec.doc,
        open=spec.open,
        members=tuple(_to_member(member) for member in spec.members),
        reserved=tuple(_to_member(member) for member in spec.reserved),
    )


def _to_member(spec: MemberSpec) -> model.Member:
    return model.Member(
        name=spec.name, span=spec.span, value=spec.value, doc=spec.doc, deprecated=spec.deprecated
    )


def _to_reserved(specs: tuple[ReservedSpec, ...]) -> tuple[model.Reserved, ...]:
    return tuple(model.Reserved(name=one.name, doc=one.doc, last=one.last) for one in specs)
