"""Commands with hostile arguments, names, settings, logs and outputs: no traceback, no control character, no hang."""

from benchmarks.fuzz_commands import alarm, fuzz, trained_run


def test_no_command_breaks():
    with alarm(), trained_run() as original:
        tally = fuzz(original, runs=120, seed=1)

    assert tally.faults == []
    assert tally.num_on_runs >= 60
    assert tally.num_damaged >= 30
