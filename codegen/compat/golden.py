"""The rule that golden records stay readable."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..contract.model import Contract
from ..diagnostics.findings import Span
from ..history.decoding import Decode
from ..history.golden import event_of
from .impact import Break
from .modes import MODES, mode_of
from .rule import Change, Rule
from .steps import Steps


@dataclass(frozen=True)
class Reading:
    """The golden records of a version, and the contract and code that read them."""

    name: str
    """What findings call their file."""
    version: str
    golden: str
    contract: Contract
    decode: Decode
    is_newest: bool


def _find_unreadable(reading: Reading) -> Iterator[Change]:
    contract = reading.contract
    steps = Steps(reading.version, contract.upcasts)
    modes = {one.name: mode_of(one, contract, one.stability) for one in contract.events}
    retired = {one.name for one in contract.retired}
    for number, line in enumerate(reading.golden.splitlines(), 1):
        event, _ = steps.follow(event_of(line))
        mode = modes.get(event, MODES["stable"])
        if event in retired or not (reading.is_newest or mode.is_transitive):
            continue
        what = _try(reading.decode, line)
        if what:
            yield Change(subject=event, span=Span(reading.name, number, 1), what=what, mode=mode)


def _try(decode: Decode, line: str) -> str:
    try:
        decode(line.encode())
    except ValueError as error:
        return f"a released record cannot be read: {error}"
    return ""


RULE: Rule[Reading] = Rule(
    id="SPC008",
    name="GOLDEN_UNREADABLE",
    find=_find_unreadable,
    breaks=Break.WIRE_B,
    why="every record that was ever released must stay readable",
    ways=("add an upcast to the new version",),
    is_exemptable=False,
)
"""The rule."""
