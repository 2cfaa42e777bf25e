"""Each rule finds the change that it is about, and says who is broken by it."""

import pytest

from tests.codegen.compat.zoo import compare, levels, spell


def x(text):
    """Spell a field called x."""
    return f"x: {{{text}, doc: X.}}"


NUMBER = "type: int, unit: epochs, arg: true"
EVENT = "FLED: {doc: It has fled., family: zoo, payload: FledPayload%s, fields: {name: {type: str, arg: true, doc: Who.}, at: {type: float, unit: s, arg: true, doc: When.}}}"
OLD_EVENT = EVENT % ""
RETIRED = "retired: {FLED: {doc: It has fled.}}"
MOODS = "WILD: {value: 2, doc: Wild.}"
EVERYBODY = "WIRE-B, WIRE-F, SOURCE"

CHANGES = [
    ("EVT001", "WIRE-B, SOURCE", "events", OLD_EVENT, ""),
    ("EVT002", EVERYBODY, "events", OLD_EVENT, OLD_EVENT.replace("FLED", "ESCAPED")),
    (
        "EVT003",
        EVERYBODY,
        "events",
        OLD_EVENT,
        (EVENT % ", renamed_from: FLED").replace("FLED:", "ESCAPED:"),
    ),
    ("EVT004", "WIRE-B, SEM", "top", RETIRED, ""),
    ("EVT006", "SEM", "event", "cadence: once a day", "cadence: once a meal"),
    ("EVT008", "WIRE-B, SEM", "envelope", "day: {type: int, unit: \"1\", doc: Day.}", ""),
    ("EVT008", "WIRE-B, SEM", "envelope", "", "day: {type: int, unit: \"1\", doc: Day.}"),
    ("EVT009", "SOURCE", "events", OLD_EVENT, OLD_EVENT.replace("FledPayload", "GonePayload")),
    ("EVT010", "info", "events", "", OLD_EVENT),
    ("EVT011", "SOURCE", "event", "", "retired: 1.0.0"),
    ("FLD001", "WIRE-F, SOURCE", "fields", x(NUMBER), ""),
    ("FLD002", "WIRE-B", "fields", x(NUMBER), ""),
    ("FLD003", "WIRE-B, SEM", "event", "reserved: {x: {doc: X.}}", ""),
    ("FLD004", "WIRE-B", "event", "reserved: {x: {doc: X.}}", ""),
    ("FLD004", "WIRE-B", "mood", "reserved: {WILD: {value: 2, doc: Wild.}}", ""),
    ("FLD004", "WIRE-B", "top", RETIRED, ""),
    ("FLD005", EVERYBODY, "fields", x(NUMBER), f"w: {{{NUMBER}, doc: W.}}"),
    ("FLD006", "WIRE-B, WIRE-F", "fields", x(NUMBER), x(f"{NUMBER}, wire: z")),
    ("FLD006", "WIRE-F", "fields", x(NUMBER), x(f"{NUMBER}, wire: z, aliases: [x]")),
    ("FLD006", "WIRE-B", "fields", x(f"{NUMBER}, aliases: [z]"), x(NUMBER)),
    (
        "FLD007",
        "SOURCE",
        "fields",
        x(NUMBER),
        f"w: {{{NUMBER}, wire: x, renamed_from: x, doc: W.}}",
    ),
    ("FLD010", "WIRE-B, SOURCE", "fields", "", x(NUMBER)),
    ("FLD010", "SOURCE", "fields", "", x(f"{NUMBER}, missing: 0")),
    ("FLD010", "WIRE-B", "fields", "", x(f"{NUMBER}, default: 0")),
    ("FLD010", "WIRE-B", "fields", "", x("type: int, unit: epochs, from: x")),
    ("FLD011", "info", "fields", "", x(f"{NUMBER}, default: 0, missing: 0")),
    ("FLD012", "WIRE-B, SOURCE", "fields", x(f"{NUMBER}, default: 0, missing: 0"), x(NUMBER)),
    ("FLD013", "info", "fields", x(NUMBER), x(f"{NUMBER}, missing: 0")),
    ("FLD014", "WIRE-F, SOURCE", "fields", x(NUMBER), x(f"{NUMBER}, nullable: true")),
    ("FLD015", "WIRE-B", "fields", x(f"{NUMBER}, nullable: true"), x(NUMBER)),
    ("FLD020", "WIRE-F, SOURCE", "fields", x(NUMBER), x(NUMBER.replace("int", "float"))),
    ("FLD020", "WIRE-F, SOURCE", "fields", x("type: Mood, arg: true"), x("type: str, arg: true")),
    ("FLD021", "WIRE-B", "fields", x(NUMBER.replace("int", "float")), x(NUMBER)),
    ("FLD021", "WIRE-B", "fields", x("type: str, arg: true"), x("type: Mood, arg: true")),
    ("FLD022", EVERYBODY, "fields", x("type: str, arg: true"), x("type: bool, arg: true")),
    ("FLD023", EVERYBODY, "fields", x("type: str, arg: true"), x('type: "str[]", arg: true')),
    ("FLD024", "WIRE-F, SOURCE", "fields", x('type: "Mood[]", arg: true'), x('type: "str[]", arg: true')),
    ("FLD024", "WIRE-B", "meal", x('type: "str", nullable: true'), x('type: "str"')),
    ("FLD030", "SEM", "fields", x(f"{NUMBER}, default: 0"), x(f"{NUMBER}, default: 1")),
    ("FLD031", "WIRE-B, SEM", "fields", x(f"{NUMBER}, missing: 0"), x(f"{NUMBER}, missing: 1")),
    ("FLD032", "SEM", "fields", x(NUMBER), x(NUMBER.replace("epochs", "steps"))),
    ("FLD033", "SEM", "fields", x("type: str, from: x"), x("type: str, from: w")),
    ("FLD033", "SOURCE, SEM", "fields", x("type: str, from: x"), x("type: str, arg: true")),
    ("FLD033", "SEM", "fields", x("type: str, from: x"), x("type: str, from: x, phase: after")),
    ("FLD034", "WIRE-B, SOURCE", "fields", x(NUMBER), x(f"{NUMBER}, range: [0, null]")),
    ("FLD034", "WIRE-B, SOURCE", "fields", x("type: str, arg: true"), x("type: str, pattern: a+, arg: true")),
    ("FLD035", "WIRE-F", "fields", x(f"{NUMBER}, range: [0, 1]"), x(f"{NUMBER}, range: [0, 2]")),
    ("FLD036", "WIRE-F", "fields", x("type: float, unit: s, arg: true"), x("type: float, unit: s, arg: true, nonfinite: string")),
    ("FLD036", "WIRE-B", "fields", x("type: float, unit: s, arg: true, nonfinite: string"), x("type: float, unit: s, arg: true")),
    ("FLD040", "info", "meal", "a: {type: str, doc: A.}\nb: {type: str, doc: B.}", "b: {type: str, doc: B.}\na: {type: str, doc: A.}"),
    ("FLD042", "policy", "event", "", "stability: beta"),
    ("FLD042", "policy", "fields", x(NUMBER), x(f"{NUMBER}, stability: beta")),
    ("FLD043", "info", "event", "", "deprecated: It is rude."),
    ("FLD043", "info", "fields", x(NUMBER), x(f"{NUMBER}, deprecated: It is odd.")),
    ("ENM001", "WIRE-B, SOURCE", "members", MOODS, ""),
    ("ENM002", "WIRE-F", "members", "", MOODS),
    ("ENM003", EVERYBODY, "members", MOODS, "WILD: {value: 3, doc: Wild.}"),
    ("ENM004", EVERYBODY, "members", MOODS, "ANGRY: {value: 2, doc: Angry.}"),
    ("ENM005", "WIRE-B", "mood", "open: true", ""),
    ("ENM005", "SOURCE", "mood", "", "open: true"),
    ("ENM006", "SOURCE", "enums", "Size: {doc: S., members: {BIG: {value: 1, doc: B.}}}", ""),
    ("ENM007", "info", "records", "", "Toy: {doc: T., fields: {name: {type: str, doc: N.}}}"),
    ("SPC001", "policy", "event", "", "owner: somebody else"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "level", "place", "before", "after"), CHANGES)
def test_a_change_is_found_with_whom_it_breaks(tmp_path, rule, level, place, before, after):
    old, new = spell(**{place: before}), spell(**{place: after})
    if rule in ("EVT004", "FLD003"):
        # What was reserved is now used.
        used = {"events": OLD_EVENT} if rule == "EVT004" else {"fields": x(NUMBER)}
        new = spell(**used)
    code, findings = compare(tmp_path, old, new)
    assert levels(findings, rule) == [level]
    assert code == 1
