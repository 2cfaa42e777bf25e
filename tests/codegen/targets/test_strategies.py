"""The strategies draw values that the contract allows, edge cases included, and no others."""

import math

import pytest
from hypothesis import HealthCheck, Phase, find, settings

# The tests look for an edge case, and do not shrink it.
LOOKING = settings(
    max_examples=3000,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
LARGEST = 2**63 - 1


def test_every_event_has_a_strategy(generated):
    events = [event.name for event in generated.contract.events]
    assert list(generated.strategies.PAYLOADS) == events


def test_lines_are_of_this_version(generated):
    envelope, payload = find(generated.strategies.LINES, lambda line: True, settings=LOOKING)
    assert envelope.v == generated.contract.version
    assert envelope.event == payload.EVENT


@pytest.mark.parametrize(
    ("record", "is_found"),
    [
        ("EDGES", lambda one: len(one.name) == 2),
        ("EDGES", lambda one: len(one.name) == 8 and len(one.name.encode()) == 32),
        ("EDGES", lambda one: one.code == "x|y"),
        ("EDGES", lambda one: len(one.code) == 6),
        ("EDGES", lambda one: one.count == LARGEST),
        ("EDGES", lambda one: one.count == -LARGEST - 1),
        ("EDGES", lambda one: one.share == -1.5),
        ("EDGES", lambda one: one.share == 100.0),
        ("EDGES", lambda one: 7 in one.marks),
        ("EDGES", lambda one: len(one.marks) == 3),
        ("POINT", lambda one: one.across == 0.0),
        ("POINT", lambda one: math.isnan(one.across)),
        ("POINT", lambda one: one.across == -math.inf),
        ("POINT", lambda one: one.down is None),
        ("POINT", lambda one: one.tag not in list(type(one.tag))),
        ("PLAIN", lambda one: one.by_name == {}),
        ("PLAIN", lambda one: len(one.by_name) > 1),
    ],
)
def test_edge_cases_are_drawn(everything, record, is_found):
    assert is_found(
        find(vars(everything.strategies)[f"{record}_RECORD"], is_found, settings=LOOKING)
    )
