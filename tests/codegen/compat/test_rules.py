"""Each rule finds its kind of change and reports who is broken by it."""

import pytest

from tests.codegen.compat.zoo import compare, contract_yaml, levels

WIRE_AND_SOURCE = "WIRE-B, WIRE-F, SOURCE"
NUMBER = "type: int, unit: epochs, arg: true"
REAL = "type: float, unit: s, arg: true"
TEXT = "type: str, arg: true"
WILD = "WILD: {value: 2, doc: Wild.}"
FLED = """\
FLED:
  doc: It has fled.
  family: zoo
  payload: FledPayload
  fields:
    name: {type: str, arg: true, doc: Who.}
    at: {type: float, unit: s, arg: true, doc: When.}
"""
ESCAPED = FLED.replace("FLED:", "ESCAPED:")
DAY = 'day: {type: int, unit: "1", doc: Day.}'
TOY = "Toy:\n  doc: T.\n  fields: {name: {type: str, doc: N.}}\n"
A, B = "a: {type: str, doc: A.}\n", "b: {type: str, doc: B.}\n"


def x(text):
    """Return the YAML of a field with the name x."""
    return f"x: {{{text}, doc: X.}}"


CHANGES = [
    ("EVT001", "WIRE-B, SOURCE", "events", FLED, ""),
    ("EVT002", "WIRE-B, SOURCE", "events", FLED, ESCAPED),
    ("EVT003", WIRE_AND_SOURCE, "events", FLED, f"{ESCAPED}  renamed_from: FLED\n"),
    ("EVT006", "SEM", "event", "cadence: once a day", "cadence: once a meal"),
    ("EVT008", "WIRE-B, WIRE-F, SOURCE, SEM", "envelope", DAY, ""),
    ("FLD010", "WIRE-B, SOURCE", "envelope", "", DAY),
    ("FLD011", "info", "envelope", "", f"{DAY[:-1]}, default: 0, missing: 0}}"),
    ("EVT009", "SOURCE", "events", FLED, FLED.replace("FledPayload", "GonePayload")),
    ("EVT010", "info", "events", "", FLED),
    ("EVT011", "SOURCE", "event", "", "retired: 1.0.0"),
    ("FLD001", "WIRE-F, SOURCE", "fields", x(NUMBER), ""),
    ("FLD002", "WIRE-B", "fields", x(NUMBER), ""),
    ("FLD004", "WIRE-B", "event", "reserved: {x: {doc: X.}}", ""),
    ("FLD004", "policy", "mood", "reserved: {WILD: {value: 2, doc: Wild.}}", ""),
    ("FLD004", "policy", "top", "retired: {FLED: {doc: It has fled.}}", ""),
    ("FLD005", WIRE_AND_SOURCE, "fields", x(NUMBER), f"w: {{{NUMBER}, doc: W.}}"),
    ("FLD006", "WIRE-B, WIRE-F", "fields", x(NUMBER), x(f"{NUMBER}, wire: z")),
    ("FLD006", "WIRE-F", "fields", x(NUMBER), x(f"{NUMBER}, wire: z, aliases: [x]")),
    ("FLD006", "WIRE-B", "fields", x(f"{NUMBER}, aliases: [z]"), x(NUMBER)),
    ("FLD007", "SOURCE", "fields", x(NUMBER), f"w: {{{NUMBER}, wire: x, renamed_from: x, doc: W.}}"),
    ("FLD010", "WIRE-B, SOURCE", "fields", "", x(NUMBER)),
    ("FLD010", "SOURCE", "fields", "", x(f"{NUMBER}, missing: 0")),
    ("FLD010", "WIRE-B", "fields", "", x(f"{NUMBER}, default: 0")),
    ("FLD010", "WIRE-B, SOURCE", "fields", "", x("type: str, from: x")),
    ("FLD010", "SOURCE", "fields", "", x("type: str, from: x, missing: a")),
    ("FLD011", "info", "fields", "", x("type: str, from: name, missing: a")),
    ("FLD011", "info", "fields", "", x(f"{NUMBER}, default: 0, missing: 0")),
    ("FLD011", "info", "fields", "", x('type: "str{}", arg: true, default: {}, missing: {}')),
    ("FLD012", "WIRE-B, SOURCE", "fields", x(f"{NUMBER}, default: 0, missing: 0"), x(NUMBER)),
    ("FLD013", "info", "fields", x(NUMBER), x(f"{NUMBER}, missing: 0")),
    ("FLD014", "WIRE-F, SOURCE", "fields", x(NUMBER), x(f"{NUMBER}, nullable: true")),
    ("FLD015", "WIRE-B, SOURCE", "fields", x(f"{NUMBER}, nullable: true"), x(NUMBER)),
    ("FLD020", "WIRE-F, SOURCE", "fields", x(NUMBER), x(NUMBER.replace("int", "float"))),
    ("FLD020", "WIRE-F, SOURCE", "fields", x("type: Mood, arg: true"), x(TEXT)),
    ("FLD021", "WIRE-B, SOURCE", "fields", x(REAL), x(REAL.replace("float", "int"))),
    ("FLD021", "WIRE-B, SOURCE", "fields", x(TEXT), x("type: Mood, arg: true")),
    ("FLD022", WIRE_AND_SOURCE, "fields", x(TEXT), x("type: bool, arg: true")),
    ("FLD022", WIRE_AND_SOURCE, "fields", x("type: bool, arg: true"), x(NUMBER)),
    ("FLD023", WIRE_AND_SOURCE, "fields", x(TEXT), x('type: "str[]", arg: true')),
    ("FLD024", "WIRE-F, SOURCE", "fields", x('type: "Mood[]", arg: true'), x('type: "str[]", arg: true')),
    ("FLD024", "WIRE-B, SOURCE", "meal", x("type: str, nullable: true"), x("type: str")),
    ("FLD030", "SEM", "fields", x(f"{NUMBER}, default: 0"), x(f"{NUMBER}, default: 1")),
    ("FLD031", "WIRE-B, SEM", "fields", x(f"{NUMBER}, missing: 0"), x(f"{NUMBER}, missing: 1")),
    ("FLD032", "SEM", "fields", x(NUMBER), x(NUMBER.replace("epochs", "steps"))),
    ("FLD033", "SOURCE, SEM", "fields", x("type: str, from: x"), x("type: str, from: w")),
    ("FLD033", "SEM", "fields", x("type: str, from: x"), x("type: str, from: name")),
    ("FLD033", "SOURCE, SEM", "fields", x("type: str, from: x"), x(TEXT)),
    ("FLD033", "SEM", "fields", x("type: str, from: x"), x("type: str, from: x, phase: after")),
    ("FLD033", "SEM", "fields", x("type: str, from: x"), x("type: str, from: x, reduce: longest")),
    ("FLD034", "WIRE-B, SOURCE", "fields", x(NUMBER), x(f"{NUMBER}, range: [0, null]")),
    ("FLD034", "WIRE-B, SOURCE", "fields", x(TEXT), x(f"{TEXT}, length: [0, 9]")),
    ("FLD034", "WIRE-B, SOURCE", "fields", x(TEXT), x(f"{TEXT}, pattern: a+")),
    ("FLD035", "WIRE-F", "fields", x(f"{NUMBER}, range: [0, 1]"), x(f"{NUMBER}, range: [0, 2]")),
    ("FLD035", "WIRE-F", "fields", x(f"{TEXT}, pattern: a+"), x(TEXT)),
    ("FLD035", "WIRE-F", "fields", x(f"{TEXT}, pattern: a+"), x(f'{TEXT}, pattern: "[ab]+"')),
    ("FLD036", "WIRE-F", "fields", x(REAL), x(f"{REAL}, nonfinite: string")),
    ("FLD036", "WIRE-B, SOURCE", "fields", x(f"{REAL}, nonfinite: string"), x(REAL)),
    ("FLD040", "info", "meal", A + B, B + A),
    ("FLD042", "policy", "event", "", "stability: beta"),
    ("FLD042", "policy", "record", "", "stability: beta"),
    ("FLD042", "policy", "records", TOY, f"{TOY.replace('Toy', 'Game')}  renamed_from: Toy\n  stability: beta\n"),
    ("FLD042", "policy", "fields", x(NUMBER), x(f"{NUMBER}, stability: beta")),
    ("FLD043", "info", "event", "", "deprecated: It is rude."),
    ("FLD043", "info", "fields", x(NUMBER), x(f"{NUMBER}, deprecated: It is odd.")),
    ("FLD043", "info", "members", WILD, "WILD: {value: 2, doc: Wild., deprecated: It is odd.}"),
    ("ENM001", "WIRE-B, SOURCE", "members", WILD, ""),
    ("ENM009", "policy", "members", WILD, ""),
    ("ENM002", "WIRE-F", "members", "", WILD),
    ("ENM003", "SOURCE, SEM", "members", WILD, WILD.replace("2", "3")),
    ("ENM004", WIRE_AND_SOURCE, "members", WILD, WILD.replace("WILD", "ANGRY")),
    ("ENM005", "WIRE-B", "mood", "open: true", ""),
    ("ENM005", "info", "mood", "", "open: true"),
    ("ENM006", "SOURCE", "enums", "Size: {doc: S., members: {BIG: {value: 1, doc: B.}}}", ""),
    ("ENM006", "SOURCE", "records", "Toy: {doc: T., fields: {name: {type: str, doc: N.}}}", ""),
    ("ENM008", "SOURCE", "records", "Toy: {doc: T., fields: {name: {type: str, doc: N.}}}", "Game: {doc: T., renamed_from: Toy, fields: {name: {type: str, doc: N.}}}"),
    ("ENM007", "info", "records", "", "Toy: {doc: T., fields: {name: {type: str, doc: N.}}}"),
]  # fmt: skip

