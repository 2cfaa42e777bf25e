"""Logs that lack a field, as a program writes them whose contract does not have it.

    @pytest.mark.parametrize("field", SOME_FIELDS)
    def test_the_view_stands_without_a_field(field, tmp_path):
        story = read_story(write_without(tmp_path / "run", field))

Each is the example run without one field of an event, `EVENT.field`, or of a record wherever it occurs, `Record.field`.
"""

import json
from functools import cache
from pathlib import Path

from esper._generated.fields import EVENT_FIELDS, RECORD_FIELDS
from tests.karn.example_run import example_lines

ALL_FIELDS = tuple(
    f"{owner}.{field.name}"
    for fields in (EVENT_FIELDS, RECORD_FIELDS)
    for owner, declared in fields.items()
    for field in declared
    # Written into no line of the example, or nowhere: the payload of GOVERNOR_SNAPSHOT and others carry these records.
    if owner not in ("SnapshotInfo", "GovernorReport", "StopReport")
)
"""Every field of every event and record."""

SOME_FIELDS = ALL_FIELDS[::9]
"""A sample of them, for tests that must be fast."""


def write_without(folder, field):
    """Write the example run without `field` to `folder`, and return it."""
    log = Path(folder) / "log"
    log.mkdir(parents=True)
    owner, name = field.split(".")
    for file, lines in _parsed().items():
        texts = [_without(line, owner, name) for line in lines]
        (log / file).write_text("".join(f"{text}\n" for text in texts))
    return Path(folder)


def _without(line, owner, name):
    """Return a line as JSON without a field."""
    payload = line["payload"]
    if line["event"] == owner:
        payload = {key: value for key, value in payload.items() if key != name}
    elif owner in RECORD_FIELDS:
        payload = _drop(payload, EVENT_FIELDS[line["event"]], owner, name)
    return json.dumps({**line, "payload": payload}, separators=(",", ":"))


def _drop(plain, declared, record, name):
    """Return an object without a field of its records."""
    copy = dict(plain)
    for field in declared:
        inner = field.type.rstrip("[]{}")
        value = copy.get(field.name)
        if inner not in RECORD_FIELDS or value is None:
            continue
        items = value if isinstance(value, list) else [value]
        items = [_drop(item, RECORD_FIELDS[inner], record, name) for item in items]
        if inner == record:
            items = [{key: item[key] for key in item if key != name} for item in items]
        copy[field.name] = items if isinstance(value, list) else items[0]
    return copy


@cache
def _parsed():
    """Return the lines of the example run as JSON objects."""
    return {file: [json.loads(line) for line in lines] for file, lines in example_lines().items()}
