"""Tables of events have the contract's Arrow schema and the values of the events."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esper._generated.arrow_schemas import EVENT_SCHEMAS
from esper._generated.envelope import make_envelope
from esper._generated.fields import EVENT_FIELDS
from esper.leyline.errors import MissingExtraError
from esper.nissa import tables
from esper.nissa.tables import to_table
from tests._generated.strategies import PAYLOADS
from tests.codegen.targets.agreement import to_row

ENVELOPE = {"t_wall_ns": 1, "t_mono_ns": 2, "run": "a-run", "rank": 3, "boot": "ab", "epoch": None}


@pytest.mark.parametrize("event", EVENT_FIELDS)
@settings(max_examples=3, suppress_health_check=list(HealthCheck), database=None, deadline=None)
@given(data=st.data())
def test_a_table_has_the_values_of_its_events(event, data):
    events = [
        (make_envelope(seq=seq, event=event, **ENVELOPE), data.draw(PAYLOADS[event]))
        for seq in range(2)
    ]

    table = to_table(event, events)

    table.validate(full=True)
    assert table.schema.equals(EVENT_SCHEMAS[event], check_metadata=True)
    rows = table.to_pylist(maps_as_pydicts="strict")
    # Unlike ==, repr treats NaN as equal to NaN.
    assert repr(rows) == repr([to_row(*one) for one in events])


def test_no_events_are_an_empty_table():
    assert to_table("EPOCH_COMPLETED", []).schema == EVENT_SCHEMAS["EPOCH_COMPLETED"]


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(tables.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(MissingExtraError, match=r"pip install 'esper-grow\[export\]'"):
        to_table("EPOCH_COMPLETED", [])
