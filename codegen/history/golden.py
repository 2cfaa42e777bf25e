"""Golden records: lines of the log that every later version must still read."""

import json
from collections.abc import Iterator

from ..contract.model import Contract
from .samples import sample_objects


def write_golden(contract: Contract) -> str:
    """Make up lines with every event, in which each field has each of its kinds of value once."""
    return "".join(f"{line}\n" for line in _lines(contract))


def events_of(golden: str) -> set[str]:
    """Return the names of the events that golden records are of."""
    return {event_of(line) for line in golden.splitlines()}


def event_of(line: str) -> str:
    """Return the name of the event that a golden record is of; empty when it is no record."""
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
            said = envelopes[number % len(envelopes)]
            said |= {"event": event.name, "v": contract.version}
            number += 1
            line = {key: said[key] for key in keys} | {"payload": payload}
            yield json.dumps(line, ensure_ascii=False, separators=(",", ":"))
