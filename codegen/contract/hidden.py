"""Finds characters that readers of a text cannot see.

A hidden character makes two different texts look equal, reorders a line, or ends it in one tool and not in another. The
rule goes by the properties of a character, not by a list of known tricks. A character is hidden if

- its general category is a control (Cc; except the line feed), a format character (Cf), a surrogate (Cs), for private
  use (Co), unassigned (Cn), or a separator of lines or paragraphs (Zl, Zp); or
- it has the property Default_Ignorable_Code_Point, like variation selectors and the fillers of Hangul; or
- its glyph is blank although it is not a space.

Categories are those of the running Python's `unicodedata`, so a character that is newer than that is unassigned, and
refused. Emoji that need a variation selector or a joiner are refused as well: without it, most look the same.
"""

import re
import unicodedata
from collections.abc import Iterator

_CATEGORIES = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])
# Default_Ignorable_Code_Point in DerivedCoreProperties.txt of Unicode 16.0, without those in the categories above.
_IGNORABLE = (
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian variation selectors and vowel separator
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFFA0, 0xFFA0),  # half-width Hangul filler
    (0xE0100, 0xE01EF),  # variation selectors
)
# Characters whose glyph in the code charts of Unicode 16.0 is blank, and which are neither ignorable nor spaces.
_BLANK = (
    (0x2800, 0x2800),  # Braille pattern without dots
    (0x13441, 0x13442),  # Egyptian blanks
    (0x16FE4, 0x16FE4),  # Khitan filler
    (0x1D159, 0x1D159),  # musical null note head
)
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def is_hidden(character: str) -> bool:
    """Return whether readers cannot see a character."""
    if character == "\n":
        return False
    if unicodedata.category(character) in _CATEGORIES:
        return True
    code = ord(character)
    return any(low <= code <= high for low, high in (*_IGNORABLE, *_BLANK))


def find_hidden(text: str) -> Iterator[int]:
    """Yield the position of every hidden character in a text."""
    if text.isascii():
        # Nearly every contract is; a search takes less time than looking at each character.
        yield from (match.start() for match in _CONTROLS.finditer(text))
        return
    hidden = {one for one in set(text) if is_hidden(one)}
    if hidden:
        yield from (index for index, one in enumerate(text) if one in hidden)
