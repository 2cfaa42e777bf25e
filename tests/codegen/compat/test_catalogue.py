"""The catalogue has every rule, once, with a reason; and every rule about changes has its example."""

from codegen.compat.catalogue import RULES
from tests.codegen.compat.test_rules import CHANGES, REUSED
from tests.codegen.compat.zoo import run

# What the files of this folder show beside the tables of changes.
ELSEWHERE = {"FLD041", "SPC001", "SPC002", "SPC003", "SPC004", "SPC005", "SPC006", "SPC007"}
ELSEWHERE |= {"SPC008", "TGT001"}


def test_rules_have_names_of_their_own():
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
        "FLD021 TYPE_NARROWED  WIRE-B\n"
        "    inside lists, maps and records: FLD024 ELEMENT_TYPE_NARROWED\n"
        "    why: old records hold values that it cannot take\n"
        "    way: add a field with the new type, and deprecate this one\n"
        "    way: an upcast, for WIRE-B\n"
    )
