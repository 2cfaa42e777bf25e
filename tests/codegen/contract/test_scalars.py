"""An unquoted word has one meaning; an ambiguous one is refused with a hint."""

import pytest

from codegen.contract.scalars import read_plain
from codegen.diagnostics.findings import Findings, Span

PLACE = Span("tiny.yaml", 3, 7)


def read(text):
    findings = Findings()
    return read_plain(text, PLACE, findings), [f"{one.message}; {one.hint}" for one in findings]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("0", 0),
        ("-12", -12),
        ("9223372036854775807", 2**63 - 1),
        ("0.5", 0.5),
        ("-0.0", -0.0),
        ("1.0e-3", 0.001),
        ("1.0.0", "1.0.0"),
        ("int[]", "int[]"),
        ("Nothing special.", "Nothing special."),
    ],
)
def test_an_unambiguous_word_has_its_value(text, value):
    read_value, complaints = read(text)
    assert (read_value, type(read_value)) == (value, type(value))
    assert not complaints


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        *(
            (word, "write true or false, or quote it")
            for word in ("no", "Yes", "ON", "off", "y", "N")
        ),
        *((word, "write true or false, or quote it") for word in ("True", "FALSE")),
        *((word, "write null, or quote it") for word in ("Null", "NONE", "nil")),
        *((word, 'write null, or "" for an empty text') for word in ("", "~")),
        *((word, "write it without leading zeros, or quote it") for word in ("010", "-007", "0_1")),
        *((word, "write it in decimal, or quote it") for word in ("0o10", "0x1F", "0b11")),
        *((word, "quote it") for word in ("1:30", "12:30:45", "2025-01-01", "2025-01-01 10:00:00")),
        *((word, "write a finite number, or quote it") for word in (".nan", ".inf", "-.INF")),
        *(
            (word, "write it like 12, 0.5 or 1.0e-3, or quote it")
            for word in ("1e3", "1.e+3", "1.0e3", "1_000", "+1", ".5", "5.", "1.0E+3")
        ),
    ],
)
def test_an_ambiguous_word_is_refused(text, hint):
    _, complaints = read(text)
    assert complaints == [f"{text or 'an empty value'} is ambiguous; {hint}"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("9223372036854775808", "an integer must fit 64 bits, got 9223372036854775808; "),
        ("9" * 5000, f"an integer must fit 64 bits, got {'9' * 40}; "),
        ("1.0e+400", "a number must be finite, got 1.0e+400; "),
        ("-0", "-0 is ambiguous; write 0, or -0.0"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(text, complaint):
    assert read(text)[1] == [complaint]
