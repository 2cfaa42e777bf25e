"""Compiles a contract file: loads, binds and resolves it, and checks it with every rule."""

from pathlib import Path

from .contract.bind import Binder
from .contract.load import Mapping, load, parse
from .contract.model import Contract
from .contract.resolve import resolve
from .contract.spec import ContractSpec
from .diagnostics.findings import Findings
from .rules.table import check_contract


def compile_contract(path: Path, name: str, findings: Findings) -> Contract | None:
    """Return the contract at `path`; None if the file is not a contract at all.

    `name` is the path as findings print it. If there are errors among the findings, the contract is incomplete, and
    no code may be generated from it.
    """
    return _compile(load(path, name, findings), findings)


def compile_text(text: str, name: str, findings: Findings) -> Contract | None:
    """Return the contract in a text, as `compile_contract` returns that in a file."""
    return _compile(parse(text, name, findings), findings)


def _compile(document: Mapping | None, findings: Findings) -> Contract | None:
    if document is None:
        return None
    binder = Binder(findings)
    spec = binder.bind(ContractSpec, document)
    if spec is None:
        return None
    contract = resolve(spec, binder.broken, findings)
    check_contract(contract, spec, findings)
    return contract
