"""Messages suggest what somebody who comes from another language probably meant."""

import pytest

from tests.codegen.tiny import complaints_of, findings_of, tiny


def x(attributes):
    return f"x: {{{attributes}, arg: true, doc: X.}}"


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        (x('type: "list[str]"'), 'write "str[]", in quotes'),
        (x('type: "tuple[int, ...]"'), 'write "int[]", in quotes'),
        (x('type: "dict[str, float]"'), 'write "float{}", in quotes'),
        (x('type: "str?"'), "write str, and add nullable: true"),
        (x("type: int | None"), "write int, and add nullable: true"),
        (x('type: "Optional[str]"'), "write str, and add nullable: true"),
        (x("type: bytes"), "there is no type for bytes; write them as a str"),
        (x("type: datetime"), "a time is an int or a float with a unit, like ms"),
        (x("type: str[]"), 'also a type like "str[]"'),
        (x('type: str, pattern: "\\d+"'), "put a pattern, or another text with a backslash, in single quotes"),
        (x("type: str, pattern: '\\d+'"), r"the pattern is not understood from \d+ on; instead of \d, write [0-9]"),
        ("theText: {type: str, arg: true, doc: T.}", "write the_text, and keep the key with wire: theText"),
        ("HTTPCode: {type: str, arg: true, doc: T.}", "write http_code, and keep the key with wire: HTTPCode"),
        ("a: {type: str, from: theText, doc: T.}", "write the_text"),
    ],
)  # fmt: skip
def test_a_value_of_another_language_is_explained(field, hint):
    assert hint in complaints_of(tiny(field))


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("version: 1.2.0", "version: 2.0", "version must be a text, got 2.0; write it like 2.0.0"),
        ("version: 1.2.0", 'version: "2.0"', "write it like 2.0.0"),
        ("  PING:", "  ping_sent:", "write PING_SENT"),
        ("payload: PingPayload", "payload: ping_payload", "write PingPayload"),
    ],
)
def test_a_name_or_version_of_another_form_is_explained(old, new, hint):
    assert hint in complaints_of(tiny().replace(old, new))


def test_a_taken_name_is_reported_once():
    more = "records: {Line: {doc: A., fields: {a: {type: str, doc: A.}}}}\n"
    findings = [one.rule for one in findings_of(tiny(more=more))]
    assert findings.count("NAM002") == 1
