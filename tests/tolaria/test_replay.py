"""Tests that the sigma rule reproduces the recorded verdicts exactly."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kasmina.replay import read_scenarios
from tests.tolaria.replay import replay

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "governor.jsonl"
SCENARIOS = list(read_scenarios(str(GOLDEN)))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_a_recorded_curve_gets_the_recorded_verdicts(scenario):
    assert replay(scenario)["verdicts"] == scenario["verdicts"]


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_command_reads_standard_input_compressed_or_not(compress):
    lines = b"\n".join(GOLDEN.read_bytes().splitlines()[:2])
    command = [sys.executable, "-m", "tests.tolaria.replay", "-"]

    done = subprocess.run(command, input=compress(lines), capture_output=True, check=True, cwd=ROOT)

    replayed = [json.loads(line) for line in done.stdout.splitlines()]
    assert replayed == [replay(scenario) for scenario in SCENARIOS[:2]]


def test_missing_settings_have_their_defaults():
    losses = [1.0] * 10 + [2.302585, 11.0]

    verdicts = replay({"name": "defaults", "config": {}, "losses": losses})["verdicts"]

    assert [verdict["panic"] for verdict in verdicts[-2:]] == [True, False]
