"""Golden records: log lines of a released version that every later version must be able to read."""

import json
from collections.abc import Iterator

from ..contract.model import Contract
from .samples import sample_objects


def write_golden(contract: Contract) -> str:
    """Return log lines of every event, in which each field has each kind of value that it allows at least once.

    Raises:
        SampleError: a field has no sample.
    """
    return "".join(f"{line}\n" for line in _lines(contract))


def events_of(golden: str) -> set[str]:
    """Return the names of all events in golden records."""
    return {event_of(line) for line in golden.splitlines()}


def event_of(line: str) -> str:
    """Return the name of the event of a golden record; empty when the line is not a valid record."""
    try:
        return str(json.loads(line)["event"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return ""


def _lines(contract: Contract) -> Iterator[str]:
    own = [value for value in contract.envelope.fields if value.name not in ("event", "v")]
    keys = [value.wire for value in contract.envelope.fields]
    envelopes = sample_objects(own)
    number = 0
    for event in contract.events:
        for payload in sample_objects(event.fields):
            envelope = envelopes[number % len(envelopes)]
            envelope |= {"event": event.name, "v": contract.version}
            number += 1
            line = {key: envelope[key] for key in keys} | {"payload": payload}
            yield json.dumps(line, ensure_ascii=False, separators=(",", ":"))
