"""Names that only look like names of Python or of the generator work in the generated package."""

import json
from importlib import import_module

import pytest

from tests.codegen.tiny import tiny

NAMES = (
    "id",
    "hash",
    "input",
    "print",
    "credits",
    "license",
    "help",
    "exit",
    "n",
    "y",
    "no",
    "none",
)


def test_fields_named_like_other_builtins_are_emitted_and_read(project):
    fields = "\n".join(f"{name}: {{type: str, arg: true, doc: A text.}}" for name in NAMES)
    project.generate(tiny(fields), "--no-format")
    pings = project.load("codec")
    payload = project.load("main").PingPayload(**{name: name for name in NAMES})

    line = pings.encode_payload(payload)

    assert json.loads(line) == {name: name for name in NAMES}
    assert pings.decode_payload("PING", line) == payload


@pytest.mark.parametrize("name", ["Invoice", "InvoiceDraft", "InvoiceWire", "Draft", "Wire"])
@pytest.mark.parametrize("kind", ["record", "enum", "payload"])
def test_a_class_is_exported_whatever_its_name_ends_with(project, kind, name):
    texts = {
        "record": tiny(
            more=f"records:\n  {name}: {{doc: A., fields: {{x: {{type: str, doc: A.}}}}}}"
        ),
        "enum": tiny(more=f"enums:\n  {name}: {{doc: A., members: {{NO: {{value: 0, doc: A.}}}}}}"),
        "payload": tiny().replace("PingPayload", name),
    }
    project.generate(texts[kind], "--no-format")

    package = import_module("pings")

    assert name in package.__all__
    assert isinstance(getattr(package, name), type)
