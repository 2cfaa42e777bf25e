"""Generated Python that does not match the contract is not written."""

from dataclasses import replace

import pytest

from codegen.compile import compile_contract
from codegen.diagnostics.errors import GateError
from codegen.diagnostics.findings import Findings
from codegen.output.gate import Gate
from codegen.targets.python import render
from codegen.targets.target import Output
from tests.codegen.tiny import tiny


@pytest.fixture
def contract(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny())
    return compile_contract(path, "tiny.yaml", Findings())


@pytest.fixture
def outputs(contract):
    return {one.path: one for one in render(contract, "pings")}


def test_rendered_modules_pass(contract, outputs):
    gate = Gate(contract, "pings")
    for output in outputs.values():
        gate.check(output)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "_PingDraft",
            "import os\n_PingDraft",
            "contains Import besides its definitions",
        ),
        ("_PingDraft", "print(1)\n_PingDraft", "main.py mentions print"),
        ("_PingDraft", "str(1)\n_PingDraft", "contains Expr besides its definitions"),
        ("_PingDraft", "evil = 1\n_PingDraft", "defines too much or too little: evil"),
        ("_PingDraft", "class PingPayload: pass\n_PingDraft", "defines a name twice"),
        ("_PingDraft", "if 1: pass\n_PingDraft", "contains If besides its definitions"),
        (
            "def emit_ping",
            "def emit_pong",
            "defines too much or too little: emit_ping, emit_pong",
        ),
        ('"""A note."""', "eval('1')", "main.py mentions eval"),
        ('"""A note."""', "__import__('os')", "main.py mentions __import__"),
        ('"""A note."""', "().__class__.__subclasses__()", "main.py mentions __subclasses__"),
        ('"""A note."""', "(lambda: 1)()", "main.py contains Lambda"),
        ('"""A note."""', "str()", "PingPayload contains Expr"),
        ("note: str\n", "note: str\n    more: str\n", "PingPayload must have the fields"),
        ('    note: str\n    """A note."""\n', "", "PingPayload must have the fields"),
        ("frozen=True, ", "", "PingPayload must be a dataclass"),
        ("def __post_init__", "def __eq__", "PingPayload contains FunctionDef"),
        ("if not channel.listening", "while channel.listening", "main.py contains While"),
        ("channel.send(draft)", "channel.send(", "main.py does not parse"),
    ],
)
def test_code_that_the_contract_does_not_declare_is_refused(contract, outputs, old, new, complaint):
    output = outputs["main.py"]
    assert old in output.body
    chunks = [replace(one, text=one.text.replace(old, new, 1)) for one in output.chunks[1:]]
    with pytest.raises(GateError, match=complaint):
        Gate(contract, "pings").check(Output("main.py", (output.chunks[0], *chunks)))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("import os", "main.py imports os"),
        ("from os import path", "main.py imports os"),
        ("from . import checks", "the head of main.py contains ImportFrom"),
        ("x = 1", "the head of main.py contains Assign"),
    ],
)
def test_only_known_modules_are_imported(contract, outputs, line, complaint):
    output = outputs["main.py"]
    head = replace(output.chunks[0], text=f"{output.chunks[0].text}\n{line}\n")
    with pytest.raises(GateError, match=complaint):
        Gate(contract, "pings").check(Output("main.py", (head, *output.chunks[1:])))
