"""Slots emit exactly the events of the recorded lives in `golden/lifecycle.jsonl`."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kasmina.replay import read_scenarios, replay

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "lifecycle.jsonl"
SCENARIOS = list(read_scenarios(str(GOLDEN)))


def agree(got, expected) -> bool:
    """Return whether `got` has all expected values, with numbers within 1e-9; a payload may have more fields."""
    if isinstance(expected, dict):
        return all(key in got and agree(got[key], value) for key, value in expected.items())
    if isinstance(expected, list):
        return len(got) == len(expected) and all(map(agree, got, expected))
    if isinstance(expected, float) and not isinstance(got, bool | str | None):
        return abs(got - expected) <= 1e-9
    return got == expected and isinstance(got, bool) == isinstance(expected, bool)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_a_recorded_life_is_reproduced(scenario):
    result = replay(scenario)

    assert agree(result["results"], scenario["results"])
    assert agree(result["events"], scenario["events"])


def test_the_command_replays_standard_input_compressed_or_not():
    lines = GOLDEN.read_bytes().splitlines()[:2]
    for content in (b"\n".join(lines), gzip.compress(b"\n".join(lines))):
        command = [sys.executable, "-m", "tests.kasmina.replay", "-"]
        done = subprocess.run(command, input=content, capture_output=True, check=True, cwd=ROOT)

        replayed = [json.loads(line) for line in done.stdout.splitlines()]
        assert replayed == [replay(scenario) for scenario in SCENARIOS[:2]]


def life(*ops) -> dict:
    """Return a scenario that germinates a seed and then applies `ops`."""
    slot = {"slot_id": "r0c0", "channels": 8, "permissive": True, "topology": "cnn"}
    planting = ["germinate", {"blueprint_id": "norm", "seed_id": "s", "blend_tempo_epochs": 1}]
    return {"name": "a life", "slot": slot, "ops": [planting, *ops], "note": "ignored"}


@pytest.mark.parametrize(
    "op",
    [
        ["advance_stage", {"target_stage": "EMBARGOED"}],
        ["advance_stage", {"target_stage": "SHADOWING"}],
        ["germinate", {"blueprint_id": "norm", "alpha_algorithm": "SUBTRACT"}],
        ["germinate", {}],
        ["schedule_prune", {"steps": 2, "curve": "ZIGZAG"}],
        ["gradient_health", {"grad_ratio": -1, "has_vanishing": 0, "has_exploding": 0, "epoch": 1}],
        ["record_accuracy", {"accuracy": None}],
        ["fly", {}],
    ],
    ids=json.dumps,
)
def test_an_impossible_operation_is_an_error_and_changes_nothing(op):
    result = replay(life(op))

    assert result["results"][1] == {"result": "error", "stage": "GERMINATED", "alpha": 0.0}
    assert len(result["events"]) == 1


def test_without_a_curve_the_previous_one_is_used():
    to_holding = [
        ["advance_stage", {}],
        ["record_accuracy", {"accuracy": 1}],
        ["advance_stage", {"target_stage": "BLENDING"}],
        ["step_epoch", {}],
        ["advance_stage", {"target_stage": None}],
    ]
    result = replay(
        life(
            *to_holding,
            ["set_alpha_target", {"alpha_target": 0, "steps": 1}],
            ["schedule_prune", {"steps": 5}],
            ["step_epoch", {}],
        )
    )

    *_, refused, scheduled, stepped = result["results"]
    assert (refused["result"], scheduled["result"]) == (False, True)
    assert stepped["alpha"] == pytest.approx(0.9758, abs=5e-5)
