"""The governor refuses numbers that cannot work."""

import re

import pytest

from esper.tolaria.recovery.config import GovernorConfig


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("optimizer_state", "keep", "optimizer_state must be 'clear' or 'restore', got 'keep'"),
        ("snapshot_interval", 0, "snapshot_interval must be at least 1, got 0"),
        ("probation_steps", -1, "probation_steps must be at least 0, got -1"),
        ("max_skips", -1, "max_skips must be at least 0, got -1"),
        *(
            (
                "ring_ages",
                ages,
                f"ring_ages must be rising positive numbers, at least one, got {ages};"
                " take for example (1, 3, 8)",
            )
            for ages in [(), (0, 3), (3, 1), (1, 1, 3)]
        ),
    ],
)
def test_what_cannot_work_is_refused(name, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        GovernorConfig(**{name: value})


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer_state": "restore", "snapshot_interval": 1},
        {"probation_steps": 0, "max_skips": 0, "ring_ages": (1,)},
    ],
)
def test_the_extremes_that_work_are_taken(settings):
    config = GovernorConfig(**settings)

    assert {name: getattr(config, name) for name in settings} == settings
