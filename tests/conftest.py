"""What every test may rely on."""

import os
from importlib.util import find_spec

import pytest
from hypothesis import settings

from esper.nissa import monitor

# Tests run side by side, a process for each core, and what they start inherits this; threads of one test would
# only take the cores from the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes depends on the machine and on what else it does, so no test fails because of time.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

# Tests that count the lines of a log must not depend on how long a run takes.
monitor.DEFAULT_INTERVAL_S = 0.0

# Their packages are in an environment of their own: `make test-hosts`.
collect_ignore = [] if find_spec("transformers") else ["hosts"]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what a run of all tests left out."""
    reasons = {
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple)
    }
    for reason in sorted(reason for reason in reasons if "make test-sinks" in reason):
        terminalreporter.write_line(reason)
    if collect_ignore and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        terminalreporter.write_line(
            "not run: tests/hosts, which grafts networks of other packages; `make test-hosts` does"
        )
    missing = [name for name in ("polars", "pandas") if find_spec(name) is None]
    if missing and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        terminalreporter.write_line(
            f"not run: tests of data frames; to run them: pip install {' '.join(missing)}"
        )
