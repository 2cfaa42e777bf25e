"""Rules about stamps: the values that the generated channel puts on a line by itself."""

from collections.abc import Iterator

from ..contract.model import Contract
from ..contract.nodes import Stamp
from ..contract.spec import ContractSpec
from .rule import Breach

_TYPES: dict[Stamp, tuple[str, ...]] = {
    "sequence": ("int",),
    "unix_ns": ("int",),
    "unix_ms": ("int",),
    "unix_s": ("int", "float"),
    "monotonic_ns": ("int",),
    "process_id": ("int",),
    "writer": ("str",),
}
_WRITER_LENGTH = 16


def check_stamps(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that a key of the envelope allows every value of its stamp."""
    for value in contract.envelope.fields:
        stamp = contract.envelope.stamp_of(value)
        if stamp is None:
            continue
        types = _TYPES[stamp]
        if str(value.type) not in types:
            message = f"the stamp {stamp} is {' or '.join(types)}, and {value.name} is {value.type}"
            yield Breach(value.at("stamp"), message, "change the type or the stamp")
        bounds = value.range
        if bounds and (bounds.high is not None or (bounds.low is not None and bounds.low > 0)):
            message = f"the stamp {stamp} can be any number from 0"
            yield Breach(value.at("range"), message, "write range: [0, null]")
        length = value.length
        if value.pattern is not None or (
            length is not None
            and not (length.low or 0) <= _WRITER_LENGTH <= (length.high or _WRITER_LENGTH)
        ):
            message = f"the stamp {stamp} is a text of {_WRITER_LENGTH} hexadecimal digits"
            yield Breach(value.at("stamp"), message, "remove pattern: and length:")
