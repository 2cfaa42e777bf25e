"""A character that nobody can see is refused, whichever it is; every visible one is accepted."""

import sys
import unicodedata

import pytest

from codegen.contract.hidden import find_hidden, is_hidden
from tests.codegen.tiny import complaints_of, rules_of, tiny

EVERY = [chr(code) for code in range(sys.maxunicode + 1)]

# Default_Ignorable_Code_Point of Unicode 16.0, written out as in DerivedCoreProperties.txt.
IGNORABLE = (
    "00AD 034F 061C 115F..1160 17B4..17B5 180B..180D 180E 180F 200B..200F 202A..202E 2060..2064 2065 2066..206F"
    " 3164 FE00..FE0F FEFF FFA0 FFF0..FFF8 1BCA0..1BCA3 1D173..1D17A E0000 E0001 E0002..E001F E0020..E007F"
    " E0080..E00FF E0100..E01EF E01F0..E0FFF"
)


def characters(ranges):
    for one in ranges.split():
        low, _, high = one.partition("..")
        yield from map(chr, range(int(low, 16), int(high or low, 16) + 1))


def test_every_ignorable_character_is_hidden():
    assert all(map(is_hidden, characters(IGNORABLE)))


@pytest.mark.parametrize("category", ["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])
def test_every_character_of_a_category_is_hidden(category):
    found = [one for one in EVERY if unicodedata.category(one) == category and one != "\n"]
    assert found
    assert all(map(is_hidden, found))


def test_no_other_character_is_hidden_but_blanks():
    ignorable = set(characters(IGNORABLE))
    shown = [
        one for one in EVERY if unicodedata.category(one)[0] in "LMNPSZ" and one not in ignorable
    ]
    blank = [one for one in shown if is_hidden(one) and unicodedata.category(one)[0] != "Z"]
    # Which of them exist depends on the version of Unicode.
    assert set(blank) <= set(characters("2800 13441..13442 16FE4 1D159"))
    assert "\u2800" in blank


@pytest.mark.parametrize(
    "character", ["\u3164", "\u115f", "\u2800", "\u034f", "\ufe0f", "\u180b", "\U000e0101"]
)
@pytest.mark.parametrize(
    "text",
    [
        "note: {{type: str, arg: true, doc: A{}note.}}",
        'note: {{type: str, arg: true, doc: "A{}note."}}',
        "note: {{type: str, arg: true, wire: a{}b, doc: A note.}}",
        "no{}te: {{type: str, arg: true, doc: A note.}}",
        "note: {{type: str, arg: true, doc: A note.}}  # {}",
    ],
)
def test_a_hidden_character_is_refused_in_every_text_and_name(text, character):
    assert set(rules_of(tiny(text.format(character)))) == {"YAML013"}
    assert f"U+{ord(character):04X}" in complaints_of(tiny(text.format(character)))


@pytest.mark.parametrize(
    "text", ["\u00e9t\u00e9", "e\u0301", "\u65e5\u672c", "\u00b5 \u00b0 \u2126", "\U0001f600"]
)
def test_visible_text_of_any_language_is_accepted(text):
    assert list(find_hidden(text)) == []
    assert not rules_of(tiny(f"note: {{type: str, arg: true, doc: A {text}.}}"))


def test_positions_are_found_among_other_characters():
    assert list(find_hidden("a\u3164b\u3164\n\u00e9")) == [1, 3]
    assert list(find_hidden("a\tb\x7f\n")) == [1, 3]
