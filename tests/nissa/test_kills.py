"""Every acknowledged event is found exactly once after its writer was killed: a small kill campaign."""

from random import Random

import pytest

from benchmarks.kills import KINDS, kill_run


@pytest.mark.parametrize("kind", KINDS[1:-1], ids=lambda kind: kind.name)
def test_acknowledged_events_are_found_once(kind):
    outcome = kill_run(kind, Random(kind.name))

    assert outcome.found == outcome.acknowledged
    assert (outcome.lost, outcome.doubled, outcome.gaps, outcome.damaged) == (0, 0, 0, 0)
    assert outcome.torn <= outcome.kills
