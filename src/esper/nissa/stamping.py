"""Stamps events with their envelopes."""

import time
from typing import Any

from esper._generated.drafts import CAN_SWAP, new_draft
from esper._generated.envelope import Envelope
from esper._generated.registry import VERSION


class Stamper:
    """Makes the envelopes of one writer, numbered without gaps.

    Constructing an envelope checks each of its fields, which costs several times what writing a line does. What
    stays the same is therefore checked once, here; the rest has been checked by the channel's context or is the
    stamper's own.

    Attributes:
        next_seq: number of the next envelope.
    """

    def __init__(self, *, run: str, rank: int, boot: str, first_seq: int) -> None:
        """Prepare to stamp.

        Raises:
            ContractError: an argument breaks the contract.
        """
        self.next_seq = first_seq
        self._run = run
        self._rank = rank
        self._boot = boot
        self._construct(None, "RUN_STARTED")

    def stamp(self, *, epoch: int | None, event: str) -> Envelope:
        """Return the envelope of an event that happens now."""
        envelope = self._fill(epoch, event) if CAN_SWAP else self._construct(epoch, event)
        self.next_seq += 1
        return envelope

    def _fill(self, epoch: int | None, event: str) -> Envelope:
        draft: Any = new_draft(_EnvelopeDraft)
        draft.seq = self.next_seq
        draft.t_wall_ns = time.time_ns()
        draft.t_mono_ns = time.monotonic_ns()
        draft.run = self._run
        draft.rank = self._rank
        draft.boot = self._boot
        draft.epoch = epoch
        draft.event = event
        draft.v = VERSION
        draft.__class__ = Envelope
        envelope: Envelope = draft
        return envelope

    def _construct(self, epoch: int | None, event: str) -> Envelope:
        return Envelope(
            seq=self.next_seq,
            t_wall_ns=time.time_ns(),
            t_mono_ns=time.monotonic_ns(),
            run=self._run,
            rank=self._rank,
            boot=self._boot,
            epoch=epoch,
            event=event,
            v=VERSION,
        )


class _EnvelopeDraft:
    """An envelope while it is being filled; its slots make the two interchangeable."""

    __slots__ = tuple(Envelope.__dataclass_fields__)
