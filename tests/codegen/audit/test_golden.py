"""The package of a contract that has nothing to do with Esper is generated as it was when last reviewed.

After a change of the generator: cd tests/codegen/audit, then the command in the header of any file there.
"""

import ast
import subprocess
import sys

from codegen.__main__ import main
from tests.codegen.audit.conftest import HERE

LAYOUT = ("--spec", "audit.yaml", "--out", "audit_events", "--package", "audit_events")


def test_the_package_is_what_the_contract_says(monkeypatch, capsys):
    monkeypatch.chdir(HERE)
    assert main(["check", *LAYOUT]) == 0, capsys.readouterr().out


def test_the_package_is_typed_strictly(tmp_path):
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", tmp_path]
    ran = subprocess.run([*command, "-p", "audit_events"], cwd=HERE, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


def test_the_package_needs_the_standard_library_and_msgspec_alone():
    imported = set()
    for path in (HERE / "audit_events").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
    assert imported - sys.stdlib_module_names == {"msgspec", "audit_events"}
