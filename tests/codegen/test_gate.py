"""Whatever slips through, generated Python is what the contract says, or is not written."""

import pytest

from codegen.compile import compile_contract
from codegen.errors import GateError
from codegen.findings import Findings
from codegen.gate import check_module
from codegen.targets.python import render
from tests.codegen.tiny import tiny


@pytest.fixture
def contract(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny())
    return compile_contract(path, "tiny.yaml", Findings())


@pytest.fixture
def sources(contract):
    return {
        one.path.removesuffix(".py"): "\n\n".join(chunk.text for chunk in one.chunks)
        for one in render(contract, "pings")
    }


def test_what_the_templates_make_passes(contract, sources):
    for name, source in sources.items():
        check_module(name, source, contract, "pings")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("class PingDraft", "import os\nclass PingDraft", "main.py imports os"),
        ("class PingDraft", "from os import path\nclass PingDraft", "main.py imports os"),
        ("class PingDraft", "print(1)\nclass PingDraft", "holds a Expr beside its definitions"),
        ("class PingDraft", "evil = 1\nclass PingDraft", "the definitions should be"),
        ("class PingDraft", "class PingPayload: ...\nclass PingDraft", "defines a name twice"),
        ("class PingDraft", "if 1: pass\nclass PingDraft", "holds a If beside its definitions"),
        ('"""A note."""', "eval('1')", "main.py mentions eval"),
        ('"""A note."""', "__import__('os')", "main.py mentions __import__"),
        ('"""A note."""', "().__class__.__subclasses__()", "main.py mentions __subclasses__"),
        ('"""A note."""', "(lambda: 1)()", "main.py holds a Lambda"),
        ("note: str\n", "note: str\n    more: str\n", "the fields of PingPayload should be"),
        ("frozen=True, ", "", "the decorators of PingPayload should be"),
        ("def __post_init__", "def __eq__", "PingPayload has the methods"),
        ("channel.send(payload)", "channel.send(", "main.py does not parse"),
    ],
)  # fmt: skip
def test_what_the_contract_does_not_say_is_stopped(contract, sources, old, new, complaint):
    source = sources["main"]
    assert old in source
    with pytest.raises(GateError, match=complaint):
        check_module("main", source.replace(old, new, 1), contract, "pings")
