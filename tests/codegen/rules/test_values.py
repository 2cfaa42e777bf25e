"""The constraints of a value apply to its type and make sense, and its defaults satisfy them."""

import pytest

from tests.codegen.tiny import complaints_of, rules_of, tiny

COLOR = (
    "enums:\n  Color:\n    doc: A color.\n    members: {RED: {value: 1, doc: Red.}}\n"
    "    reserved: {BLUE: {value: 2, doc: Was blue.}}\n"
    "units:\n  ms: {doc: Milliseconds.}\n"
    "records:\n  Point: {doc: A point., fields: {x: {type: int, unit: ms, doc: A.}}}\n"
)


def complaints(keys, more=COLOR):
    return complaints_of(tiny(f"value: {{arg: true, doc: A value., {keys}}}", more=more))


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("type: str, range: [0, 1]", "VAL001 range does not apply to str"),
        ("type: bool, unit: ms", "VAL001 unit does not apply to bool"),
        ("type: Color, unit: ms", "VAL001 unit does not apply to Color"),
        ("type: int, unit: ms, nonfinite: string", "VAL001 nonfinite does not apply to int"),
        ("type: int, unit: ms, pattern: a", "VAL001 pattern does not apply to int"),
        ("type: int, unit: ms, length: [0, 1]", "VAL001 length does not apply to int"),
        ("type: Point, length: [0, 1]", "VAL001 length does not apply to Point"),
        ("type: int, unit: ms, range: [2, 1]", "VAL002 range must not end before it begins, got [2, 1]"),
        ("type: int, unit: ms, range: [0.5, 1]", "VAL002 range must be integers here, got [0.5, 1]"),
        ("type: str, length: [-1, 1]", "VAL002 length must be 0 or more, got -1"),
        ("type: str, length: [0.0, 1]", "VAL002 length must be integers here"),
        ("type: float, unit: ms, nonfinite: 'null'", "VAL004 value cannot become null; add nullable: true"),
        ("type: 'float[]', unit: ms, nullable: true, nonfinite: 'null'",
         "VAL004 the items of float[] cannot become null; use string or error"),
        ("type: int", 'VAL006 value has no unit; add unit: "1" for a bare count'),
        ("type: 'float[]'", "VAL006 value has no unit"),
        ("type: int, unit: mss", 'VAL006 unknown unit "mss"; did you mean "ms"?'),
        ("type: int, unit: parsecs", 'VAL006 unknown unit "parsecs"; declare it under units:, or use one of 1, ms'),
        ("type: 'str[]{}[]'", "VAL007 lists and maps are nested at most 2 deep, got str[]{}[]"),
    ],
)  # fmt: skip
def test_a_constraint_that_makes_no_sense_is_refused(keys, complaint):
    assert complaint in complaints(keys)


@pytest.mark.parametrize(
    "keys",
    [
        "type: int, unit: ms, range: [-5, 5], default: 5",
        "type: float, unit: '1', range: [0, null], default: 0",
        "type: float, unit: '1', default: -0.0",
        "type: 'float[]', unit: ms, range: [0, 1], length: [0, 3], default: [0, 0.5]",
        "type: str, length: [1, 3], default: abc, missing: x",
        "type: str, pattern: '[a-z]+', default: abc",
        "type: str, nullable: true, default: null",
        "type: Color, default: RED",
        "type: 'Color[]', default: [RED, RED]",
        "type: 'int{}', unit: ms, default: {}",
        "type: bool, default: false",
        "type: Point, nullable: true, default: null",
    ],
)
def test_a_default_that_fits_is_accepted(keys):
    assert complaints(keys) == ""


