"""The command line: python -m codegen."""

import sys

from codegen.compile import compile_contract
from codegen.drift import find_drift, find_generated
from codegen.findings import Findings
from codegen.layout import our_layout
from codegen.render import render
from codegen.write import write


def main(argv: list[str]) -> int:
    """Generate, or check what has been generated."""
    layout = our_layout()
    findings = Findings()
    contract = compile_contract(layout.spec, layout.spec_name, findings)
    for finding in findings:
        print(f"{finding.span}: {finding.rule} {finding.message}. {finding.hint}", file=sys.stderr)
    if contract is None or findings.has_errors:
        return 2
    files = list(render(contract, layout))
    if argv == ["check"]:
        drifts = list(find_drift(files, layout))
        for drift in drifts:
            print(f"{drift.kind}: {drift.path}\n{drift.diff}")
        if drifts:
            print(
                f"{len(drifts)} generated files are not what the contract says; run: {layout.command}"
            )
        return 3 if drifts else 0
    for file in files:
        if write(file.path, file.text):
            print(f"wrote {file.path}")
    for path in set(find_generated(layout)) - {file.path for file in files}:
        path.unlink()
        print(f"removed {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