REUSED = [
    ("EVT004", {"top": "retired: {FLED: {doc: It has fled.}}"}, {"events": FLED}),
    ("FLD003", {"event": "reserved: {x: {doc: X.}}"}, {"fields": x(NUMBER)}),
    ("FLD003", {"event": "reserved: {z: {doc: Z., wire: x}}"}, {"fields": x(NUMBER)}),
    ("FLD003", {"mood": "reserved: {WILD: {value: 3, doc: W.}}"}, {"members": WILD}),
    ("FLD003", {"mood": "reserved: {TAME: {value: 2, doc: T.}}"}, {"members": WILD}),
]


@pytest.mark.parametrize(("rule", "level", "place", "before", "after"), CHANGES)
def test_a_change_is_found_with_its_impact(tmp_path, rule, level, place, before, after):
    old, new = contract_yaml(**{place: before}), contract_yaml(**{place: after})
    code, findings = compare(tmp_path, old, new)
    assert levels(findings, rule) == [level]
    # Every change needs a new version, and these contracts have the same one.
    assert code == 1


@pytest.mark.parametrize(("rule", "before", "after"), REUSED)
def test_reserved_names_cannot_be_used_again(tmp_path, rule, before, after):
    _, findings = compare(tmp_path, contract_yaml(**before), contract_yaml(**after))
    # Lines hold the names of members and not their numbers.
    expected = "SEM" if "TAME" in str(before) else "WIRE-B, SEM"
    assert levels(findings, rule) == [expected]


