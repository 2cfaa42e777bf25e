"""A channel stamps its context on events, and rejects invalid ones without raising."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import esper
from esper._generated.channel import Channel, Context
from esper._generated.checks import ContractError
from esper._generated.fields import EVENT_FIELDS
from esper._generated.lifecycle import SeedGerminatedPayload, emit_seed_germinated
from esper._generated.telemetry import TelemetryRejectedPayload
from esper.leyline import channel as channel_module
from esper.leyline.channel import SILENT, TelemetryChannel
from tests.nissa.sample_events import Seed


class Listener:
    """A transport that keeps contexts and payloads."""

    def __init__(self):
        self.delivered = []

    def connect(self, channel):
        channel.listening = True

    def deliver(self, context, payload):
        self.delivered.append((context, payload))

    def rejected(self):
        return [p for _, p in self.delivered if isinstance(p, TelemetryRejectedPayload)]


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def channel(listener):
    return TelemetryChannel(listener, Context(env_id=0))


def test_it_satisfies_the_protocol_of_the_generated_helpers(channel):
    typed: Channel = channel

    assert typed.listening


def test_an_event_carries_the_bound_context(listener, channel):
    channel.advance(epoch=3)

    emit_seed_germinated(channel.bind(env_id=7), Seed())

    ((context, payload),) = listener.delivered
    assert context == Context(env_id=7, epoch=3)
    assert payload.env_id == 7


def test_advance_affects_every_holder_but_not_channels_bound_earlier(channel):
    holder, bound = channel, channel.bind(env_id=1)

    channel.advance(epoch=5)

    assert holder.context.epoch == 5
    assert bound.context == Context(env_id=1)


def test_a_context_that_breaks_the_contract_is_refused(channel):
    with pytest.raises(ContractError, match=r"epoch must be in \[0, 2147483647\], got -1"):
        channel.advance(epoch=-1)

    assert channel.context.epoch is None


def test_an_invalid_event_is_counted_and_reported(listener, channel):
    emit_seed_germinated(channel, Seed(alpha=1.5))

    assert channel.num_rejected == 1
    (rejected,) = listener.rejected()
    assert rejected.event == "SEED_GERMINATED"
    assert rejected.field == "alpha"
    assert rejected.rule == "must be in [0.0, 1.0]"
    assert rejected.got == "1.5"


def test_an_error_of_the_source_is_reported_without_a_field(listener, channel):
    emit_seed_germinated(channel, object())

    (rejected,) = listener.rejected()
    assert rejected.field is None
    assert rejected.rule == "must be readable from its source"
    assert rejected.got == "AttributeError: 'object' object has no attribute 'slot_id'"


def test_a_strict_channel_raises(listener):
    channel = TelemetryChannel(listener, Context(), strict=True)

    with pytest.raises(ContractError, match=r"alpha must be in \[0.0, 1.0\], got 1.5"):
        emit_seed_germinated(channel.bind(env_id=0), Seed(alpha=1.5))

    assert listener.delivered == []


def test_a_rejected_rejection_is_only_counted(listener, channel):
    channel.reject("TELEMETRY_REJECTED", ContractError("rule", "must be short", "long"))

    assert channel.num_rejected == 1
    assert listener.delivered == []


@given(event=st.text(min_size=1), field=st.text(), rule=st.text(min_size=1), got=st.text())
def test_any_rejection_can_be_reported(event, field, rule, got):
    listener = Listener()
    channel = TelemetryChannel(listener, Context())

    channel.reject(event, ContractError(field * 100, rule * 600, got * 600))

    assert channel.num_rejected == 1
    assert len(listener.rejected()) == 1


def test_texts_are_cut_to_the_lengths_of_the_contract():
    lengths = {field.name: field.max_length for field in EVENT_FIELDS["TELEMETRY_REJECTED"]}

    assert lengths["event"] == channel_module._MAX_EVENT
    assert lengths["field"] == channel_module._MAX_FIELD
    assert lengths["rule"] == lengths["got"] == channel_module._MAX_TEXT


def test_an_error_that_cannot_be_printed_is_reported_too(listener, channel):
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    channel.reject("SEED_PRUNED", MuteError())

    assert listener.rejected()[0].got.endswith("MuteError: <exception str() failed>")


def test_the_silent_channel_discards_events():
    emit_seed_germinated(SILENT, object())
    SILENT.send(replace(_payload(), env_id=3))

    assert not SILENT.listening
    assert not SILENT.bind(env_id=3).listening
    assert SILENT.num_rejected == 0


def _payload():
    listener = Listener()
    emit_seed_germinated(TelemetryChannel(listener, Context(), strict=True), Seed())
    payload = listener.delivered[0][1]
    assert isinstance(payload, SeedGerminatedPayload)
    return payload


@pytest.mark.parametrize("kind", ["hub", "run", "class", "none"])
def test_what_is_not_a_channel_is_refused_before_the_first_event(tmp_path, kind):
    with esper.start_run(tmp_path) as run, esper.Hub("run") as hub:
        given = {"hub": hub, "run": run, "class": TelemetryChannel, "none": None}[kind]
        slot = esper.SeedSlot("middle", channels=4, channel=run.channel)
        model = nn.Linear(2, 2)
        governor = esper.TolariaGovernor(model, channel=run.channel)

        for set_channel in (
            lambda: esper.SeedSlot("middle", channels=4, channel=given),
            lambda: esper.TolariaGovernor(model, channel=given),
            lambda: setattr(slot, "channel", given),
            lambda: setattr(governor, "channel", given),
        ):
            with pytest.raises(ValueError, match="a channel must ") as caught:
                set_channel()
        assert kind in (
            "class",
            "none",
        ) or "pass hub.channel(env_id=0), or the `channel` of a run" in str(caught.value)
        assert (slot.channel, governor.channel) == (run.channel, run.channel)
