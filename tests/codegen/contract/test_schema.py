"""Editors and the compiler agree on the form of a contract, because both derive it from the same classes."""

import json

import jsonschema
import pytest
import yaml

from codegen.contract.schema import contract_schema
from codegen.output.layout import our_layout
from tests.codegen.contract.test_bind import test_a_field_of_another_form_is_refused as refused
from tests.codegen.tiny import rules_of, tiny

SCHEMA = contract_schema()
FORMS = {"FORM001", "FORM002", "FORM003", "FORM004", "FORM005"}
CASES = [case[0] for mark in refused.pytestmark for case in mark.args[1]]


def fits(text):
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(text))


def test_the_schema_is_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("fields", [case for case in CASES if "yes" not in case])
def test_a_contract_of_another_form_is_invalid_for_both(fields):
    assert set(rules_of(tiny(fields))) & FORMS
    assert not fits(tiny(fields))


@pytest.mark.parametrize(
    "text",
    [tiny(), tiny("a: {type: strr, arg: true, doc: A.}"), tiny("a: {type: str, doc: A.}")],
    ids=["clean", "unknown type", "no origin"],
)
def test_a_contract_of_the_right_form_is_valid_for_both(text):
    assert not set(rules_of(text)) & FORMS
    assert fits(text)


def test_our_contract_is_valid_and_names_its_schema():
    text = our_layout().spec.read_text(encoding="utf-8")
    assert fits(text)
    assert text.startswith("# yaml-language-server: $schema=contract.schema.json\n")


def test_the_command_prints_it(project):
    assert json.loads(project.codegen("schema", layout=()).out) == SCHEMA


def test_every_key_has_a_description():
    for definition in (SCHEMA, *SCHEMA["$defs"].values()):
        assert definition["description"]
        assert all(key["description"] for key in definition["properties"].values())
