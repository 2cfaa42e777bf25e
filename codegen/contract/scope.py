"""The names in a contract: looks up types and records, and resolves a record when it is first used."""

from collections.abc import Collection, Iterable
from dataclasses import fields
from typing import Any, get_args

from ..diagnostics.findings import Findings, Span
from ..diagnostics.similar import suggest
from . import model
from .hints import hint_for_type
from .nodes import Node, Stability
from .spec import ContractSpec, EnumSpec, MemberSpec, RecordSpec, ReservedSpec, ValueSpec

MAX_RECORD_DEPTH = 8

_PRIMITIVES: dict[str, model.Type] = {
    name: model.Primitive(name) for name in get_args(model.PrimitiveName)
}
_COPIED = {field.name for field in fields(model.Value)} & {
    field.name for field in fields(ValueSpec)
}
_COPIED -= {"type", "wire", "stability", "owner"}


class Scope:
    """The types and records of a contract by name; a name that is not found is a finding."""

    def __init__(self, spec: ContractSpec, broken: set[str], findings: Findings) -> None:
        self._broken = broken
        self._findings = findings
        self._owner = spec.owner
        self._record_specs = {record.name: record for record in spec.records}
        self._resolving: list[str] = []
        self.enums = tuple(_to_enum(enum) for enum in spec.enums)
        self.records: dict[str, model.Record] = {}
        self._types = _PRIMITIVES | {enum.name: model.EnumType(enum) for enum in self.enums}

    def check_known(self, kind: str, name: str, known: Collection[str], span: Span) -> bool:
        """Return whether `name` is among the `known` names; add a finding if not.

        A name whose declaration is broken has a finding already and does not get another one.
        """
        if name in known:
            return True
        if name not in self._broken:
            known_names = f"the contract has: {', '.join(known)}"
            hint = suggest(name, known) or (hint_for_type(name) if kind == "type" else "")
            hint = hint or (known_names if known else f"the contract does not have any {kind}")
            self._findings.add(span, "REF001", f'unknown {kind} "{name}"', hint)
        return False

    def find_record(self, name: str, span: Span) -> model.Record | None:
        """Return the record `name`; None, with a finding, if there is no such record."""
        if not self.check_known("record", name, self._record_specs, span):
            return None
        return self._resolve_record(name, span)

    def resolve_value(
        self, spec: ValueSpec, stability: Stability, owner: str | None = None
    ) -> dict[str, Any] | None:
        """Return the arguments of the model.Value for `spec`; None, with a finding, if its type is unknown."""
        type_ = self._resolve_type(spec)
        if type_ is None:
            return None
        return {name: getattr(spec, name) for name in _COPIED} | {
            "type": type_,
            "wire": spec.wire or spec.name,
            "stability": spec.stability or stability,
            "owner": spec.owner or owner or self._owner,
        }

    def resolve_values(
        self, specs: Iterable[ValueSpec], stability: Stability
    ) -> Iterable[model.Value]:
        """Yield the values of a record or of the envelope; those of an unknown type are left out."""
        for spec in specs:
            parts = self.resolve_value(spec, stability)
            if parts is not None:
                yield model.Value(**parts)

    def _resolve_type(self, spec: ValueSpec) -> model.Type | None:
        name = spec.type.rstrip("[]{}")
        type_ = self._look_up(name, spec.at("type"))
        # The suffixes read from the inside out: int[]{} is a map of lists.
        suffixes = spec.type[len(name) :]
        for suffix in suffixes[::2]:
            if type_ is not None:
                type_ = model.ListType(type_) if suffix == "[" else model.MapType(type_)
        return type_

    def _look_up(self, name: str, span: Span) -> model.Type | None:
        if name in self._record_specs:
            record = self._resolve_record(name, span)
            return model.RecordType(record) if record else None
        known = (*self._types, *self._record_specs)
        return self._types[name] if self.check_known("type", name, known, span) else None

    def _resolve_record(self, name: str, span: Span) -> model.Record | None:
        if name in self.records:
            return self.records[name]
        path = " -> ".join([*self._resolving, name])
        if name in self._resolving:
            self._findings.add(
                span, "REF003", f"a record cannot contain itself: {path}", "store an id instead"
            )
            return None
        if len(self._resolving) == MAX_RECORD_DEPTH:
            message = f"records are nested at most {MAX_RECORD_DEPTH} levels deep: {path}"
            self._findings.add(span, "REF004", message, "store an id instead")
            return None
        self._resolving.append(name)
        record = self._build_record(self._record_specs[name])
        self._resolving.pop()
        # Records are added when they are complete, so each comes after the records that it contains.
        self.records[name] = record
        return record

    def _build_record(self, spec: RecordSpec) -> model.Record:
        return model.Record(
            **places(spec),
            doc=spec.doc,
            fields=tuple(self.resolve_values(spec.fields, spec.stability)),
            reserved=to_reserved(spec.reserved),
            stability=spec.stability,
            renamed_from=spec.renamed_from,
        )


def places(spec: Node) -> dict[str, Any]:
    """Return the arguments that every node of the model takes from the file: its name and its places."""
    return {"name": spec.name, "span": spec.span, "spans": spec.spans}


def to_reserved(specs: tuple[ReservedSpec, ...]) -> tuple[model.Reserved, ...]:
    """Return removed names as classes of the model."""
    return tuple(
        model.Reserved(**places(one), doc=one.doc, last=one.last, wire=one.wire or one.name)
        for one in specs
    )


def _to_enum(spec: EnumSpec) -> model.Enum:
    return model.Enum(
        **places(spec),
        doc=spec.doc,
        open=spec.open,
        members=tuple(_to_member(member) for member in spec.members),
        reserved=tuple(_to_member(member) for member in spec.reserved),
        renamed_from=spec.renamed_from,
    )


def _to_member(spec: MemberSpec) -> model.Member:
    return model.Member(**places(spec), value=spec.value, doc=spec.doc, deprecated=spec.deprecated)
