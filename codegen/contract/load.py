"""Reads YAML into values that know their place in the file.

PyYAML's loaders keep the last of two equal keys, and read `no` as false, `010` as 8 and `1:30` as 90. This module reads
the events of PyYAML's parser instead, and everything that is ambiguous is a finding.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import yaml

from ..diagnostics.findings import Findings, Span
from ..reading import TooLargeError, read_bounded
from .hidden import find_hidden
from .scalars import is_doubtful, read_plain

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_NODES = 500_000
MAX_KEY = 128
MAX_TEXT = 10_000

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_BREAK = re.compile(r"\r\n|\r")
_MAX_HIDDEN = 20


class Scalar(NamedTuple):
    """A single value."""

    value: str | int | float | bool | None
    span: Span
    is_doubtful: bool = False
    """Whether it is an unquoted word like no or none, which is refused unless only a name can be meant."""


class Entry(NamedTuple):
    """A key and its value."""

    key: str
    span: Span
    value: "Value"


class Mapping(NamedTuple):
    """Keys and values in the order of the file; no key occurs twice."""

    entries: tuple[Entry, ...]
    span: Span


class Sequence(NamedTuple):
    """Values in the order of the file."""

    items: tuple["Value", ...]
    span: Span


Value = Scalar | Mapping | Sequence


def load(path: Path, name: str, findings: Findings) -> Mapping | None:
    """Return the content of the YAML file at `path`; None, with findings, if it cannot be read.

    `name` is the path as findings print it.
    """
    start = Span(name, 1, 1)
    try:
        data = read_bounded(path, MAX_BYTES)
    except TooLargeError as error:
        findings.add(
            start, "YAML002", f"a contract has at most {MAX_BYTES} bytes, got {error.size}"
        )
        return None
    except OSError as error:
        findings.add(start, "YAML001", f"cannot read the contract: {error.strerror}")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        findings.add(Span(name, line, 1), "YAML003", "a contract must be UTF-8", "save it as UTF-8")
        return None
    return parse(text, name, findings)


def parse(text: str, name: str, findings: Findings) -> Mapping | None:
    """Return the content of YAML text as located values; None, with findings, if it cannot be parsed."""
    text = _BREAK.sub("\n", text)
    if _find_hidden(text, name, findings):
        return None
    reader = _Reader(name, findings, has_escapes="\\" in text)
    try:
        root = reader.read_document(yaml.parse(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        hint = 'quote a text that contains any of , : [ ] { } #, also a type like "str[]"'
        if "escape" in _explain(error):
            hint = "put a pattern, or another text with a backslash, in single quotes"
        findings.add(_locate(error, name), "YAML001", f"not YAML: {_explain(error)}", hint)
        return None
    except _RefusedError:
        return None
    if not isinstance(root, Mapping):
        span = root.span if root else Span(name, 1, 1)
        findings.add(
            span, "YAML004", "a contract must be a mapping of sections, starting with version"
        )
        return None
    return root


def _find_hidden(text: str, where: str | Span, findings: Findings) -> bool:
    """Add a finding for each hidden character in `text`; return whether there were any.

    `where` is the name of the file, if `text` is all of it, or the place of the value.
    """
    indices = list(islice(find_hidden(text), _MAX_HIDDEN))
    for index in indices:
        if text[index] == "\t":
            message, hint = "tabs are refused", "use spaces"
        else:
            character = f"U+{ord(text[index]):04X}"
            message, hint = f"the hidden character {character} is refused", "remove it"
        findings.add(_place_of(index, text, where), "YAML013", message, hint)
    return bool(indices)


def _place_of(index: int, text: str, where: str | Span) -> Span:
    if isinstance(where, Span):
        return where
    line_start = text.rfind("\n", 0, index) + 1
    return Span(where, text.count("\n", 0, line_start) + 1, index - line_start + 1)


def _locate(error: yaml.YAMLError, name: str) -> Span:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    return Span(name, mark.line + 1, mark.column + 1) if mark else Span(name, 1, 1)


def _explain(error: yaml.YAMLError) -> str:
    problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else None
    return problem or "it cannot be parsed"


class _RefusedError(Exception):
    """Stops the reader after a finding that makes the rest of the file unreadable."""


class _Reader:
    """Turns the parser's events into values; limits on depth and number protect it from hostile input."""

    def __init__(self, name: str, findings: Findings, has_escapes: bool) -> None:
        self._name = name
        self._has_escapes = has_escapes
        self._findings = findings
        self._num_nodes = 0

    def read_document(self, events: Iterator[yaml.Event]) -> Value | None:
        root: Value | None = None
        num_documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                num_documents += 1
                self._check_document(event, num_documents)
            elif isinstance(event, yaml.NodeEvent):
                root = self._read_value(event, events, 1)
        return root

    def _check_document(self, event: yaml.DocumentStartEvent, number: int) -> None:
        if event.version or event.tags:
            self._refuse(event, "YAML005", "directives (%) are not part of a contract")
        if number > 1:
            self._refuse(event, "YAML006", "a contract must be one document", "remove this ---")

    def _read_value(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Value:
        self._num_nodes += 1
        if self._num_nodes > MAX_NODES:
            self._refuse(event, "YAML002", f"a contract has at most {MAX_NODES} values")
        if depth > MAX_DEPTH:
            self._refuse(event, "YAML002", f"a contract is nested at most {MAX_DEPTH} levels deep")
        self._refuse_unsupported(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._read_mapping(event, events, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._read_sequence(event, events, depth)
        assert isinstance(event, yaml.ScalarEvent)
        return self._read_scalar(event)

    def _refuse_unsupported(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(
                event, "YAML007", "aliases (*) are refused", "write the value out, or use a group"
            )
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._add(
                event, "YAML007", "anchors (&) are refused", "write the value where it is used"
            )
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            self._add(event, "YAML008", "tags (!) are refused", "remove it")

    def _read_mapping(self, start: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._read_key(event, events, depth)
            value = self._read_value(next(events), events, depth + 1)
            if key is None:
                continue
            name, span = key
            if name in entries:
                first = entries[name].span.line
                self._findings.add(
                    span, "YAML009", f'key "{name}" occurs twice, first on line {first}', "keep one"
                )
            else:
                entries[name] = Entry(name, span, value)
        return Mapping(tuple(entries.values()), self._span(start))

    def _read_key(
        self, event: yaml.Event, events: Iterator[yaml.Event], depth: int
    ) -> tuple[str, Span] | None:
        span = self._span(event)
        if not isinstance(event, yaml.ScalarEvent):
            self._read_value(event, events, depth + 1)
            self._findings.add(span, "YAML010", "a key must be a name")
            return None
        self._refuse_unsupported(event)
        if event.value == "<<":
            self._findings.add(span, "YAML007", "merge keys (<<) are refused", "use a group")
            return None
        # Every key is a name, so that n, y, no, off and none are not ambiguous here.
        key = self._read_scalar(event).value
        if not isinstance(key, str):
            self._findings.add(
                span, "YAML010", f"a key must be a name, got {event.value[:40]}", "quote it"
            )
            return None
        if len(key) > MAX_KEY:
            self._findings.add(
                span, "YAML002", f"a key has at most {MAX_KEY} characters, got {len(key)}"
            )
            return None
        return key, span

    def _read_sequence(
        self, start: yaml.Event, events: Iterator[yaml.Event], depth: int
    ) -> Sequence:
        items: list[Value] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._read_value(event, events, depth + 1))
        return Sequence(tuple(items), self._span(start))

    def _read_scalar(self, event: yaml.ScalarEvent) -> Scalar:
        span = self._span(event)
        text = event.value
        if len(text) > MAX_TEXT:
            self._findings.add(
                span, "YAML002", f"a text has at most {MAX_TEXT} characters, got {len(text)}"
            )
            return Scalar("", span)
        # The C parser says "" for the plain style, the Python parser None.
        if not event.style and is_doubtful(text):
            return Scalar(text, span, is_doubtful=True)
        if not event.style:
            return Scalar(read_plain(text, span, self._findings), span)
        # The line end after a block scalar is not part of the text.
        text = text.removesuffix("\n")
        if self._has_escapes:
            # The text of the file has been searched; only an escape can add another hidden character.
            _find_hidden(text, span, self._findings)
        return Scalar(text, span)

    def _span(self, event: yaml.Event) -> Span:
        mark = event.start_mark
        assert mark, "the parser marks every event"
        return Span(self._name, mark.line + 1, mark.column + 1)

    def _add(self, event: yaml.Event, rule: str, message: str, hint: str = "") -> None:
        self._findings.add(self._span(event), rule, message, hint)

    def _refuse(self, event: yaml.Event, rule: str, message: str, hint: str = "") -> None:
        self._add(event, rule, message, hint)
        raise _RefusedError
