"""Compatibility modes: the stability and the promises decide what a change may break."""

import pytest

from tests.codegen.compat.zoo import compare, contract_yaml, levels, run

REQUIRED = "x: {type: int, unit: epochs, arg: true, doc: X.}"
WIDER = REQUIRED.replace("int", "float")
OTHER = REQUIRED.replace("int, unit: epochs", "str")
MEAL = "x: {type: str, doc: X.}"


def promise(text):
    """Return the `promise:` of an event as a part of the zoo."""
    return {"event": f"promise: {{{text}}}"}


@pytest.mark.parametrize(
    ("parts", "level"),
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
def test_an_event_promises_what_its_stability_and_its_promise_say(tmp_path, parts, level):
    old, new = contract_yaml(**parts, fields=REQUIRED), contract_yaml(**parts, fields=OTHER)
    _, findings = compare(tmp_path, old, new)
    assert levels(findings, "FLD022") == [level]


def test_a_field_may_promise_less_than_its_event(tmp_path):
    old, new = (
        contract_yaml(fields=field.replace("arg", "stability: development, arg"))
        for field in (REQUIRED, OTHER)
    )
    _, findings = compare(tmp_path, old, new)
    assert levels(findings, "FLD022") == ["info"]


def test_breaking_callers_is_a_warning_where_minor_versions_may_break_them(tmp_path):
    parts = promise("wire: 'none', source: minor")
    old, new = contract_yaml(**parts, fields=REQUIRED), contract_yaml(
        "1.1.0", **parts, fields=WIDER
    )
    code, findings = compare(tmp_path, old, new)
    assert (code, levels(findings, "FLD020")) == (0, ["SOURCE"])


@pytest.mark.parametrize("stability", ["beta", "development"])
def test_members_of_enums_must_stay_at_every_stability(tmp_path, stability):
    parts = {"event": f"stability: {stability}"}
    old = contract_yaml(**parts, members="WILD: {value: 2, doc: Wild.}")
    _, findings = compare(tmp_path, old, contract_yaml(**parts))
    assert levels(findings, "ENM001") == ["WIRE-B, SOURCE"]


def test_a_record_has_the_strictest_mode_of_the_events_that_contain_it(tmp_path):
    parts = {"event": "stability: development", "record": "stability: development"}
    fields = "{meal: {type: Meal, arg: true, doc: M.}}"
    firm = f"EATEN: {{doc: E., family: zoo, payload: EatenPayload, fields: {fields}}}"
    _, loose = compare(tmp_path, contract_yaml(**parts), contract_yaml(**parts, meal=MEAL))
    _, strict = compare(
        tmp_path,
        contract_yaml(**parts, events=firm),
        contract_yaml(**parts, events=firm, meal=MEAL),
    )
    assert levels(loose, "FLD011") == ["info"]
    assert levels(strict, "FLD010") == ["WIRE-B, SOURCE"]


def test_a_record_outside_all_payloads_breaks_only_callers(tmp_path):
    toy = "Toy: {doc: T., fields: {name: {type: %s, doc: N.}}}"
    old, new = contract_yaml(records=toy % "str"), contract_yaml(records=toy % "bool")
    _, findings = compare(tmp_path, old, new)
    assert levels(findings, "FLD022") == ["SOURCE"]


@pytest.mark.parametrize(
    ("parts", "needed"),
    [
        ({}, "2.0.0"),
        ({"event": "stability: beta"}, "1.1.0"),
        ({"event": "stability: development"}, "1.0.1"),
        (promise("source: minor, wire: 'none'"), "1.1.0"),
    ],
)
def test_the_needed_version_follows_from_the_promise(tmp_path, parts, needed):
    old, new = contract_yaml(**parts, fields=REQUIRED), contract_yaml(**parts, fields=OTHER)
    _, findings = compare(tmp_path, old, new)
    (finding,) = [one for one in findings if one["rule"] == "SPC001"]
    assert f"say version: {needed}" in finding["message"]


def test_a_finding_says_which_promise_counts_if_it_was_lowered(tmp_path):
    field = "x: {type: int, unit: epochs, arg: true, doc: X.}"
    for lowered, count in (("promise: {wire: none}", 1), ("", 0)):
        compare(tmp_path, contract_yaml(fields=field), contract_yaml("1.1.0", event=lowered))
        _, out, _ = run(tmp_path, "compat", "old.yaml", "new.yaml")
        assert (
            "FLD001 " in out,
            out.count(
                "FIELD_REMOVED: old readers and callers still use it; the promise of 1.0.0 counts"
            )
            > 0,
        ) == (True, bool(count))
