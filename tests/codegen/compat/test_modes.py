"""How much is promised decides what a change may break."""

import pytest

from tests.codegen.compat.zoo import compare, levels, spell

REQUIRED = "x: {type: int, unit: epochs, arg: true, doc: X.}"
WIDER = REQUIRED.replace("int", "float")
OTHER = REQUIRED.replace("int, unit: epochs", "str")
MEAL = "x: {type: str, doc: X.}"


def promise(text):
    """Spell what an event promises."""
    return {"event": f"promise: {{{text}}}"}


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ({}, "WIRE-B, WIRE-F, SOURCE"),
        ({"event": "stability: beta"}, "WIRE-B, SOURCE"),
        ({"event": "stability: development"}, "info"),
        (promise("wire: 'none'"), "SOURCE"),
        (promise("wire: backward"), "WIRE-B, SOURCE"),
        (promise("wire: forward"), "WIRE-F, SOURCE"),
        (promise("wire: 'none', source: 'none'"), "info"),
        ({"top": "promise: {wire: 'none'}"}, "SOURCE"),
        ({"top": "promise: {wire: 'none'}", **promise("wire: full")}, "WIRE-B, WIRE-F, SOURCE"),
        ({"event": "stability: development\npromise: {wire: backward}"}, "WIRE-B"),
    ],
)
def test_an_event_promises_what_its_stability_or_itself_says(tmp_path, said, level):
    old, new = spell(**said, fields=REQUIRED), spell(**said, fields=OTHER)
    _, findings = compare(tmp_path, old, new)
    assert levels(findings, "FLD022") == [level]


def test_a_field_may_promise_less_than_its_event(tmp_path):
    old, new = (
        spell(fields=field.replace("arg", "stability: development, arg"))
        for field in (REQUIRED, OTHER)
    )
    _, findings = compare(tmp_path, old, new)
    assert levels(findings, "FLD022") == ["info"]


def test_a_break_of_callers_is_a_warning_where_minor_versions_may_break_them(tmp_path):
    said = promise("wire: 'none', source: minor")
    old, new = spell(**said, fields=REQUIRED), spell("1.1.0", **said, fields=WIDER)
    code, findings = compare(tmp_path, old, new)
    assert (code, levels(findings, "FLD020")) == (0, ["SOURCE"])


@pytest.mark.parametrize("stability", ["beta", "development"])
def test_members_of_enums_stay_at_every_stability(tmp_path, stability):
    said = {"event": f"stability: {stability}"}
    old = spell(**said, members="WILD: {value: 2, doc: Wild.}")
    _, findings = compare(tmp_path, old, spell(**said))
    assert levels(findings, "ENM001") == ["WIRE-B, SOURCE"]


def test_a_record_is_promised_as_firmly_as_the_firmest_event_that_holds_it(tmp_path):
    said = {"event": "stability: development", "record": "stability: development"}
    fields = "{meal: {type: Meal, arg: true, doc: M.}}"
    firm = f"EATEN: {{doc: E., family: zoo, payload: EatenPayload, fields: {fields}}}"
    _, loose = compare(tmp_path, spell(**said), spell(**said, meal=MEAL))
    _, strict = compare(tmp_path, spell(**said, events=firm), spell(**said, events=firm, meal=MEAL))
    assert levels(loose, "FLD011") == ["info"]
    assert levels(strict, "FLD010") == ["WIRE-B, SOURCE"]


def test_a_record_that_no_payload_holds_breaks_callers_alone(tmp_path):
    toy = "Toy: {doc: T., fields: {name: {type: %s, doc: N.}}}"
    old, new = spell(records=toy % "str"), spell(records=toy % "bool")
    _, findings = compare(tmp_path, old, new)
    assert levels(findings, "FLD022") == ["SOURCE"]


@pytest.mark.parametrize(
    ("said", "needed"),
    [
        ({}, "2.0.0"),
        ({"event": "stability: beta"}, "1.1.0"),
        ({"event": "stability: development"}, "1.0.1"),
        (promise("source: minor, wire: 'none'"), "1.1.0"),
    ],
)
def test_the_version_is_as_new_as_the_promise_demands(tmp_path, said, needed):
    old, new = spell(**said, fields=REQUIRED), spell(**said, fields=OTHER)
    _, findings = compare(tmp_path, old, new)
    (finding,) = [one for one in findings if one["rule"] == "SPC001"]
    assert f"say version: {needed}" in finding["message"]
