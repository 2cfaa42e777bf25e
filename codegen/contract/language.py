"""Describes the language of contracts: a table of the keys of every kind of mapping, from the classes in `spec`."""

from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin

from .bind import BoundKey, keys_of
from .nodes import Bounds, Given, Node
from .spec import ContractSpec, ValueSpec

_WORDS = {str: "text", int: "integer", float: "number", bool: "true or false"}


def describe_language() -> str:
    """Return a section of Markdown for each kind of mapping: the contract, the keys of all values, then the rest."""
    first, *rest = [cls for cls in _collect() if cls is not ValueSpec]
    return "\n".join(_describe(cls) for cls in (first, ValueSpec, *rest))


def _collect() -> list[type[Node]]:
    """Return the classes of all mappings, each once."""
    found: list[type[Node]] = [ContractSpec]
    for cls in found:
        for key in keys_of(cls).values():  # type: ignore[arg-type]  # a class is hashable
            inner = _node_of(key.annotation)
            if inner is not None and inner not in found:
                found.append(inner)
    return found


def _node_of(annotation: Any) -> type[Node] | None:
    item = get_args(annotation)[0] if get_origin(annotation) is tuple else annotation
    return item if isinstance(item, type) and issubclass(item, Node) else None


def _title(cls: type[Node]) -> str:
    name = cls.__name__.removesuffix("Spec")
    spaced = "".join(f" {one.lower()}" if one.isupper() else one for one in name).strip()
    return spaced[0].upper() + spaced[1:]


def _describe(cls: type[Node]) -> str:
    head = [f"### {_title(cls)}", "", (cls.__doc__ or "").strip(), ""]
    inherited = (
        set(keys_of(ValueSpec)) if cls is not ValueSpec and issubclass(cls, ValueSpec) else set()
    )
    if inherited:
        head += ["It has every key of a [value](#value), and:", ""]
    rows = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    rows += _rows(cls, inherited)
    return "\n".join([*head, *rows, ""])


def _rows(cls: type[Node], left_out: set[str]) -> Iterator[str]:
    defaults = {one.name: one.default for one in fields(cls)}
    keys = keys_of(cls)  # type: ignore[arg-type]  # a class is hashable
    for key in [key for name, key in keys.items() if name not in left_out]:
        cells = (f"`{key.name}`", _value(key), _default(defaults[key.attribute]), key.declared.doc)
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _value(key: BoundKey) -> str:
    annotation = key.annotation
    node = _node_of(annotation)
    if node is not None:
        link = f"[{_title(node).lower()}](#{_title(node).lower().replace(' ', '-')})"
        names = key.declared.names
        return f"{link} under each name: {names.words}" if names else link
    if annotation is Given:
        return "any value"
    if annotation is Bounds:
        return "two numbers, `[least, greatest]`"
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{one}`" for one in get_args(annotation))
    many = get_origin(annotation) is tuple
    form = key.declared.form
    words = form.words if form else _WORDS[get_args(annotation)[0] if many else annotation]
    return f"list, each {words}" if many else words


def _default(default: Any) -> str:
    if default is MISSING:
        return "required"
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"
