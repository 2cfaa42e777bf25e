"""Envelopes made quickly are those that the constructor would have made."""

from dataclasses import asdict

import pytest

from esper._generated.envelope import Envelope
from esper.nissa import stamping
from esper.nissa.stamping import Stamper


@pytest.mark.parametrize("can_swap", [True, False])
def test_an_envelope_is_sound(monkeypatch, can_swap):
    monkeypatch.setattr(stamping, "CAN_SWAP", can_swap)
    stamper = Stamper(run="run", rank=1, boot="ab", first_seq=7)

    envelope = stamper.stamp(epoch=3, event="SEED_PRUNED")

    assert type(envelope) is Envelope
    assert envelope == Envelope(**asdict(envelope))
    assert (envelope.seq, envelope.rank, envelope.epoch) == (7, 1, 3)
    assert stamper.next_seq == 8
