"""The normalised form of a contract: the content of the model as JSON values, without places in the YAML file.

Writer and reader follow the fields of the model's dataclasses, so a new attribute there needs no code here. Attributes
that are None, false or empty are left out, which keeps the files short and lets a newer model read older files.
"""

import types
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..contract import model
from ..contract.forms import VERSION
from ..contract.nodes import Bounds, Given
from ..diagnostics.findings import Span

_CAPTURES: dict[str, model.Capture] = {"caller": model.FromCaller(), "context": model.FromContext()}


# Looking up annotations takes longer than everything else here, and there are only a dozen classes.
_FIELDS: dict[type[Any], tuple[tuple[str, Any], ...]] = {}


class NormalFormError(ValueError):
    """The data read is not a contract in the normalised form."""


def to_normal_form(contract: model.Contract) -> dict[str, Any]:
    """Return the normalised form of a contract, made of JSON values."""
    return _dump_node(contract)


def from_normal_form(plain: object, path: str) -> model.Contract:
    """Build a contract from its normalised form; all its parts get the start of the file `path` as their place.

    Raises:
        NormalFormError: `plain` is not in the normalised form; the message says where.
    """
    contract: model.Contract = _Reader(path).read_node(model.Contract, plain, "contract")
    _check_texts(contract)
    return contract


def _check_texts(contract: model.Contract) -> None:
    """Check the texts that other code parses: versions and days."""
    for version in (contract.version, *(upcast.version for upcast in contract.upcasts)):
        if not VERSION.fits(version):
            raise NormalFormError(f"a version must be {VERSION.words}, got {version[:40]}")
    for exemption in contract.exemptions:
        try:
            date.fromisoformat(exemption.until)
        except ValueError:
            raise NormalFormError(
                f"until must be a day of the calendar, got {exemption.until[:40]}"
            ) from None


def _dump(value: Any) -> Any:
    if isinstance(value, model.Type):
        return str(value)
    if isinstance(value, Given):
        return {"value": value.value}
    if isinstance(value, Bounds):
        return [value.low, value.high]
    if isinstance(value, model.FromCaller):
        return "caller"
    if isinstance(value, model.FromContext):
        return "context"
    if isinstance(value, tuple):
        return [_dump(item) for item in value]
    return _dump_node(value) if is_dataclass(value) else value


def _dump_node(node: Any) -> dict[str, Any]:
    plain = {name: _dump(getattr(node, name)) for name, _ in _fields_of(type(node))}
    return {name: value for name, value in plain.items() if not _is_empty(value)}


def _is_empty(plain: object) -> bool:
    return plain is None or plain is False or plain in ([], {})


def _fields_of(cls: type[Any]) -> tuple[tuple[str, Any], ...]:
    """Return the names and types of the attributes that count in comparisons, which excludes places."""
    if cls not in _FIELDS:
        hints = get_type_hints(cls)
        names = [one.name for one in fields(cls) if one.compare]
        names = [name for name in names if (cls, name) != (model.Contract, "path")]
        _FIELDS[cls] = tuple((name, hints[name]) for name in names)
    return _FIELDS[cls]


class _Reader:
    def __init__(self, path: str) -> None:
        self._path = path
        self._span = Span(path, 1, 1)
        self._types: dict[str, model.Type] = {
            name: model.Primitive(name) for name in get_args(model.PrimitiveName)
        }

    def read_node(self, cls: type[Any], plain: object, where: str) -> Any:
        if not isinstance(plain, dict):
            raise NormalFormError(f"{where} must be an object")
        known = dict(_fields_of(cls))
        for name in plain:
            if name not in known:
                raise NormalFormError(
                    f'{where} has no attribute "{name}"; another version of codegen wrote it'
                )
        # Types are referred to by name, and each record comes after the records that it contains.
        names = sorted(known, key=lambda name: name not in ("enums", "records"))
        parts = {
            name: self._read(known[name], plain.get(name), f"{where}.{name}") for name in names
        }
        if any(one.name == "span" for one in fields(cls)):
            parts["span"] = self._span
        if cls is model.Contract:
            parts |= {"path": self._path, "spans": {}}
        node = cls(**parts)
        if cls is model.Enum:
            self._types[node.name] = model.EnumType(node)
        if cls is model.Record:
            self._types[node.name] = model.RecordType(node)
        return node

    def _read(self, hint: Any, plain: Any, where: str) -> Any:
        if hint == model.Type:
            return self._read_type(plain, where)
        if hint == model.Capture:
            if isinstance(plain, str) and plain in _CAPTURES:
                return _CAPTURES[plain]
            return self.read_node(model.FromSource, plain, where)
        if get_origin(hint) in (types.UnionType, Union):
            rest = [one for one in get_args(hint) if one is not types.NoneType]
            return None if plain is None else self._read(rest[0], plain, where)
        if get_origin(hint) is tuple:
            return self._read_items(get_args(hint)[0], plain, where)
        return self._read_one(hint, plain, where)

    def _read_one(self, hint: Any, plain: Any, where: str) -> Any:
        if hint is Given:
            if not isinstance(plain, dict) or list(plain) != ["value"]:
                raise NormalFormError(f'{where} must be an object with only the key "value"')
            return Given(plain["value"])
        if hint is Bounds:
            return self._read_bounds(plain, where)
        if is_dataclass(hint):
            assert isinstance(hint, type)
            return self.read_node(hint, {} if plain is None else plain, where)
        if get_origin(hint) is Literal:
            if plain not in get_args(hint):
                raise NormalFormError(f"{where} must be one of {', '.join(get_args(hint))}")
            return plain
        if hint is bool and plain is None:
            return False
        if hint is float and type(plain) is int:
            return float(plain)
        if type(plain) is not hint:
            raise NormalFormError(f"{where} must be a {hint.__name__}")
        return plain

    def _read_items(self, hint: Any, plain: Any, where: str) -> tuple[Any, ...]:
        if plain is not None and not isinstance(plain, list):
            raise NormalFormError(f"{where} must be a list")
        return tuple(
            self._read(hint, one, f"{where}[{index}]") for index, one in enumerate(plain or ())
        )

    def _read_bounds(self, plain: Any, where: str) -> Bounds:
        is_pair = isinstance(plain, list) and len(plain) == 2
        if not is_pair or any(type(one) not in (int, float, types.NoneType) for one in plain):
            raise NormalFormError(f"{where} must be a list of two numbers")
        return Bounds(*plain)

    def _read_type(self, plain: Any, where: str) -> model.Type:
        name = plain.rstrip("[]{}") if isinstance(plain, str) else ""
        if name not in self._types:
            raise NormalFormError(f"{where} must be a type, got {str(plain)[:40]}")
        type_ = self._types[name]
        for wrapper in plain[len(name) :: 2]:
            type_ = model.ListType(type_) if wrapper == "[" else model.MapType(type_)
        return type_
