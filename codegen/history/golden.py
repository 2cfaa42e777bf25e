"""Golden records: lines of the log that every later version must still read."""

import json
from collections.abc import Iterator

from codegen.history.samples import sample_objects
from codegen.model import Contract


def write_golden(contract: Contract) -> str:
    """Make up lines with every event, in which each field has each of its kinds of value once."""
    return "".join(f"{line}\n" for line in _lines(contract))


def _lines(contract: Contract) -> Iterator[str]:
    envelopes = sample_objects(contract.envelope.fields)
    number = 0
    for event in contract.events:
        for payload in sample_objects(event.fields):
            envelope = envelopes[number % len(envelopes)]
            number += 1
            line = envelope | {"event": event.name, "v": contract.version, "payload": payload}
            yield json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def events_of(golden: str) -> set[str]:
    """Return the names of the events that golden records are of."""
    return {json.loads(line)["event"] for line in golden.splitlines()}
