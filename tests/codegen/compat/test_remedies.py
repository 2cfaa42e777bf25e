"""Remedies: each change that breaks somebody passes once the contract applies the remedy."""

import pytest

from tests.codegen.compat.zoo import compare, contract_yaml

NUMBER = "type: int, unit: epochs, arg: true"
TEXT = "type: str, arg: true"
WILD = "WILD: {value: 2, doc: Wild.}"
FLED = "FLED: {doc: It has fled., family: zoo, payload: FledPayload%s}"


def x(text):
    """Return the YAML of a field with the name x."""
    return f"x: {{{text}, doc: X.}}"


def upcast(step, event="FED"):
    """Return the YAML of an upcast to 2.0.0 with one attribute."""
    return f"upcasts: {{2.0.0: {{doc: D., events: {{{event}: {{{step}}}}}}}}}"


def field(path, step):
    """Return the YAML of an upcast to 2.0.0 with one step for a path in FED."""
    return upcast(f'fields: {{"{path}": {{{step}}}}}')


REMEDIES = [
    # A field is deprecated in one release, and removed in the next, where its name is reserved.
    (
        "FLD001",
        {"fields": x(f"{NUMBER}, deprecated: D.")},
        {"version": "2.0.0", "event": "reserved: {x: {doc: X.}}"},
    ),
    (
        "EVT001",
        {"events": FLED % ", deprecated: D."},
        {
            "version": "2.0.0",
            "top": "retired: {FLED: {doc: F.}}\n" + upcast('becomes: FED, fields: {name: {fill: a}, mood: {fill: CALM}, meals: {fill: []}, cage: {fill: 0}}', "FLED"),
        },
    ),
    ("EVT011", {"event": "deprecated: D."}, {"version": "2.0.0", "event": "deprecated: D.\nretired: 2.0.0"}),
    (
        "EVT003",
        {"events": FLED % ""},
        {
            "version": "2.0.0",
            "events": (FLED % ", renamed_from: FLED").replace("FLED:", "ESCAPED:", 1),
            "top": upcast("becomes: ESCAPED", "FLED"),
        },
    ),
    ("EVT009", {"events": FLED % ""}, {"version": "2.0.0", "events": (FLED % "").replace("FledPayload", "GonePayload")}),
    ("FLD006", {"fields": x(NUMBER)}, {"version": "2.0.0", "fields": x(f"{NUMBER}, wire: z, aliases: [x]")}),
    ("FLD006", {"fields": x(NUMBER)}, {"version": "2.0.0", "fields": x(f"{NUMBER}, wire: z"), "top": field("z", "move: x")}),
    ("FLD007", {"fields": x(NUMBER)}, {"version": "2.0.0", "fields": f"w: {{{NUMBER}, wire: x, renamed_from: x, doc: W.}}"}),
    ("FLD010", {}, {"version": "2.0.0", "fields": x(f"{NUMBER}, missing: 0")}),
    ("FLD010", {}, {"version": "2.0.0", "fields": x(NUMBER), "top": field("x", "fill: 0")}),
    ("FLD011", {}, {"version": "1.1.0", "fields": x("type: str, from: name, missing: a")}),
    ("FLD014", {"fields": x(NUMBER)}, {"version": "2.0.0", "fields": x(f"{NUMBER}, nullable: true")}),
    ("FLD015", {"fields": x(f"{NUMBER}, nullable: true")}, {"version": "2.0.0", "fields": x(NUMBER), "top": field("x", "fill: 0")}),
    ("FLD020", {"fields": x(NUMBER)}, {"version": "2.0.0", "fields": x(NUMBER.replace("int", "float"))}),
    ("FLD021", {"fields": x(NUMBER.replace("int", "float"))}, {"version": "2.0.0", "fields": x(NUMBER), "top": field("x", "convert: x, clamp: [0, 99], round: true")}),
    ("FLD024", {"meal": x("type: str, nullable: true")}, {"version": "2.0.0", "meal": x("type: str"), "top": field("meals[].x", "fill: a")}),
    ("FLD030", {"fields": x(f"{NUMBER}, default: 0")}, {"version": "1.1.0", "fields": x(f"{NUMBER}, default: 1"), "event": "revision: 2\nnote: N."}),
    ("FLD031", {"fields": x(f"{NUMBER}, missing: 0")}, {"version": "2.0.0", "fields": x(f"{NUMBER}, missing: 1"), "top": field("x", "fill: 0")}),
    ("FLD032", {"fields": x(NUMBER)}, {"version": "2.0.0", "fields": x(NUMBER.replace("epochs", "steps")), "top": field("x", "convert: x, clamp: [0, 99], factor: 10, round: true")}),
    ("FLD033", {"fields": x("type: str, from: x")}, {"version": "1.1.0", "fields": x("type: str, from: name"), "event": "revision: 2\nnote: N."}),
    ("FLD034", {"fields": x(NUMBER)}, {"version": "2.0.0", "fields": x(f"{NUMBER}, range: [0, 9]"), "top": field("x", "convert: x, clamp: [0, 9]")}),
    ("FLD035", {"fields": x(f"{NUMBER}, range: [0, 1]")}, {"version": "2.0.0", "fields": x(NUMBER)}),
    ("FLD036", {"fields": x("type: float, unit: s, arg: true")}, {"version": "2.0.0", "fields": x("type: float, unit: s, arg: true, nonfinite: string")}),
    (
        "FLD041",
        {"meal": x("type: str")},
        {
            "version": "2.0.0",
            "meal": "plate: {type: Plate, doc: P.}",
            "records": "Plate: {doc: P., fields: {x: {type: str, doc: X.}}}",
            "top": upcast('fields: {"meals[].plate.x": {move: "meals[].x"}}'),
        },
    ),
    ("ENM001", {"members": WILD}, {"version": "2.0.0", "mood": "reserved: {WILD: {value: 2, doc: W.}}", "top": field("mood", "convert: mood, values: {WILD: CALM}")}),
    ("ENM002", {"mood": "open: true"}, {"version": "1.1.0", "mood": "open: true", "members": WILD}),
    ("ENM002", {}, {"version": "2.0.0", "members": WILD}),
    ("ENM004", {"members": WILD}, {"version": "2.0.0", "members": WILD.replace("WILD", "TAME"), "top": field("mood", "convert: mood, values: {WILD: TAME}")}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "before", "after"), REMEDIES)
def test_a_change_passes_with_its_remedy(tmp_path, rule, before, after):
    code, findings = compare(tmp_path, contract_yaml(**before), contract_yaml(**after))
    assert code == 0, findings
    assert {one["level"] for one in findings} == {"info"}
    assert rule in [one["rule"] for one in findings]
