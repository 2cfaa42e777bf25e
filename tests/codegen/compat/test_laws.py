"""Properties that hold for every contract, tested with random ones and with our own."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen.compile import compile_contract
from codegen.diagnostics.findings import Findings
from codegen.history.golden import write_golden
from codegen.history.normal_form import from_normal_form, to_normal_form
from codegen.output.layout import our_layout
from esper._generated.codec import decode_line, encode_line
from tests.codegen.compat.zoo import compare, contract_yaml, decoder, generate

TYPES = {
    "int": ["", ", range: [0, 9]", ", range: [null, 5]"],
    "float": ["", ", range: [0, 1]", ", nonfinite: string", ", nonfinite: 'null', nullable: true"],
    "bool": [""],
    "str": ["", ", length: [2, 8]"],
    "Mood": [""],
    "Meal": [""],
}
MISSING = {"int": "1", "float": "0.5", "bool": "true", "str": "abc", "Mood": "CALM"}
SETTINGS = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)


@st.composite
def declarations(draw, is_optional=False):
    """Draw the attributes of a field, as YAML."""
    type_ = draw(st.sampled_from([one for one in TYPES if not is_optional or one in MISSING]))
    limits = draw(st.sampled_from(TYPES[type_]))
    unit = ', unit: "1"' if type_ in ("int", "float") else ""
    wrapper = draw(st.sampled_from(["", "[]", "{}", "[]{}"]))
    # A new attribute of a source breaks existing sources.
    origin = "arg: true" if is_optional else draw(st.sampled_from(["arg: true", "from: NAME"]))
    if wrapper and ("length" in limits or "null" in limits):
        wrapper = ""
    parts = f'type: "{type_}{wrapper}"{unit}{limits}, {origin}, doc: D.'
    if not is_optional:
        return parts
    value = {"": MISSING[type_], "[]": "[]"}.get(wrapper, "{}")
    return f"{parts}, missing: {value}, default: {value}"


def fields_yaml(declared):
    """Return the YAML of fields with these attributes."""
    return "\n".join(field_yaml(f"field_{index}", one) for index, one in enumerate(declared))


def field_yaml(name, attributes):
    """Return the YAML of a field; if it is captured from an attribute, that has the name of the field."""
    return f"{name}: {{{attributes.replace('NAME', name)}}}"


fields = st.lists(declarations(), max_size=6).map(fields_yaml)


@given(fields)
@SETTINGS
def test_a_contract_is_compatible_with_itself(tmp_path, yaml):
    text = contract_yaml(fields=yaml)
    assert compare(tmp_path, text, text) == (0, [])


@given(fields, declarations(is_optional=True))
@SETTINGS
def test_adding_an_optional_field_breaks_nobody(tmp_path, old_fields, added):
    new = contract_yaml("1.1.0", fields=f"{old_fields}\n{field_yaml('added', added)}")
    code, findings = compare(tmp_path, contract_yaml(fields=old_fields), new)
    assert (code, [one["rule"] for one in findings]) == (0, ["FLD011"])


@given(fields)
@SETTINGS
def test_the_normalised_form_keeps_the_whole_contract(tmp_path, yaml):
    (tmp_path / "zoo.yaml").write_text(contract_yaml(fields=yaml))
    contract = compile_contract(tmp_path / "zoo.yaml", "zoo.yaml", Findings())
    plain = json.loads(json.dumps(to_normal_form(contract)))
    assert from_normal_form(plain, "zoo.yaml") == contract


@given(fields)
@settings(SETTINGS, max_examples=6)
def test_golden_records_are_read(tmp_path, yaml):
    generate(tmp_path, contract_yaml(fields=yaml))
    contract = compile_contract(tmp_path / "zoo.yaml", "zoo.yaml", Findings())
    decode = decoder(tmp_path)
    for line in write_golden(contract).splitlines():
        assert type(decode(line.encode())[1]).EVENT == "FED"


def find_golden_records():
    """Return every golden record: the released ones, and those of the current contract."""
    layout = our_layout()
    released = [path.read_text() for path in Path(layout.spec.parent, "history").glob("*.jsonl")]
    contract = compile_contract(layout.spec, layout.spec_name, Findings())
    return [line for text in (*released, write_golden(contract)) for line in text.splitlines()]


@pytest.mark.parametrize("line", find_golden_records())
def test_our_golden_records_are_read_and_written_back(line):
    written = encode_line(*decode_line(line.encode()))
    assert encode_line(*decode_line(written)) == written
