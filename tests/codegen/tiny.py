"""The smallest contract, with places for additions, and the findings that the compiler reports for it."""

from textwrap import indent

from codegen.contract.bind import Binder
from codegen.contract.load import parse
from codegen.contract.resolve import resolve
from codegen.contract.spec import ContractSpec
from codegen.diagnostics.findings import Findings
from codegen.rules.table import check_contract

_TOP = """\
version: 1.2.0
owner: tests
envelope: {doc: What a line says., fields: {seq: {type: int, unit: "1", doc: Number of the line.}}}
families: {main: {doc: Everything.}}
"""


def tiny(fields: str = "", *, event: str = "", more: str = "") -> str:
    """Return a contract with one event, PING, and with these fields, keys of the event, and sections."""
    fields = fields or "note: {type: str, arg: true, doc: A note.}"
    ping = f"doc: A ping.\nfamily: main\npayload: PingPayload\n{event}\nfields:\n{indent(fields, '  ')}\n"
    return f"{_TOP}{more}\nevents:\n  PING:\n{indent(ping, '    ')}"


def findings_of(text: str) -> Findings:
    """Compile a contract as far as possible, and return the findings."""
    findings = Findings()
    document = parse(text, "tiny.yaml", findings)
    if document is None:
        return findings
    binder = Binder(findings)
    spec = binder.bind(ContractSpec, document)
    if spec is not None:
        check_contract(resolve(spec, binder.broken, findings), spec, findings)
    return findings


def rules_of(text: str) -> list[str]:
    """Return the rules that a contract breaks, in the order of the file."""
    return [finding.rule for finding in findings_of(text)]


def complaints_of(text: str) -> str:
    """Return the findings of a contract as text, one line for each."""
    return "\n".join(
        f"{one.span.line}:{one.span.column} {one.rule} {one.message}; {one.hint}"
        for one in findings_of(text)
    )
