"""Resolves a contract file into the model: names become references, and events get the fields they include."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Any

from ..diagnostics.findings import Findings, Span
from . import model
from .nodes import Bounds, Node
from .promises import Promise
from .scope import Scope, places, to_reserved
from .spec import (
    ContextSpec,
    ContractSpec,
    EnvelopeSpec,
    EventSpec,
    FieldSpec,
    GroupSpec,
    ValueSpec,
)
from .versions import parse_version

_EVERY_LINE = (
    ValueSpec(name="event", type="str", doc="The event.", length=Bounds(1, 128)),
    ValueSpec(
        name="v",
        type="str",
        doc="Version of the contract.",
        pattern=r"[0-9]+\.[0-9]+\.[0-9]+",
        length=Bounds(5, 32),
    ),
)


def resolve(spec: ContractSpec, broken: set[str], findings: Findings) -> model.Contract:
    """Return the model of `spec`; an unknown name is a finding, and the reference is left out.

    `broken` holds the names whose declarations the binder could not read and has reported.
    """
    return _Resolver(spec, Scope(spec, broken, findings), findings).resolve()


class _Resolver:
    def __init__(self, spec: ContractSpec, scope: Scope, findings: Findings) -> None:
        self._spec = spec
        self._scope = scope
        self._findings = findings
        self._groups = {group.name: group for group in spec.groups}
        self._context = {one.name: one for one in self._resolve_context(spec.context)}

    def resolve(self) -> model.Contract:
        for record in self._spec.records:
            self._scope.find_record(record.name, record.span)
        return model.Contract(
            path=self._spec.span.path,
            span=self._spec.span,
            spans=self._spec.spans,
            version=self._spec.version,
            enums=self._scope.enums,
            envelope=self._resolve_envelope(self._spec.envelope),
            context=tuple(self._context.values()),
            records=tuple(self._scope.records.values()),
            groups=tuple(
                model.Group(**places(one), doc=one.doc, when=one.when) for one in self._spec.groups
            ),
            families=self._resolve_families(),
            retired=to_reserved(self._spec.retired),
            promise=self._spec.promise or Promise(),
            upcasts=tuple(sorted(self._spec.upcasts, key=lambda one: parse_version(one.version))),
            exemptions=self._spec.exemptions,
        )

    def _resolve_context(self, specs: Iterable[ContextSpec]) -> Iterator[model.ContextValue]:
        for spec in specs:
            parts = self._scope.resolve_value(spec, "stable")
            if parts is not None:
                yield model.ContextValue(**parts, place=spec.place)

    def _resolve_envelope(self, spec: EnvelopeSpec) -> model.Envelope:
        found = {one.name: one for one in self._scope.resolve_values(spec.fields, "stable")}
        for one in self._context.values():
            if one.place == "envelope":
                # The writer of a line always knows the context, so the envelope has no default for it.
                found[one.name] = model.Value(**_parts(replace(one, default=None)))
        found |= {one.name: one for one in self._scope.resolve_values(_EVERY_LINE, "stable")}
        for name, span in _each(spec, "order", spec.order):
            self._scope.check_known("field of the envelope", name, found, span)
        order = [name for name in spec.order if name in found]
        rest = [name for name in found if name not in order]
        return model.Envelope(
            **places(spec),
            doc=spec.doc,
            fields=tuple(found[name] for name in (*order, *rest)),
            stamps=tuple((one.name, one.stamp) for one in spec.fields if one.stamp is not None),
        )

    def _resolve_families(self) -> tuple[model.Family, ...]:
        events: dict[str, list[model.Event]] = {family.name: [] for family in self._spec.families}
        for spec in self._spec.events:
            event = self._resolve_event(spec)
            if self._scope.check_known("family", spec.family, events, spec.at("family")):
                events[spec.family].append(event)
        return tuple(
            model.Family(
                name=family.name,
                span=family.span,
                doc=family.doc,
                events=tuple(events[family.name]),
            )
            for family in self._spec.families
        )

    def _resolve_event(self, spec: EventSpec) -> model.Event:
        return model.Event(
            **places(spec),
            doc=spec.doc,
            family=spec.family,
            payload=spec.payload,
            source=spec.source,
            fields=tuple(self._fields_of(spec)),
            reserved=(*to_reserved(spec.reserved), *self._carried_reserved(spec)),
            carried=spec.carry,
            stability=spec.stability,
            since=spec.since,
            deprecated=spec.deprecated,
            renamed_from=spec.renamed_from,
            owner=spec.owner or self._spec.owner,
            promise=spec.promise or Promise(),
            retired=spec.retired,
            cadence=spec.cadence,
            revision=spec.revision,
            note=spec.note,
            level=spec.level,
        )

    def _fields_of(self, spec: EventSpec) -> Iterator[model.Field]:
        yield from self._carried_fields(spec)
        yield from self._resolve_fields(spec.fields, spec, None)
        for name, span in _each(spec, "include", spec.include):
            if self._scope.check_known("group", name, self._groups, span):
                group = self._groups[name]
                yield from self._resolve_fields(group.fields, spec, group)
        for name, span in _each(spec, "context", spec.context):
            if self._scope.check_known("context field", name, self._context, span):
                # The channel always has a value; a default would hide that somebody constructed the payload without it.
                parts = _parts(replace(self._context[name], default=None))
                yield model.Field(**parts, capture=model.FromContext())

    def _carried_fields(self, spec: EventSpec) -> Iterator[model.Field]:
        if spec.carry is None:
            for name, span in _each(spec, "omit", spec.omit):
                message = f"{spec.name} omits {name} but carries no record"
                self._findings.add(span, "REF002", message, "remove it, or add carry:")
            return
        record = self._scope.find_record(spec.carry, spec.at("carry"))
        if record is None:
            return
        names = [one.name for one in record.fields]
        for name, span in _each(spec, "omit", spec.omit):
            self._scope.check_known(f"field of {record.name}", name, names, span)
        for one in record.fields:
            if one.name not in spec.omit:
                yield model.Field(**_parts(one), capture=model.FromSource(one.name))

    def _carried_reserved(self, spec: EventSpec) -> tuple[model.Reserved, ...]:
        record = self._scope.records.get(spec.carry or "")
        return record.reserved if record else ()

    def _resolve_fields(
        self, specs: Iterable[FieldSpec], event: EventSpec, group: GroupSpec | None
    ) -> Iterator[model.Field]:
        for spec in specs:
            parts = self._scope.resolve_value(spec, event.stability, event.owner)
            if parts is None:
                continue
            capture: model.Capture = model.FromCaller()
            if spec.from_ is not None:
                capture = model.FromSource(spec.from_, group.when if group else None)
            yield model.Field(
                **parts,
                capture=capture,
                phase=spec.phase,
                reduce=spec.reduce,
                group=group.name if group else None,
            )


def _each(spec: Node, key: str, names: tuple[str, ...]) -> Iterator[tuple[str, Span]]:
    """Yield the names in a list with their places."""
    return ((name, spec.at(f"{key}[{index}]")) for index, name in enumerate(names))


def _parts(value: model.Value) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(model.Value)}
