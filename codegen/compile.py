"""From a file to a contract: read, bind, resolve, judge."""

from pathlib import Path

from .contract.bind import Binder
from .contract.load import load
from .contract.model import Contract
from .contract.resolve import resolve
from .contract.spec import ContractSpec
from .diagnostics.findings import Findings
from .rules.table import judge


def compile_contract(path: Path, name: str, findings: Findings) -> Contract | None:
    """Compile the contract at `path`, which findings call `name`; None when nothing can be made of it.

    A contract with errors among the findings is returned as far as it could be made out; nothing may be
    generated from it.
    """
    document = load(path, name, findings)
    if document is None:
        return None
    binder = Binder(findings)
    spec = binder.bind(ContractSpec, document)
    if spec is None:
        return None
    contract = resolve(spec, binder.broken, findings)
    judge(contract, spec, findings)
    return contract
