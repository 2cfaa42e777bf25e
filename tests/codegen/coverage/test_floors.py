"""Floors, exemptions, and errors in the settings file."""

import json
import shutil
from datetime import UTC, date, datetime, timedelta

import pytest

TODAY = datetime.now(UTC).date()
LOW = "floors: {emitted: 70, noticed: 50, read: 40, varied: 80}\n"


@pytest.fixture
def cover(shop, tmp_path):
    """Return a function that runs coverage of the shop's code with the given settings."""

    def run(settings, *arguments):
        spec = shutil.copy(shop.folder / "shop.yaml", tmp_path)
        (tmp_path / "coverage.yaml").write_text(settings)
        return shop.codegen("coverage", *arguments, spec=spec)

    return run


def exempt(name, until: date = TODAY, why="Not yet."):
    """Return the YAML of an exemption."""
    return f'  {name}: {{until: "{until}", why: "{why}"}}\n'


def rules(result):
    """Return rule and message of every finding, except the one about a directly constructed payload."""
    found = json.loads(result[1])["findings"]
    return [(one["rule"], one["message"]) for one in found if one["rule"] != "COV010"]


def test_gaps_above_the_floor_are_shown_and_do_not_fail(cover):
    code, out, _ = cover(LOW)

    assert code == 1
    assert out.count("error") == out.count("error COV010") == 1
    assert "not emitted, but allowed by the floor:\n  ORDER_LOST\n" in out
    assert "\n  Item number, hint\n" in out
    assert "under exemptions" not in out


def test_below_a_floor_every_gap_is_a_finding(cover):
    result = cover(LOW.replace("varied: 80", "varied: 90"), "--format", "json")

    found = rules(result)

    assert [rule for rule, _ in found].count("COV004") == 5
    floor = next(message for rule, message in found if rule == "COV011")
    assert floor == "at least 90 % must be varied, got 83.3 % (25 of 30)"


def test_an_exempted_gap_is_not_a_finding_and_does_not_count(cover):
    gaps = ("ORDER_PLACED.way", "ORDER_PLACED.discount", "ORDER_PLACED.currency", "Item.number")
    wrapping = "COV004 ORDER_PLACED.wrapping"
    exemptions = [exempt(f"COV004 {name}") for name in gaps]
    settings = LOW.replace(", varied: 80", "") + "exemptions:\n" + "".join(exemptions)

    assert rules(cover(settings, "--format", "json")) == [
        ("COV004", "ORDER_PLACED.wrapping is always its default")
    ]
    result = cover(settings + exempt(wrapping), "--format", "json")
    assert rules(result) == []
    (share,) = [one for one in json.loads(result[1])["shares"] if one["measure"] == "varied"]
    assert share == {
        "measure": "varied",
        "covered": 25,
        "declared": 25,
        "excused": 5,
        "percent": 100.0,
        "floor": 100,
    }


def test_offered_exemptions_are_accepted_once_they_give_a_reason(cover):
    _, out, _ = cover("floors: {emitted: 0}\n")
    offered = out.partition("under exemptions, and say why:\n")[2]

    refused = cover(f"exemptions:\n{offered}")
    accepted = cover("exemptions:\n" + offered.replace('why: ""', "why: Not yet."))

    assert offered.count("\n") > 20
    assert refused[0] == 2
    assert "why must be one paragraph of text" in refused[2]
    assert accepted[1].count("error COV0") == accepted[1].count("error COV001") + 1


@pytest.mark.parametrize(
    ("name", "until", "rule", "message"),
    [
        ("COV001 ORDER_LOST", TODAY + timedelta(days=180), None, ""),
        (
            "COV001 ORDER_LOST",
            TODAY - timedelta(days=1),
            "COV014",
            f"the exemption of COV001 ORDER_LOST ended on {TODAY - timedelta(days=1)}",
        ),
        (
            "COV001 ORDER_LOST",
            TODAY + timedelta(days=181),
            "COV015",
            f"a gap may be exempted for at most 180 days, got {TODAY + timedelta(days=181)}",
        ),
        ("COV001 PARCEL_SENT", TODAY, "COV013", "there is no gap COV001 PARCEL_SENT"),
        ("COV001 ORDER_LSOT", TODAY, "COV013", "there is no gap COV001 ORDER_LSOT"),
        ("COV010 OrderLostPayload", TODAY, "COV012", "COV010 is not a rule that can be exempted"),
        ("COV005 PARCEL_SENT", TODAY, None, ""),
    ],
)
def test_exemptions_are_checked(cover, name, until, rule, message):
    settings = LOW + "exemptions:\n" + exempt(name, until)

    found = rules(cover(settings, "--format", "json"))

    assert found == ([] if rule is None else [(rule, message)])


def test_an_ended_exemption_has_no_effect(cover):
    settings = LOW.replace("emitted: 70, ", "") + "exemptions:\n"
    late = settings + exempt("COV001 ORDER_LOST", TODAY - timedelta(days=1))

    assert [rule for rule, _ in rules(cover(late, "--format", "json"))] == ["COV014", "COV001"]


def test_findings_about_settings_have_places(cover, tmp_path):
    _, out, _ = cover(LOW + "exemptions:\n" + exempt("COV001 PARCEL_SENT"))

    assert f"{tmp_path}/coverage.yaml:3:3: error COV013 there is no gap" in out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            "floor: {read: 1}\n",
            'coverage.yaml:1:1: error FORM002 unknown key "floor"; did you mean',
        ),
        ("floors: {raed: 1}\n", 'did you mean "read"?'),
        ("floors: {read: many}\n", 'read must be an integer, got "many"'),
        ("exemptions:\n  ORDER_LOST: {}\n", "a rule and its subject"),
        ('exemptions:\n  COV001 A: {until: "soon", why: b}\n', 'a day like "2026-01-31"'),
        ("floors: [\n", "not YAML"),
    ],
)
def test_invalid_settings_are_refused(cover, settings, message):
    code, out, err = cover(settings)

    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_floor_is_a_percentage(cover, percent):
    code, _, err = cover(f"floors: {{read: {percent}}}\n")

    assert code == 2
    assert f"coverage.yaml:1:16: error COV016 a floor must be in [0, 100], got {percent}" in err


def test_a_day_that_does_not_exist(cover):
    code, _, err = cover('exemptions:\n  COV001 A: {until: "2026-02-30", why: b}\n')

    assert code == 2
    assert 'error COV017 a day must be in the calendar, got "2026-02-30"' in err
