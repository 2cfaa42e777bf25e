"""How the type of a field has changed."""

from typing import Literal

from ..contract.model import Enum, EnumType, ListType, MapType, Primitive, RecordType, Type

TypeChange = Literal["same", "widened", "narrowed", "changed", "cardinality"]


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
            return "same" if before.name in (after.name, after.renamed_from) else "changed"
    return "same" if old == new else "changed"


def _compare_enums(old: Enum, new: Enum) -> TypeChange:
    """Compare two enums by the names of their members, which are the values on the wire.

    The same enum counts as the same type: the rules about enums report its changes.
    """
    if old.name in (new.name, new.renamed_from):
        return "same"
    before, after = ({member.name for member in enum.members} for enum in (old, new))
    if before <= after:
        return "widened"
    return "narrowed" if after <= before else "changed"
