"""A release freezes a contract and its golden records permanently."""

import json

import pytest

from codegen.languages.sql import types
from tests.codegen.compat.zoo import (
    EVERYTHING,
    LAYOUT,
    PYTHON,
    compare_with_released,
    contract_yaml,
    generate,
    levels,
    release,
    run,
)


def test_a_release_is_a_baseline_and_golden_records(zoo):
    assert sorted(path.name for path in (zoo / "history").iterdir()) == [
        "1.0.0.json",
        "1.0.0.jsonl",
    ]


@pytest.mark.parametrize("pair", [("json", "yaml"), ("yaml", "json"), ("json", "json")])
def test_a_baseline_equals_the_contract_it_was_made_from(zoo, pair):
    paths = {"json": "history/1.0.0.json", "yaml": "zoo.yaml"}
    code, out, _ = run(zoo, "compat", *(paths[form] for form in pair))
    assert (code, out) == (0, "0 findings; nothing has changed since 1.0.0\n")


def test_without_arguments_the_newest_release_is_compared_with_the_contract(zoo):
    assert release(zoo, contract_yaml("1.0.1", fields=EVERYTHING, event="owner: me"))[0] == 0
    code, out, _ = run(zoo, "compat", *LAYOUT)
    assert (code, out) == (0, "0 findings; nothing has changed since 1.0.1\n")


def test_before_the_first_release_there_is_nothing_to_compare_with(tmp_path):
    generate(tmp_path, contract_yaml())
    code, out, _ = run(tmp_path, "compat", *LAYOUT)
    assert (code, out) == (0, "0 findings; nothing has been released yet\n")


def test_golden_records_have_every_value_of_every_field(zoo):
    lines = (zoo / "history" / "1.0.0.jsonl").read_text().splitlines()
    payloads = [json.loads(line)["payload"] for line in lines]
    assert {payload["count"] for payload in payloads} == {1, 3, 9}
    assert {"NaN", "Infinity", "-Infinity", None} < {payload["length"] for payload in payloads}
    assert {payload["is_fed"] for payload in payloads} == {False, True}
    assert {} in [payload["moods"] for payload in payloads]
    assert any(["CALM"] in payload["moods"].values() for payload in payloads)
    assert all(2 <= len(payload["code"]) <= 4 for payload in payloads)


def test_golden_records_are_the_same_each_time(zoo, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    release(other, contract_yaml(fields=EVERYTHING))
    golden = [(folder / "history" / "1.0.0.jsonl").read_bytes() for folder in (zoo, other)]
    assert golden[0] == golden[1]


def test_a_release_is_not_repeated(zoo):
    before = (zoo / "history" / "1.0.0.json").read_bytes()
    code, out, _ = run(zoo, "release", *PYTHON)
    assert (code, out) == (1, "1.0.0 is released already, and nothing has changed since\n")
    assert (zoo / "history" / "1.0.0.json").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (contract_yaml(fields=EVERYTHING).replace("FedPayload", "fedPayload"), 2, ""),
        (contract_yaml("2.0.0"), 1, "FLD001 WIRE-F, SOURCE"),
        (contract_yaml(fields=EVERYTHING, event="owner: me"), 1, "SPC001 policy"),
    ],
)
def test_an_invalid_or_incompatible_contract_is_not_released(zoo, text, code, message):
    (zoo / "zoo.yaml").write_text(text)
    if code != 2:
        generate(zoo, text)
    found, out, _ = run(zoo, "release", *PYTHON)
    assert found == code
    assert message in out
    assert not (zoo / "history" / "2.0.0.json").exists()


def test_a_contract_with_a_stale_package_is_not_released(zoo):
    (zoo / "zoo.yaml").write_text(contract_yaml("1.0.1", fields=EVERYTHING))
    assert run(zoo, "release", *PYTHON)[0] == 3


def test_an_expired_exemption_stops_a_release_but_not_a_check(zoo):
    top = 'exemptions: {EVT006 FED: {until: "2026-02-28", why: W.}}'
    text = contract_yaml("1.1.0", fields=EVERYTHING, event="cadence: once a day", top=top)
    code, findings = compare_with_released(zoo, text, "--today", "2026-03-01")
    assert (code, levels(findings, "SPC006")) == (0, ["policy"])
    code, out = release(zoo, text, "--today", "2026-03-01")
    assert code == 1
    assert "EXEMPTION_EXPIRED" in out


