"""The first rejection of each kind is printed, with the line that emitted the event."""

import inspect

from esper._generated.lifecycle import emit_seed_germinated
from esper.nissa.hub import Hub
from esper.nissa.sinks.memory import MemorySink
from tests.nissa.sample_events import Seed


def test_a_rejected_event_is_reported_once_with_its_place(capsys):
    with Hub("run") as hub:
        hub.attach(MemorySink())
        for blueprint_id in (1, 2, ""):
            seed = Seed(blueprint_id=blueprint_id)
            emit_seed_germinated(hub.channel(), seed)
            line = inspect.currentframe().f_lineno - 1

    place = f"{__file__}:{line}"
    rest = "; the log counts later ones as TELEMETRY_REJECTED"
    assert capsys.readouterr().err.splitlines() == [
        f"telemetry: SEED_GERMINATED is rejected at {place}: blueprint_id must be a str, got 1 (int){rest}",
        f"telemetry: SEED_GERMINATED is rejected at {place}: blueprint_id must have 1 to 64 characters, got 0{rest}",
    ]


def test_the_number_of_reports_is_limited(capsys):
    with Hub("run") as hub:
        hub.attach(MemorySink())
        channel = hub.channel()
        for number in range(30):
            channel.reject(f"EVENT_{number}", ValueError("no"))

    assert len(capsys.readouterr().err.splitlines()) == 20
