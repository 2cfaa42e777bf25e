"""The catalogue: rules have unique names, and every rule has an example in a test."""

from codegen.compat.catalogue import RULES
from tests.codegen.compat.test_rules import CHANGES, REUSED
from tests.codegen.compat.zoo import run

# Rules with examples in other files of this folder than the tables of changes.
ELSEWHERE = {"FLD041", "SPC001", "SPC002", "SPC003", "SPC004", "SPC005", "SPC006", "SPC007"}
ELSEWHERE |= {"ENM010", "SPC012", "SPC008", "SPC009", "SPC010", "SPC011", "TGT001"}


def test_rules_have_unique_names():
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))


def test_every_rule_has_an_example():
    shown = {rule for rule, *_ in (*CHANGES, *REUSED)} - {"FLD024"}
    assert {rule.id for rule in RULES} == shown | ELSEWHERE


def test_the_command_line_lists_the_rules(tmp_path):
    code, out, _ = run(tmp_path, "compat", "--rules")
    listed = out[out.index("FLD021") : out.index("FLD022")]
    assert code == 0
    assert listed == (
        "FLD021 TYPE_NARROWED  WIRE-B, SOURCE\n"
        "    inside lists, maps and records: FLD024 ELEMENT_TYPE_NARROWED\n"
        "    why: old records hold, and callers pass, values that the new type does not allow\n"
        "    remedy: add a field with the new type, and deprecate this one\n"
        "    remedy: an upcast, for WIRE-B\n"
        "    remedy: a new major version, for SOURCE\n"
    )
