"""Makes the envelopes of the events of one process, without checking again what is the same for all of them."""

import time
from collections.abc import Callable

from esper._generated.checks import INT64_MAX
from esper._generated.drafts import draft_of
from esper._generated.envelope import Envelope, make_envelope
from esper._generated.registry import VERSION


def envelope_maker(run: str, rank: int, boot: str) -> Callable[[int, int | None, str], Envelope]:
    """Return a function that makes the envelope of an event from its number, its epoch and its name, with the time of now.

    Everything is checked when a name comes for the first time; after that, the number and the time of the system's clock. The
    epoch comes from a context, which has checked it. The function raises ContractError for what breaks the contract.
    """
    new_draft = draft_of(Envelope)
    checked: set[str] = set()

    def make(seq: int, epoch: int | None, event: str) -> Envelope:
        t_wall_ns = time.time_ns()
        if event not in checked or t_wall_ns < 0 or seq > INT64_MAX:
            return check_and_make(seq, epoch, event, t_wall_ns)
        draft = new_draft()
        draft.seq = seq
        draft.t_wall_ns = t_wall_ns
        draft.t_mono_ns = time.monotonic_ns()
        draft.run = run
        draft.rank = rank
        draft.boot = boot
        draft.epoch = epoch
        draft.event = event
        draft.v = VERSION
        draft.__class__ = Envelope
        envelope: Envelope = draft
        return envelope

    def check_and_make(seq: int, epoch: int | None, event: str, t_wall_ns: int) -> Envelope:
        envelope = make_envelope(
            seq=seq,
            t_wall_ns=t_wall_ns,
            t_mono_ns=time.monotonic_ns(),
            run=run,
            rank=rank,
            boot=boot,
            epoch=epoch,
            event=event,
        )
        checked.add(event)
        return envelope

    return make
