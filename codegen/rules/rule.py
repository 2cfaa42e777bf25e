"""The classes Rule and Breach: a check of a contract, and a place that fails it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..contract.model import Contract
from ..contract.spec import ContractSpec
from ..diagnostics.findings import Level, Span


class Breach(NamedTuple):
    """A place where the contract breaks a rule, and a hint how to fix it."""

    span: Span
    message: str
    hint: str = ""


Check = Callable[[Contract, ContractSpec], Iterator[Breach]]
"""Yields the breaches in a contract, which is given as resolved and as written."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its id, the function that finds its breaches, and the level of its findings."""

    id: str
    check: Check
    level: Level = "error"
