"""Curves and texts come from the contract alone."""

import pytest

from esper.nissa.hub import Hub
from esper.nissa.shipping.series import find_env, find_place, find_scalars, find_texts
from esper.nissa.sinks.memory import MemorySink
from esper.testing.sample_events import make_every_event, make_series
from tests.nissa.sample_events import emit_clearing, emit_end, emit_pruning, emit_start


@pytest.fixture
def events():
    """Emit with a function of a channel and return the events."""

    def emit(function, **context):
        with Hub("run") as hub:
            memory = hub.attach(MemorySink())
            function(hub.channel(**context))
            return list(memory.events)

    return emit


def test_a_value_that_was_not_measured_is_no_point(events):
    (event,) = events(lambda channel: emit_end(channel, baseline=None), env_id=0)

    assert dict(find_scalars(event)) == {
        "run_finished/epochs_completed": 8.0,
        "run_finished/val_accuracy": 95.5,
        "run_finished/num_host_params": 1000.0,
        "run_finished/num_params": 1148.0,
        "run_finished/duration_s": 12.5,
    }


def test_values_of_a_record_are_curves(events):
    (event,) = events(emit_clearing, env_id=0)

    assert dict(find_scalars(event))["governor_cleared/evidence/present_loss"] == 2.5
    assert (find_place(event).axis, find_place(event).x) == ("step", 40)


def test_a_map_is_a_curve_for_each_name():
    (event,) = make_series(1, first_seq=7)

    assert find_scalars(event) == [("metrics_logged/metrics/loss", 0.125)]
    assert (find_place(event).axis, find_place(event).x) == ("step", 7)


def test_records_in_a_list_are_named_by_their_slot():
    event = [one for one in make_every_event() if one[0].event == "EPOCH_COMPLETED"][1]
    slot = event[1].seeds[0].slot_id

    assert f"epoch_completed/seeds/{slot}/alpha" in dict(find_scalars(event))


def test_texts_are_found_by_slot(events):
    _, event = events(emit_pruning, env_id=3)

    assert find_texts(event) == [("seed_pruned/r0c0/reason", "no gain")]
    assert find_env(event) == 3


def test_an_event_without_an_environment_or_an_epoch_has_a_place(events):
    (event,) = events(emit_start)

    assert find_env(event) is None
    assert (find_place(event).axis, find_place(event).x) == ("epoch", 0)
    assert find_scalars(event) == []
