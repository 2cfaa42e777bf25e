"""The page on the contract language describes every key, every type and every stamp."""

import re
from pathlib import Path
from typing import get_args

from codegen.__main__ import main
from codegen.contract.language import describe_language
from codegen.contract.model import PrimitiveName
from codegen.contract.nodes import Stamp
from codegen.contract.schema import contract_schema

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "contract_language.md").read_text(encoding="utf-8")


def test_the_page_has_the_tables_that_the_command_prints(capsys):
    assert main(["schema", "--markdown"]) == 0
    # If this fails: put the output of `python -m codegen schema --markdown` at the end of the page.
    assert PAGE.endswith(f"\n\n{capsys.readouterr().out}")


def test_the_tables_have_every_key_of_the_schema():
    schema = contract_schema()
    text = describe_language()
    sections = dict(re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL))
    shared = set(schema["$defs"]["Value"]["properties"])

    for name, definition in {"Contract": schema, **schema["$defs"]}.items():
        title = re.sub(r"(?<!^)([A-Z])", lambda match: f" {match.group(1).lower()}", name)
        if title not in sections and name == "Value":
            continue
        described = set(re.findall(r"^\| `(\w+)`", sections[title], re.MULTILINE))
        if "every key of a [value](#value)" in sections[title]:
            described |= shared
        assert described == set(definition["properties"]), name


def test_the_page_describes_every_type_and_stamp():
    for word in (*get_args(PrimitiveName), *get_args(Stamp)):
        assert re.search(rf"^\| .*`{word}`", PAGE, re.MULTILINE), word
