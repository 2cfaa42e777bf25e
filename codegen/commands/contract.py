"""Reads the contract on behalf of a command, and says what is wrong with it."""

import sys
from dataclasses import replace

from ..compile import compile_contract
from ..contract.model import Contract
from ..contract.users import read_users, users_path
from ..diagnostics.findings import Findings
from ..diagnostics.report import report
from ..output.layout import Layout


def read_contract(layout: Layout, *, with_users: bool = True) -> Contract | None:
    """Return the contract of a layout; None, with the findings on standard error, when it has errors."""
    findings = Findings()
    contract = compile_contract(layout.spec, layout.spec_name, findings)
    sys.stderr.write(report(findings, "text"))
    if contract is None or findings.has_errors:
        return None
    return replace(contract, users=read_users(users_path(layout.spec))) if with_users else contract