def test_a_release_says_which_exemptions_to_remove(zoo):
    top = 'exemptions: {EVT006 FED: {until: "2026-03-31", why: W.}}'
    text = contract_yaml("1.1.0", fields=EVERYTHING, event="cadence: once a day", top=top)
    code, out = release(zoo, text, "--today", "2026-03-01")
    assert code == 0
    assert out.endswith("remove the exemption EVT006 FED; it is no longer needed\n")
    assert compare_with_released(zoo, text, "--today", "2026-03-01")[0] == 1


def test_an_upcast_added_to_a_released_version_is_found(zoo):
    upcast = 'upcasts: {1.0.0: {doc: "%s", events: {FED: {fields: {name: {fill: %s}}}}}}'
    text = contract_yaml("1.0.1", fields=EVERYTHING, top=upcast % ("D.", "a"))
    _, findings = compare_with_released(zoo, text)
    (finding,) = [one for one in findings if one["rule"] == "SPC004"]
    assert "upcasts.1.0.0: added after it was released" in finding["message"]


@pytest.mark.parametrize(
    ("top", "message"),
    [("", "removed after it was released"), ("fill: b", "edited after it was released")],
)
def test_a_removed_or_edited_released_upcast_is_found(tmp_path, top, message):
    upcast = "upcasts: {1.0.0: {doc: D., events: {FED: {fields: {name: {%s}}}}}}"
    release(tmp_path, contract_yaml(top=upcast % "fill: a"), "--first")
    text = contract_yaml("1.0.1", top=upcast % top if top else "")
    _, findings = compare_with_released(tmp_path, text)
    (finding,) = [one for one in findings if one["rule"] == "SPC004"]
    assert message in finding["message"]


def test_a_target_that_renders_the_same_contract_differently_is_found(zoo, monkeypatch):
    monkeypatch.setitem(types._PRIMITIVES, "int", "HUGEINT")
    code, findings = compare_with_released(zoo, contract_yaml(fields=EVERYTHING))
    (finding,) = [one for one in findings if one["rule"] == "TGT001"]
    assert code == 1
    assert "FED: sql renders it differently" in finding["message"]


def test_a_new_key_of_the_envelope_is_not_a_change_of_each_view(zoo):
    key = 'day: {type: int, unit: "1", missing: 0, default: 0, doc: Day.}'
    _, findings = compare_with_released(zoo, contract_yaml(fields=EVERYTHING, envelope=key))
    assert {one["rule"] for one in findings} == {"FLD011", "SPC001"}


def test_an_unreadable_golden_record_stops_a_release(zoo):
    top = '  FLD022 FED.is_fed: {until: "2026-03-31", why: W.}\n'
    fields = EVERYTHING.replace("bool, default: false", "str")
    text = contract_yaml("2.0.0", fields=fields, top=f"exemptions:\n{top}")
    assert compare_with_released(zoo, text, "--today", "2026-03-01")[0] == 0
    code, out = release(zoo, text, "--today", "2026-03-01")
    assert code == 1
    assert "history/1.0.0.jsonl:1:1: SPC008 WIRE-B  FED: a released record cannot be read" in out
    assert "is_fed must be a str, got True (bool)" in out


def test_a_pattern_without_a_matching_text_is_reported(tmp_path):
    text = contract_yaml(
        fields='code: {type: str, pattern: "a{5}", length: [0, 2], arg: true, doc: C.}'
    )
    generate(tmp_path, text)
    code, _, err = run(tmp_path, "release", *PYTHON)
    assert code == 2
    assert "no text of 0 to 2 characters matches a{5}" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("zoo.yaml",), "compat takes two contracts, OLD and NEW, or no arguments"),
        (("a.yaml", "zoo.yaml"), "a.yaml:1:1: error YAML001"),
        (("a.json", "zoo.yaml"), "a.json:1:1: error HIS001 cannot read the baseline: No such file"),
    ],
)
def test_contracts_that_cannot_be_compared_are_refused(zoo, arguments, message):
    code, out, err = run(zoo, "compat", *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_an_invalid_day_is_refused(zoo):
    with pytest.raises(SystemExit, match="2"):
        run(zoo, "compat", "--today", "tomorrow")
