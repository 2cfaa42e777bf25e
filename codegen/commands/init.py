"""The command init: writes a first contract, and the table in pyproject.toml that configures it."""

import re
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..configuration.table import FILE, TABLE, find_configuration
from ..diagnostics.errors import UsageError
from ..languages.printable import TEMPLATES
from ..output.layout import Layout
from .command import CLEAN, Command
from .options import program_name

_STARTER = TEMPLATES / "starter" / "contract.yaml"
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_CONTRACT = "contracts/events.yaml"
_TABLE = """\
[tool.esper-codegen]
contract = "{contract}"
out = "{out}"
package = "{package}"
formatter = "none" # or "black", which must be installed: pip install 'esper-codegen[black]'

[tool.esper-codegen.targets] # a folder, or a file of the same suffix; true: in the package; false: not at all
# channel = true
# sql = true
# json_schema = true
# typescript = "web/src"
# markdown = "docs/events.md"
# arrow = "{out}"
# strategies = "tests/generated"
# contract_schema = "contracts" # with which editors complete and check the contract
"""
_ADDITION = """\
[[tool.esper-codegen.contracts]]
contract = "{contract}"
out = "{out}"
package = "{package}"
"""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "name",
        nargs="?",
        default="events",
        metavar="PACKAGE",
        help="the name by which the generated package is imported, like shop.events; default: events",
    )


def run(options: Namespace, layout: Layout) -> int:
    """Write the contract and the table."""
    return write_starter(options)


def write_starter(options: Namespace) -> int:
    """Write a contract and the table into the current folder; change nothing that is there.

    Raises:
        UsageError: the name cannot be that of a package, or there is a contract or a table already.
    """
    if not _NAME.fullmatch(options.name):
        raise UsageError(f"a package must be a dotted name like shop.events, got {options.name!r}")
    contract, pyproject = Path(_CONTRACT), Path(FILE)
    out = ("src/" if Path("src").is_dir() else "") + options.name.replace(".", "/")
    top = options.name.partition(".")[0]
    found = find_configuration(Path.cwd())
    if found is not None:
        stem = options.name.rpartition(".")[2]
        print(_ADDITION.format(contract=f"contracts/{stem}.yaml", out=out, package=options.name))
        raise UsageError(
            f"{found} has a table [{'.'.join(TABLE)}] already; for another contract, add the table above by hand,"
            " and give the first contract such a table, too"
        )
    if contract.exists():
        raise UsageError(f"{contract} exists already; move it, or write the table by hand")
    before = pyproject.read_text(encoding="utf-8") if pyproject.exists() else ""
    table = _TABLE.format(contract=_CONTRACT, out=out, package=options.name)
    contract.parent.mkdir(exist_ok=True)
    text = _STARTER.read_text(encoding="utf-8").replace("@OWNER@", top)
    contract.write_text(text, encoding="utf-8")
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    pyproject.write_text(before + gap + table, encoding="utf-8")
    print("wrote", contract)
    print("wrote" if not before else "added the table to", pyproject)
    if top in sys.stdlib_module_names:
        print(
            f"warning: {top} is a module of Python's standard library, which the package would hide; rename it in {pyproject}",
            file=sys.stderr,
        )
    print(f"edit {contract}, then run: {program_name()}")
    return CLEAN


COMMAND = Command(
    "init",
    "write a first contract, and the table in pyproject.toml that configures it",
    run,
    add_options,
    run_alone=write_starter,
)
