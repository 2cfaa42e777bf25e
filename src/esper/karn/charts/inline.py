"""Turns charts into SVG that stands in a page: without styles, scripts and links, with colours that follow the page's theme."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree

from esper.karn.charts.palette import THEMES

_SVG: Final = "http://www.w3.org/2000/svg"
_TAGS: Final = (
    "svg",
    "g",
    "path",
    "rect",
    "text",
    "tspan",
    "line",
    "circle",
    "defs",
    "clipPath",
    "title",
)
_ATTRIBUTES: Final = frozenset(
    (
        "d",
        "x",
        "y",
        "x1",
        "y1",
        "x2",
        "y2",
        "r",
        "cx",
        "cy",
        "width",
        "height",
        "viewBox",
        "transform",
        "fill",
        "fill-opacity",
        "stroke",
        "stroke-width",
        "stroke-opacity",
        "stroke-dasharray",
        "stroke-linejoin",
        "stroke-linecap",
        "stroke-miterlimit",
        "opacity",
        "font-size",
        "font-weight",
        "text-anchor",
        "clip-path",
        "id",
    )
)
_NUMBER: Final = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_ROLES: Final = {value: f"var(--chart-{role})" for role, value in THEMES["light"].items()}


def inline_svg(svg: str, *, name: str, text: str) -> str:
    """Return the SVG image of a chart in the light theme as an element for a page.

    Colours become CSS variables such as `--chart-blue`. Elements and attributes that a chart does not need are left out, so
    that nothing in it can load or run anything. Descriptions of marks become titles, which browsers show as tooltips.

    Args:
        name: unique in the page; ids of the element begin with it.
        text: the text alternative.
    """
    # The text comes from the converter, which writes no document type, so that no entity can be in it.
    root = ElementTree.fromstring(svg)
    cleaned = _clean(root, name)
    # The page has a colour of its own.
    background = cleaned.find("rect")
    if background is not None:
        cleaned.remove(background)
    width = root.get("width", "")
    cleaned.set("role", "img")
    cleaned.set("aria-label", text)
    cleaned.set("class", "chart")
    cleaned.set("width", width)
    return ElementTree.tostring(cleaned, encoding="unicode")


def _clean(element: ElementTree.Element, name: str) -> ElementTree.Element:
    """Return a copy with the allowed elements and attributes only."""
    copy = ElementTree.Element(element.tag.removeprefix(f"{{{_SVG}}}"))
    for key, value in element.attrib.items():
        if key in _ATTRIBUTES:
            copy.set(key, _convert(key, value, name))
    copy.text, copy.tail = element.text, element.tail
    label = element.get("aria-label")
    if label is not None and copy.tag == "path":
        ElementTree.SubElement(copy, "title").text = label
    for child in element:
        is_hidden = child.get("display") == "none" or child.get("class") == "background"
        if child.tag.removeprefix(f"{{{_SVG}}}") in _TAGS and not is_hidden:
            copy.append(_clean(child, name))
    return copy


def _convert(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "clip-path":
        return value.replace("url(#", f"url(#{name}-")
    if key in ("fill", "stroke"):
        return _ROLES.get(value.lower(), value)
    if key in ("d", "transform", "x", "y", "x1", "y1", "x2", "y2"):
        # Hundredths of a pixel cannot be seen, and take half of the space.
        return _NUMBER.sub(lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), value)
    return value
