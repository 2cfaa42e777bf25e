"""No release can be lost without a finding, and no member of an enum is used again, however long ago it was removed."""

import os
import shutil

import pytest

from tests.codegen.compat.zoo import (
    EVERYTHING,
    compare_with_released,
    contract_yaml,
    levels,
    release,
    run,
)

LAYOUT = ("--spec", "zoo.yaml", "--out", "zoo/_generated", "--package", "zoo._generated")
WILD = "WILD: {value: 2, doc: Wild.}"
UPCAST = "upcasts: {1.0.0: {doc: D., events: {FED: {fields: {name: {fill: a}}}}}}"


@pytest.mark.parametrize(
    ("version", "parts", "trace"),
    [
        ("1.1.0", {}, "1.1.0 does not look like a first version"),
        ("1.0.0", {"top": UPCAST}, "the contract has upcasts"),
        ("1.0.0", {"top": "retired: {FLED: {doc: F.}}"}, "FLED is retired"),
        ("1.0.0", {"event": "reserved: {x: {doc: X.}}"}, "FED has reserved names"),
        ("1.0.0", {"mood": f"reserved: {{{WILD}}}"}, "Mood has reserved names"),
        ("1.0.0", {"event": "since: 0.3.0"}, "FED is there since 0.3.0"),
    ],
)
def test_a_history_that_is_not_found_is_a_finding_if_the_contract_shows_traces_of_one(
    tmp_path, version, parts, trace
):
    code, (finding,) = compare_with_released(tmp_path, contract_yaml(version, **parts))

    assert (code, finding["rule"], finding["path"]) == (1, "SPC012", "zoo.yaml")
    assert f"history holds no release, but {trace}" in finding["message"]


def test_a_first_version_without_traces_has_no_history(tmp_path):
    for version in ("0.0.1", "0.1.0", "1.0.0"):
        assert compare_with_released(tmp_path, contract_yaml(version)) == (0, [])


def test_a_contract_that_mentions_earlier_versions_is_released_as_the_first_on_request(tmp_path):
    text = contract_yaml("1.0.0", top=UPCAST)
    code, out = release(tmp_path, text)
    assert (code, "SPC012" in out, "with --first" in out) == (1, True, True)
    assert "no release is found" in out

    assert release(tmp_path, text, "--first")[0] == 0


def test_a_first_version_with_a_high_number_can_be_released(tmp_path):
    assert release(tmp_path, contract_yaml("3.1.0"))[0] == 0


def test_removing_only_the_newest_baseline_is_found(zoo):
    release(zoo, contract_yaml("1.0.1", fields=EVERYTHING, event="owner: me"))
    (zoo / "history" / "1.0.1.json").unlink()

    code, findings = compare_with_released(zoo, contract_yaml("1.0.1", fields=EVERYTHING))

    (finding,) = [one for one in findings if one["rule"] == "SPC005"]
    assert (code, finding["path"]) == (1, "history/1.0.1.jsonl")
    assert "1.0.1.json is missing" in finding["message"]


def test_a_renamed_contract_does_not_lose_its_history(zoo):
    (zoo / "history" / "zoo").mkdir()
    for path in (zoo / "history").glob("1.0.0.*"):
        path.rename(path.parent / "zoo" / path.name)
    (zoo / "zoo.yaml").rename(zoo / "park.yaml")
    layout = ("--spec", "park.yaml", "--out", "zoo/_generated", "--package", "zoo._generated")

    code, out, _ = run(zoo, "compat", *layout, "--history", "history/park")

    assert (code, "SPC012" in out) == (1, True)
    assert "history/park holds no release, but zoo holds those of zoo.yaml, which does not" in out


def test_a_pipe_among_the_releases_is_a_finding(zoo):
    os.mkfifo(zoo / "history" / "1.0.1.json")

    code, _, err = run(zoo, "compat", *LAYOUT)

    assert (code, "HIS001 cannot read the baseline" in err) == (2, True)


def test_the_summary_says_that_no_release_is_found(zoo):
    shutil.rmtree(zoo / "history")
    (zoo / "zoo.yaml").write_text(contract_yaml("1.1.0", fields=EVERYTHING))

    assert run(zoo, "compat", *LAYOUT)[1].endswith("1 finding; no release is found\n")


def release_both(folder, members, after):
    """Release a contract with more members, and a next major version with `after` in its place."""
    release(folder, contract_yaml("1.0.0", members=members))
    step = "{convert: mood, values: {WILD: CALM}}"
    top = f"upcasts: {{2.0.0: {{doc: D., events: {{FED: {{fields: {{mood: {step}}}}}}}}}}}"
    exemption = '\nexemptions: {ENM009 Mood.WILD: {until: "2026-06-30", why: W.}}'
    text = contract_yaml("2.0.0", mood=after, top=top + ("" if after else exemption))
    code, out = release(folder, text, "--today", "2026-06-01")
    assert code == 0, out
    return top


def test_a_member_that_is_removed_must_be_reserved_with_its_number(tmp_path):
    release(tmp_path, contract_yaml("1.0.0", members=WILD))
    for reserved, count in (("", 1), ("WILD: {value: 3, doc: W.}", 1), (WILD, 0)):
        mood = f"reserved: {{{reserved}}}" if reserved else ""
        _, findings = compare_with_released(tmp_path, contract_yaml("2.0.0", mood=mood))
        assert levels(findings, "ENM009") == ["policy"] * count


@pytest.mark.parametrize(
    ("member", "impact", "message"),
    [
        ("WILD: {value: 5, doc: W.}", "WIRE-B, SEM", "a member of 1.0.0 had this name"),
        ("TAME: {value: 2, doc: T.}", "SEM", "WILD of 1.0.0 had this number"),
        ("TAME: {value: 5, doc: T.}", None, ""),
    ],
)
def test_a_member_of_any_release_is_not_used_again(tmp_path, member, impact, message):
    top = release_both(tmp_path, WILD, "")
    _, findings = compare_with_released(tmp_path, contract_yaml("3.0.0", members=member, top=top))

    found = [one for one in findings if one["rule"] == "ENM010"]
    assert [one["impact"] for one in found] == ([impact] if impact else [])
    assert all(message in one["message"] for one in found)


def test_reserved_members_of_an_earlier_release_stay_reserved(tmp_path):
    top = release_both(tmp_path, WILD, f"reserved: {{{WILD}}}")
    _, findings = compare_with_released(tmp_path, contract_yaml("3.0.0", top=top))

    assert levels(findings, "FLD004") == ["policy"]
