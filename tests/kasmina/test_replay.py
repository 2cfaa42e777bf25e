"""Slots tell of themselves exactly as recorded, and as the reference behaviour did."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kasmina.replay import read_scenarios, replay

GOLDEN = Path(__file__).parents[1] / "golden" / "lifecycle.jsonl"
SCENARIOS = list(read_scenarios(str(GOLDEN)))


def agree(got, expected) -> bool:
    """Whether `got` has all that is expected, numbers within 1e-9; a payload may have more."""
    if isinstance(expected, dict):
        return all(key in got and agree(got[key], value) for key, value in expected.items())
    if isinstance(expected, list):
        return len(got) == len(expected) and all(map(agree, got, expected))
    if isinstance(expected, float) and not isinstance(got, bool | str | None):
        return abs(got - expected) <= 1e-9
    return got == expected and isinstance(got, bool) == isinstance(expected, bool)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_a_recorded_life_is_lived_again(scenario):
    result = replay(scenario)

    assert agree(result["results"], scenario["results"])
    assert agree(result["events"], scenario["events"])
