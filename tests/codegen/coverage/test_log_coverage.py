"""Coverage of the contract of a shop by a log."""

import json
import os

import pytest

ITEM = {"article": "tea", "number": 1, "hint": None}
ORDER = {
    "way": "PHONE",
    "desk": "left",
    "haste": 1,
    "discount": 0.0,
    "currency": "EUR",
    "customer": "Ada",
    "wrapping": "paper",
    "greeting": "hello",
    "items": [ITEM],
    "gifts": [],
    "shop_id": -1,
}
RETURNED = {"reason": None}


def line(event, payload):
    envelope = {"num": 0, "clerk": "", "event": event, "v": "1.0.0"}
    return json.dumps(envelope | {"payload": payload}) + "\n"


@pytest.fixture
def cover(shop, tmp_path):
    """Return a function that measures the coverage by a log with the given lines."""

    def run(*lines, log=""):
        (tmp_path / "log").mkdir()
        (tmp_path / "log" / "0.jsonl").write_text("".join(lines))
        return shop.codegen("coverage", "--log", str(tmp_path / log), "--format", "json")

    return run


def covered(result, measure):
    """Return the points of a measure by name, and whether they are covered."""
    code, out, err = result
    assert (code, err) == (1, "")
    taken = [one for one in json.loads(out)["points"] if one["measure"] == measure]
    return {one["name"]: one["covered"] for one in taken}


@pytest.mark.parametrize("log", ["/dev/zero", "pipe"])
def test_a_log_that_never_ends_is_not_read(shop, tmp_path, log):
    os.mkfifo(tmp_path / "pipe")

    ran = shop.codegen("coverage", "--log", str(tmp_path / log))

    assert (ran[0], "a log must be a file or a folder of files, got" in ran[2]) == (2, True)


def test_a_line_that_never_ends_is_not_read(cover, tmp_path):
    with (tmp_path / "1.jsonl").open("wb") as file:
        file.truncate(2**33)

    ran = cover(line("ORDER_PLACED", ORDER), log="1.jsonl")

    assert (ran[0], "1.jsonl:1: a line must have at most" in ran[2]) == (2, True)


def test_events_are_seen_when_they_occur(cover):
    assert covered(cover(line("ORDER_PLACED", ORDER)), "seen") == {
        "ORDER_PLACED": True,
        "ORDER_LOST": False,
        "PARCEL_SENT": False,
        "PARCEL_RETURNED": False,
    }


def test_a_default_null_or_an_empty_collection_does_not_cover_a_field(cover):
    assert covered(cover(line("ORDER_PLACED", ORDER)), "moved") == {
        "ORDER_PLACED.discount": False,
        "ORDER_PLACED.items": True,
        "ORDER_PLACED.gifts": False,
        "Item.hint": False,
        "context.shop_id": False,
    }


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"discount": 0.5}, "ORDER_PLACED.discount"),
        ({"gifts": [ITEM]}, "ORDER_PLACED.gifts"),
        ({"items": [ITEM, ITEM | {"hint": "fragile"}]}, "Item.hint"),
        ({"shop_id": 4}, "context.shop_id"),
    ],
)
def test_one_other_value_is_enough(cover, change, moved):
    result = cover(line("ORDER_PLACED", ORDER), line("ORDER_PLACED", ORDER | change))

    assert covered(result, "moved")[moved]


def test_fields_are_measured_if_their_event_occurs(cover):
    result = cover(line("PARCEL_RETURNED", RETURNED))

    assert covered(result, "moved") == {"PARCEL_RETURNED.reason": False, "context.shop_id": False}


def test_findings_name_the_gaps_of_a_log(cover):
    _, out, _ = cover(line("PARCEL_RETURNED", RETURNED))

    messages = [(one["rule"], one["message"]) for one in json.loads(out)["findings"]]
    assert ("COV005", "ORDER_PLACED does not occur in the log") in messages
    assert ("COV006", "PARCEL_RETURNED.reason is always null in the log") in messages
    assert ("COV006", "context.shop_id is always -1 in the log") in messages


def test_an_incomplete_last_line_is_ignored(cover):
    result = cover(line("PARCEL_RETURNED", RETURNED), '{"num": 1, "ev')

    assert covered(result, "seen")["PARCEL_RETURNED"]


def test_a_log_is_a_file_or_a_folder_of_files(cover):
    result = cover(line("PARCEL_RETURNED", RETURNED), log="log/0.jsonl")

    assert covered(result, "seen")["PARCEL_RETURNED"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "a log must hold events, but "),
        (["{}\n"], "0.jsonl:1: the line is not valid: payload must be there"),
        (
            [line("PARCEL_RETURNED", RETURNED), line("PARCEL_RETURNED", {"reason": 1})],
            "0.jsonl:2: the line is not valid: reason must be a str, got 1",
        ),
    ],
)
def test_an_empty_or_invalid_log_is_refused(cover, lines, message):
    code, out, err = cover(*lines)

    assert (code, out) == (2, "")
    assert message in err


def test_a_missing_log_is_refused(cover):
    code, _, err = cover(log="nowhere")

    assert code == 2
    assert "a log must be readable, got " in err


def test_a_package_that_cannot_be_imported(shop, tmp_path):
    out = tmp_path / "shop" / "_generated"
    code, _, err = shop.codegen("coverage", "--log", str(tmp_path), "--out", str(out))

    assert code == 2
    assert f"{out} must hold the package shop._generated: " in err


def test_generated_code_of_an_older_contract(shop, tmp_path):
    spec = (shop.folder / "shop.yaml").read_text()
    newer = spec.replace(
        "hint: {type: str", "colour: {type: str, doc: New.}\n      hint: {type: str"
    )
    (tmp_path / "shop.yaml").write_text(newer)
    (tmp_path / "log.jsonl").write_text(line("ORDER_PLACED", ORDER))

    code, _, err = shop.codegen(
        "coverage", "--log", str(tmp_path / "log.jsonl"), spec=tmp_path / "shop.yaml"
    )

    assert code == 2
    assert "the generated code must be up to date with the contract, but differs in" in err
