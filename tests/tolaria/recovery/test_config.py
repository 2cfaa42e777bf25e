"""Tests that the governor refuses invalid settings."""

import re

import pytest

from esper.tolaria.recovery.config import GovernorConfig


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("optimizer_state", "keep", "optimizer_state must be 'clear' or 'restore', got 'keep'"),
        ("snapshot_interval", 0, "snapshot_interval must be at least 1, got 0"),
        ("trust_after_steps", -1, "trust_after_steps must be at least 0, got -1"),
        ("max_skips", "x", "max_skips must be a whole number, got 'x'"),
        ("random_state", 1, "random_state must be of type bool, got 1"),
        ("escalation", None, "escalation must be of type EscalationConfig, got None"),
        ("older_snapshot_ages", 3, "older_snapshot_ages must be a tuple of numbers, got 3"),
        ("older_snapshot_ages", (1.5,), "an age of older_snapshot_ages must be a whole number"),
        ("max_skips", -1, "max_skips must be at least 0, got -1"),
        *(
            (
                "older_snapshot_ages",
                ages,
                f"older_snapshot_ages must be rising positive numbers, at least one, got {ages};"
                " for example (1, 3, 8)",
            )
            for ages in [(), (0, 3), (3, 1), (1, 1, 3)]
        ),
    ],
)
def test_an_invalid_setting_is_refused(name, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        GovernorConfig(**{name: value})


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer_state": "restore", "snapshot_interval": 1},
        {"trust_after_steps": 0, "max_skips": 0, "older_snapshot_ages": (1,)},
    ],
)
def test_the_smallest_valid_settings_are_accepted(settings):
    config = GovernorConfig(**settings)

    assert {name: getattr(config, name) for name in settings} == settings
