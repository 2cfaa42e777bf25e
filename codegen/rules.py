"""What a contract must keep to beyond its form: one function a rule, all in one table."""

from collections.abc import Callable

from codegen.findings import Findings
from codegen.model import Contract

Rule = Callable[[Contract, Findings], None]

RULES: tuple[Rule, ...] = ()
