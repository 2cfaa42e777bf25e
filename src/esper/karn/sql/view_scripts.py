"""The statements that create the views: those that the contract generates, and those of `joined.sql`.

Names that begin with `_` are those of helpers, which a query does not see: lines, families of events, folders and tags.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from esper._generated import registry
from esper._generated.fields import EVENT_FIELDS

_GENERATED: Final = Path(registry.__file__).with_name("views.sql")
_JOINED: Final = Path(__file__).with_name("joined.sql")
_VIEW = re.compile(
    r'^CREATE (?:OR REPLACE )?VIEW "(?P<name>[^"]+)" AS\n(?P<query>.*?);\n',
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(
    r"^COMMENT ON (?:VIEW|COLUMN) \"(?P<view>[^\"]+)\"(?:\.\"(?P<column>[^\"]+)\")? IS '(?P<text>.*)';$",
    re.MULTILINE,
)
_SOURCE = re.compile(r'\b(?:FROM|JOIN) "(?P<name>[^"]+)"')
EVENT_VIEWS: Final = {event.lower(): event for event in EVENT_FIELDS}
"""The events by the names of their views."""
FOLDERS = "_folders"
TAGS = "_tags"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewScript:
    """A view, before it is created."""

    name: str
    query: str
    doc: str
    columns: Mapping[str, str]
    """Descriptions of columns, with their units in brackets; a view of `joined.sql` has those of its sources too."""
    sources: tuple[str, ...]
    """The views and tables that it reads."""

    @property
    def is_public(self) -> bool:
        """Whether queries may read it."""
        return not self.name.startswith("_")


@cache
def load_scripts() -> Mapping[str, ViewScript]:
    """Return all views by name: those that join events first, then those of events, then helpers."""
    generated = _parse(_GENERATED.read_text(encoding="utf-8"), {})
    joined = _parse(_JOINED.read_text(encoding="utf-8"), generated)
    events = {name: script for name, script in generated.items() if script.is_public}
    return {**joined, **events, **generated}


@cache
def public_views() -> tuple[str, ...]:
    """Return the names of the views that queries may read."""
    return tuple(name for name, script in load_scripts().items() if script.is_public)


def describe_views() -> dict[str, str]:
    """Return the descriptions of the views that queries may read, by name."""
    return {name: load_scripts()[name].doc for name in public_views()}


def _parse(text: str, known: Mapping[str, ViewScript]) -> dict[str, ViewScript]:
    """Return the views that a script creates; `known` are those whose descriptions of columns they inherit."""
    docs: dict[str, str] = {}
    columns: dict[str, dict[str, str]] = {}
    for found in _COMMENT.finditer(text):
        comment = found["text"].replace("''", "'")
        if found["column"] is None:
            docs[found["view"]] = comment
        else:
            columns.setdefault(found["view"], {})[found["column"]] = comment
    scripts = {}
    for found in _VIEW.finditer(text):
        name, query = found["name"], found["query"]
        sources = tuple(dict.fromkeys(one["name"] for one in _SOURCE.finditer(query)))
        inherited: dict[str, str] = {}
        for source in reversed(sources):
            inherited |= known[source].columns if source in known else {}
        scripts[name] = ViewScript(
            name=name,
            query=query,
            doc=docs.get(name, ""),
            columns=inherited | columns.get(name, {}),
            sources=sources,
        )
    return scripts
