"""Filters, levels, samples, and the withholding of sensitive fields."""

import pytest

from esper._generated.fields import EVENT_FIELDS, RECORD_FIELDS, FieldInfo
from esper._generated.registry import EVENTS, LEVELS
from esper.leyline.errors import UsageError
from esper.nissa.shipping.config import ShipConfig, load_config, sensitive_fields
from esper.nissa.shipping.selection import Selection, find_withheld
from esper.testing.sample_events import make_every_event, make_series


def names(config, events=None):
    return {
        envelope.event for envelope, _ in Selection(config).select(events or make_every_event())
    }


def test_without_settings_every_event_is_carried():
    assert names(ShipConfig()) == set(EVENTS)


def test_patterns_choose_and_exclude_events():
    config = ShipConfig(events=("GOVERNOR_*", "RUN_STARTED"), exclude=("*_SNAPSHOT",))

    assert names(config) == {
        name for name in EVENTS if name.startswith("GOVERNOR_") and not name.endswith("_SNAPSHOT")
    } | {"RUN_STARTED"}


def test_events_below_a_level_are_left_out():
    kept = names(ShipConfig(min_level="warning"))

    assert kept == {name for name, level in LEVELS.items() if level in ("warning", "error")}
    assert "GOVERNOR_STOPPED" in kept


def test_a_sample_is_the_same_in_every_attempt_and_about_as_large_as_wanted():
    config = ShipConfig(sample={"METRICS_*": 0.25, "*": 0.0})
    events = make_series(4000)

    first, second = Selection(config).select(events), Selection(config).select(events)

    assert first == second
    assert 800 < len(first) < 1200
    assert names(config) <= {"METRICS_LOGGED"}


def test_sensitive_fields_are_withheld_unless_they_are_asked_for_by_name():
    assert {"RUN_FINISHED.error_message", "TELEMETRY_REJECTED.got"} <= set(sensitive_fields())
    revealed = "RUN_FINISHED.error_message"
    hidden = dict(Selection(ShipConfig()).select(make_every_event())[::2])
    for envelope, payload in Selection(ShipConfig(reveal=(revealed,))).select(make_every_event()):
        for one in EVENT_FIELDS[envelope.event]:
            if one.sensitive and f"{envelope.event}.{one.name}" != revealed:
                assert getattr(payload, one.name) in (None, "withheld", (), {})
    _, finished = [
        event
        for event in Selection(ShipConfig(reveal=(revealed,))).select(make_every_event())
        if event[0].event == "RUN_FINISHED"
    ][1]
    assert finished.error_message
    assert finished.error_place is None
    assert hidden


def test_sensitive_fields_of_records_in_an_event_are_withheld(monkeypatch):
    _, payload = [one for one in make_every_event() if one[0].event == "EPOCH_COMPLETED"][1]
    monkeypatch.setitem(
        RECORD_FIELDS,
        "SeedStatus",
        (FieldInfo("blueprint_id", "str", "", nullable=True, sensitive=True),),
    )
    withhold = find_withheld("EPOCH_COMPLETED", EVENT_FIELDS["EPOCH_COMPLETED"], frozenset())
    assert payload.seeds[0].blueprint_id

    assert [seed.blueprint_id for seed in withhold(payload).seeds] == [None, None]
    assert find_withheld("EPOCH_COMPLETED", EVENT_FIELDS["EPOCH_COMPLETED"], frozenset(["SeedStatus.blueprint_id"])) is None  # fmt: skip


def test_settings_come_from_the_file_and_then_from_arguments(tmp_path):
    path = tmp_path / "ship.toml"
    path.write_text(
        '[defaults]\nmin_level = "info"\nbatch_events = 5\n[sinks.csv]\nbatch_events = 7\n'
        "[sinks.csv.sample]\nMETRICS_LOGGED = 0.5\n"
    )

    assert load_config(path, "csv", {"min_level": "error"}) == ShipConfig(
        min_level="error", batch_events=7, sample={"METRICS_LOGGED": 0.5}
    )
    assert load_config(path, "tensorboard", {}).batch_events == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[defaults]\nbatch_event = 5", 'no setting "batch_event" of a sink; did you mean batch_events?'),
        ("[sink.csv]\nx = 1", '"defaults" and "sinks" only, got "sink"'),
        ("defaults = 3", r"defaults must be a table, got 3; write \[defaults\]"),
        ("[defaults", "must be a file of TOML"),
        ("[defaults]\nbatch_events = 0", "batch_events must be at least 1, got 0"),
        ("[defaults]\nhang_timeout_s = -1", "hang_timeout_s must be at least 0"),
        ('[defaults]\nmin_level = "loud"', "min_level must be one of debug, info"),
        ('[defaults]\nevents = "RUN_*"', "events must be a list of texts"),
        ('[defaults]\nevents = ["RUN_STARTD"]', 'no event "RUN_STARTD"; did you mean RUN_STARTED?'),
        ("[defaults.sample]\nRUN_STARTED = 2", r"sample.RUN_STARTED must be from 0 to 1, got 2"),
        ('[defaults]\nreveal = ["RUN_FINISHED.outcome"]', 'no sensitive field "RUN_FINISHED.outcome"'),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_refused(tmp_path, content, message):
    path = tmp_path / "ship.toml"
    path.write_text(content)

    with pytest.raises(UsageError, match=message):
        load_config(path, "csv", {})
