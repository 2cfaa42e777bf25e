"""The colours of charts: those of Okabe and Ito, which colour-blind people can tell apart, on light and on dark paper.

Source: Okabe and Ito, Color Universal Design, 2008. Their yellow is left out, as it cannot be seen on white.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from esper._generated.enums import SeedStage
from esper.leyline.errors import UsageError

Theme = Literal["light", "dark"]
Colour = Literal[
    "paper", "ink", "muted", "grid", "blue", "red", "green", "orange", "purple", "sky", "grey"
]
"""The role of a colour; the value depends on the theme."""

THEMES: Final[Mapping[str, Mapping[Colour, str]]] = MappingProxyType(
    {
        "light": {
            "paper": "#ffffff",
            "ink": "#20242b",
            "muted": "#626973",
            "grid": "#e6e8eb",
            "blue": "#0072b2",
            "red": "#d55e00",
            "green": "#009e73",
            "orange": "#e69f00",
            "purple": "#cc79a7",
            "sky": "#56b4e9",
            "grey": "#b8bec6",
        },
        # Blue and sky change places, since the dark blue is hard to see on dark paper.
        "dark": {
            "paper": "#15181d",
            "ink": "#e4e7eb",
            "muted": "#9aa2ad",
            "grid": "#2b3038",
            "blue": "#57b5ea",
            "red": "#e2711d",
            "green": "#0bb588",
            "orange": "#e7a102",
            "purple": "#cd7aa8",
            "sky": "#0b7abf",
            "grey": "#596270",
        },
    }
)
"""No value occurs twice, so that a colour in a picture can be traced back to its role."""

SERIES: Final[tuple[Colour, ...]] = ("blue", "red", "green", "purple", "orange", "sky", "ink")
"""Colours of curves, in order; a chart has at most as many curves that differ by colour."""
DASHES: Final = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (1, 0), (6, 3), (2, 2))
"""Dash patterns of the same curves, so that they can be told apart in black and white."""

STAGES: Final[Mapping[SeedStage, tuple[str, Colour]]] = MappingProxyType(
    {
        SeedStage.UNKNOWN: ("unknown", "muted"),
        SeedStage.GERMINATED: ("germinated", "sky"),
        SeedStage.TRAINING: ("training", "blue"),
        SeedStage.BLENDING: ("blending", "orange"),
        SeedStage.HOLDING: ("holding", "purple"),
        SeedStage.FOSSILIZED: ("fossilized", "green"),
        SeedStage.PRUNED: ("pruned", "red"),
        SeedStage.EMBARGOED: ("cooling down", "grey"),
        SeedStage.RESETTING: ("cooling down", "grey"),
    }
)
"""Name and colour of each stage; an empty slot has none."""


def colours_of(theme: Theme) -> Mapping[Colour, str]:
    """Return the colours of a theme.

    Raises:
        UsageError: there is no such theme.
    """
    if theme not in THEMES:
        raise UsageError(f"theme must be light or dark, got {theme!r}")
    return THEMES[theme]
