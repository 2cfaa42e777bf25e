"""Reads the contract on behalf of a command, and says what is wrong with it."""

import sys

from codegen.compile import compile_contract
from codegen.findings import Findings
from codegen.layout import Layout
from codegen.model import Contract
from codegen.report import report


def read_contract(layout: Layout) -> Contract | None:
    """Return the contract of a layout; None, with the findings on standard error, when it has errors."""
    findings = Findings()
    contract = compile_contract(layout.spec, layout.spec_name, findings)
    sys.stderr.write(report(findings, "text"))
    return None if findings.has_errors else contract