@pytest.mark.parametrize(
    ("before", "after"),
    [({"fields": x("type: str, arg: true")}, {"meal": x("type: str")}),
     ({"meal": x("type: str")}, {"fields": x("type: str, arg: true")})],
)  # fmt: skip
def test_a_moved_field_is_neither_removed_nor_added(tmp_path, before, after):
    _, findings = compare(tmp_path, contract_yaml(**before), contract_yaml(**after))
    assert levels(findings, "FLD041") == [WIRE_AND_SOURCE]
    # No upcast reaches out of an item of a list.
    assert {one["rule"] for one in findings} == {"FLD041", "SPC001"}


def test_old_records_lack_a_field_that_the_context_sets_now(tmp_path):
    new = contract_yaml().replace("context: [cage]", "context: [cage, keeper]")
    _, findings = compare(tmp_path, contract_yaml(), new)
    assert levels(findings, "FLD010") == ["WIRE-B"]


def test_nobody_passes_a_value_to_an_event_that_is_retired(tmp_path):
    old, new = (
        contract_yaml(event="retired: 1.0.0", fields=x(f"{NUMBER}{default}"))
        for default in (", default: 0", "")
    )
    _, findings = compare(tmp_path, old, new)
    assert levels(findings, "FLD012") == []


def test_a_change_of_documentation_needs_a_patch(tmp_path):
    code, findings = compare(tmp_path, contract_yaml(), contract_yaml(event="owner: somebody else"))
    assert code == 1
    assert [one["rule"] for one in findings] == ["SPC001"]
    assert "say version: 1.0.1" in findings[0]["message"]


@pytest.mark.parametrize(
    ("version", "needed"), [("1.0.1", "2.0.0"), ("1.1.0", "2.0.0"), ("0.9.0", "2.0.0")]
)
def test_the_version_must_be_high_enough_for_the_changes(tmp_path, version, needed):
    _, findings = compare(
        tmp_path, contract_yaml(fields=x(NUMBER)), contract_yaml(version, fields=x(TEXT))
    )
    (finding,) = [one for one in findings if one["rule"] == "SPC002"]
    assert f"1.0.0 -> {version} is too small a step" in finding["message"]
    assert f"say version: {needed}" in finding["message"]


def test_a_finding_has_the_place_of_the_changed_attribute(tmp_path):
    new = contract_yaml(fields=x(NUMBER.replace("int", "float")))
    _, findings = compare(tmp_path, contract_yaml(fields=x(NUMBER)), new)
    (finding,) = [one for one in findings if one["rule"] == "FLD020"]
    line = new.splitlines()[finding["line"] - 1]
    assert finding["path"] == "new.yaml"
    assert line[finding["column"] - 1 :].startswith("float")