@pytest.mark.parametrize("key", ["default", "missing"])
@pytest.mark.parametrize(
    ("keys", "plain", "complaint"),
    [
        ("type: int, unit: ms", "abc", "must be int, got abc"),
        ("type: int, unit: ms", "1.0", "must be int, got 1.0"),
        ("type: int, unit: ms", "true", "must be int, got True"),
        ("type: int, unit: ms", "INJECTED()", "must be int, got INJECTED()"),
        ("type: int, unit: ms, range: [0, 9]", "-1", "must have a value of at least 0, got -1"),
        ("type: float, unit: ms, range: [0, 9]", "9.5", "must have a value of at most 9, got 9.5"),
        ("type: str", "3", "must be str, got 3"),
        ("type: str, length: [2, 3]", "a", "must have a length of at least 2, got 1"),
        ("type: str, pattern: '[a-z]+'", "A", "must match [a-z]+, got A"),
        ("type: bool", "'no'", "must be true or false, got no"),
        ("type: str", "null", "must not be null; add nullable: true"),
        ("type: Color", "GREEN", "must be one of RED, got GREEN"),
        ("type: Color", "BLUE", "must be one of RED, got BLUE"),
        ("type: 'str[]'", "abc", "must be a list, got abc"),
        ("type: 'str[]'", "[a, 1]", "must be str, got 1"),
        ("type: 'str{}'", "{a: b}", "must be {}, got {'a': 'b'}"),
        ("type: Point", "{x: a}", "cannot be written here, got {'x': 'a'}"),
    ],
)
def test_a_default_that_does_not_fit_is_refused(keys, key, plain, complaint):
    assert f"VAL005 {key} of value {complaint}" in complaints(f"{keys}, {key}: {plain}")


@pytest.mark.parametrize(
    "pattern",
    ["[a-z]+", "[0-9a-f]{16}", "a|bc|", r"v[0-9]{1,3}\.[0-9]+", r"[^\[\]]*", "x{2,}", "-?[0-9]+"],
)
def test_a_plain_pattern_is_accepted(pattern):
    assert complaints(f"type: str, pattern: '{pattern}'") == ""


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        r"\d+",
        r"\w",
        "[a",
        "a{2",
        "*",
        "a**",
        "^a$",
        "a.b",
        "(?i)a",
        r"\1",
        "[b-a]",
        "a{5,2}",
        r"\u0041",
        "[[:alpha:]]",
        "a{99999}",
    ],
)
def test_a_pattern_that_is_slow_or_ambiguous_is_refused(pattern):
    found = complaints(f"type: str, pattern: '{pattern}'")
    assert "VAL003" in found
    assert "use characters, classes like [a-z0-9]" in found


def test_an_unused_declaration_is_a_warning():
    more = "units: {ms: {doc: A.}}\ngroups: {extra: {doc: A., when: is_new, fields: {}}}"
    assert rules_of(tiny(more=more)) == ["USE001", "USE001"]


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("type: int, unit: ms, sensitive: true", "VAL008 no value of value can stand for one that is withheld"),
        ("type: str, pattern: a, sensitive: true", 'let a text be "withheld" and a list or map be empty'),
        ("type: str, length: [0, 7], sensitive: true", "VAL008"),
        ("type: 'str[]', length: [1, 7], sensitive: true", "VAL008"),
        ("type: str, plot: scalar", "VAL009 a value of type str cannot be shown as scalar"),
        ("type: 'float[]', unit: ms, plot: scalar", "VAL009 a value of type float[] cannot be shown as scalar"),
        ("type: float, unit: ms, plot: step", "VAL009 a value of type float cannot be shown as step"),
        ("type: Point, plot: none", "VAL009 a value of type Point cannot be shown as none"),
    ],
)  # fmt: skip
def test_a_key_for_tools_that_makes_no_sense_is_refused(keys, complaint):
    assert complaint in complaints(keys)


def test_an_event_has_one_x_axis():
    fields = "\n".join(
        f'{name}: {{type: int, unit: "1", arg: true, plot: step, doc: A.}}' for name in "ab"
    )

    assert "VAL010 PING has two x axes, a and b; remove one of them" in complaints_of(tiny(fields))


def test_a_value_of_every_line_cannot_be_withheld():
    context = "context: {who: {type: str, place: payload, sensitive: true, doc: Who.}}\n"

    assert "VAL008 who is on every line" in complaints_of(tiny(more=context))


@pytest.mark.parametrize(
    "keys",
    [
        "type: str, sensitive: true",
        "type: int, unit: ms, nullable: true, sensitive: true",
        "type: 'int[]', unit: ms, sensitive: true",
        "type: Color, plot: scalar",
        "type: bool, plot: scalar",
        "type: int, unit: ms, plot: step",
        "type: 'float{}', unit: ms, plot: scalar",
        "type: 'str[]', plot: text",
    ],
)
def test_a_key_for_tools_that_makes_sense_is_accepted(keys):
    assert rules_of(tiny(f"value: {{arg: true, doc: A value., {keys}}}", more=COLOR)) == []
