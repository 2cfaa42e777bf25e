"""The parts that commands share: the class Command, the exit codes, and reading the contract."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..compile import compile_contract
from ..contract.model import Contract
from ..contract.users import read_users, users_path
from ..diagnostics.findings import Findings
from ..diagnostics.report import report
from ..output.layout import Layout

LINE_FORMATS = ("text", "github")
"""Formats of findings that are lines; of the others, one document is for one contract."""

CLEAN = 0
FINDINGS = 1
INVALID = 2
DRIFT = 3


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, one line of help, the function that returns its exit code, and its options.

    `run` is called for each contract, unless `is_for_one` says that the options are about one contract only.
    `run_alone` is called first: it returns an exit code if the options need no contract of a project.
    """

    name: str
    summary: str
    run: Callable[[Namespace, Layout], int]
    add_options: Callable[[ArgumentParser], None]
    run_alone: Callable[[Namespace], int | None] = lambda options: None
    is_for_one: Callable[[Namespace], bool] = lambda options: False


def is_one_document(options: Namespace) -> bool:
    """Return whether findings are printed as one document, which has room for one contract only."""
    return options.format not in LINE_FORMATS


def print_findings(findings: Findings, form: str, *, is_valid: bool) -> None:
    """Print the findings of a contract to standard error.

    If the contract is not valid, there is no other report: in a format for programs they are printed to standard output.
    """
    if is_valid or form == "text":
        sys.stderr.write(report(findings, "text"))
    else:
        sys.stdout.write(report(findings, form))


def read_contract(
    layout: Layout, form: str = "text", *, with_users: bool = True
) -> Contract | None:
    """Return the contract of a layout; print its findings, and return None if it has errors.

    Raises:
        UsageError: the file that lists the users of the contract is damaged.
    """
    findings = Findings()
    contract = compile_contract(layout.spec, layout.spec_name, findings)
    is_valid = contract is not None and not findings.has_errors
    print_findings(findings, form, is_valid=is_valid)
    if contract is None or not is_valid:
        return None
    return replace(contract, users=read_users(users_path(layout.spec))) if with_users else contract
