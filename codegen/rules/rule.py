"""What a rule is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..contract.model import Contract
from ..contract.spec import ContractSpec
from ..diagnostics.findings import Level, Span


class Breach(NamedTuple):
    """A place where a rule is broken."""

    span: Span
    message: str
    hint: str = ""


Check = Callable[[Contract, ContractSpec], Iterator[Breach]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its id, how much a breach matters, and the function that finds breaches."""

    id: str
    check: Check
    level: Level = "error"
