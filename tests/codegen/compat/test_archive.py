"""The archive of releases: its files are complete and unchanged."""

import pytest

from tests.codegen.compat.zoo import (
    EVERYTHING,
    LAYOUT,
    compare_with_released,
    contract_yaml,
    release,
    run,
)


def edit(path, old, new):
    """Replace a text in a file, which must contain it."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "1.0.0.json",
            "What is eaten.",
            "What it eats.",
            "1.0.0: the baseline has been edited since it was released",
        ),
        (
            "1.0.0.jsonl",
            '"count":9',
            '"count":8',
            "1.0.0: the golden records have been edited since",
        ),
    ],
)
def test_an_edited_file_of_a_release_is_found(zoo, name, old, new, message):
    edit(zoo / "history" / name, old, new)
    code, findings = compare_with_released(zoo, contract_yaml(fields=EVERYTHING))
    (finding,) = [one for one in findings if one["rule"] == "SPC007"]
    assert code == 1
    assert finding["path"] == "history/1.0.0.json"
    assert message in finding["message"]


def test_an_edited_baseline_is_found_when_it_is_compared_as_a_file(zoo):
    edit(zoo / "history" / "1.0.0.json", "What is eaten.", "What it eats.")
    _, out, _ = run(zoo, "compat", "history/1.0.0.json", "zoo.yaml")
    assert "SPC007 policy  1.0.0: the baseline has been edited since it was released" in out


def test_a_missing_release_in_the_middle_is_found(zoo):
    for version in ("1.0.1", "1.0.2"):
        release(
            zoo, contract_yaml(version, fields=EVERYTHING, event=f"owner: number {version[-1]}")
        )
    (zoo / "history" / "1.0.1.json").unlink()
    text = contract_yaml("1.0.2", fields=EVERYTHING, event="owner: number 2")
    _, findings = compare_with_released(zoo, text)
    (finding,) = [one for one in findings if one["rule"] == "SPC007"]
    assert finding["path"] == "history/1.0.2.json"
    assert "the release before it is not its predecessor" in finding["message"]


def test_a_renamed_baseline_is_found(zoo):
    (zoo / "history" / "1.0.0.json").rename(zoo / "history" / "1.0.1.json")
    _, findings = compare_with_released(zoo, contract_yaml(fields=EVERYTHING))
    (finding,) = [one for one in findings if one["rule"] == "SPC007"]
    assert "it holds version 1.0.0" in finding["message"]


@pytest.mark.parametrize(
    ("golden", "message"),
    [
        (None, "1.0.0.jsonl is missing"),
        ("", "the golden records lack the event FED"),
        ("not JSON", "the golden records lack the event FED"),
    ],
)
def test_every_released_event_has_golden_records(zoo, golden, message):
    path = zoo / "history" / "1.0.0.jsonl"
    path.unlink() if golden is None else path.write_text(golden)
    _, findings = compare_with_released(zoo, contract_yaml(fields=EVERYTHING))
    (finding,) = [one for one in findings if one["rule"] == "SPC005"]
    assert message in finding["message"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a baseline must be JSON, got: Expecting value"),
        ("[]", "a baseline must have the keys contract, digest, golden, previous, shapes, version"),
        ('{"contract": {}, "digest": 1, "golden": "", "previous": "", "shapes": {}, "version": ""}', "digest must be a string"),
        ('{"contract": {}, "digest": "", "golden": "", "previous": "", "shapes": {}, "version": ""}', "contract.version must be"),
        ('{"contract": [], "digest": "", "golden": "", "previous": "", "shapes": {}, "version": ""}', "contract must be an object"),
        ("[" * 100_000, "a baseline must be JSON, got: maximum recursion depth"),
        ("\udcff", "a baseline must be JSON, got: 'utf-8' codec can't decode"),
    ],
)  # fmt: skip
def test_an_invalid_baseline_is_refused(zoo, content, message):
    (zoo / "history" / "1.0.0.json").write_text(content, errors="surrogateescape")
    code, out, err = run(zoo, "compat", *LAYOUT)
    assert (code, out) == (2, "")
    assert f"history/1.0.0.json:1:1: error HIS001 {message}" in err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"typescript": {', '"typescript": 1, "x": {', "shapes must be an object with an object for each target"),
        ('"type": "Mood"', '"type": "Modd"', "must be a type, got Modd"),
        ('"stability": "stable"', '"stability": "firm"', "must be one of development, beta, stable"),
        ('"open"', '"opn"', 'has no attribute "opn"; another version of codegen wrote it'),
        ('"wire": "name"', '"wire": 1', "fields[0].wire must be a str"),
        ('"value": 1', '"value": "1"', "members[0].value must be a int"),
        ('"version": "1.0.0",\n  "enums"', '"version": "1.x",\n  "enums"', "a version must be a version like 1.0.0, got 1.x"),
    ],
)  # fmt: skip
def test_a_baseline_with_an_invalid_attribute_is_refused(tmp_path, old, new, message):
    release(tmp_path, contract_yaml(mood="open: true"))
    path = tmp_path / "history" / "1.0.0.json"
    path.write_text(path.read_text().replace(old, new, 1))
    code, _, err = run(tmp_path, "compat", *LAYOUT)
    assert code == 2
    assert message in err
