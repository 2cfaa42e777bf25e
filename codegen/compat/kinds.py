"""How one type differs from another, in the eyes of those who read values of both."""

from typing import Literal

from ..contract.model import Enum, EnumType, ListType, MapType, Primitive, RecordType, Type

Kind = Literal["same", "widened", "narrowed", "changed", "cardinality"]


def compare_types(old: Type, new: Type) -> Kind:
    """Tell how a type has changed; lists and maps must be lists and maps of the same kind."""
    match old, new:
        case (ListType(before), ListType(after)) | (MapType(before), MapType(after)):
            return compare_types(before, after)
        case (ListType() | MapType(), _) | (_, ListType() | MapType()):
            return "cardinality"
        case Primitive("int"), Primitive("float"):
            return "widened"
        case Primitive("float"), Primitive("int"):
            return "narrowed"
        case EnumType(), Primitive("str"):
            return "widened"
        case Primitive("str"), EnumType():
            return "narrowed"
        case EnumType(before), EnumType(after):
            return _compare_enums(before, after)
        case RecordType(before), RecordType(after):
            return "same" if before.name == after.name else "changed"
    return "same" if old == new else "changed"


def _compare_enums(old: Enum, new: Enum) -> Kind:
    """Compare by names, which is how members go on the wire; an enum is compared with itself elsewhere."""
    if old.name == new.name:
        return "same"
    before, after = ({member.name for member in enum.members} for enum in (old, new))
    if before <= after:
        return "widened"
    return "narrowed" if after <= before else "changed"
