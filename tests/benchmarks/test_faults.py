"""The fault campaign ends with its table, whatever its runs do."""

import json
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

catalogue = import_module("faults_campaign.catalogue")
guardians = import_module("faults_campaign.guardians")
loop = import_module("faults_campaign.loop")
plan = import_module("faults_campaign.plan")
report = import_module("faults_campaign.report")
schedule = import_module("faults_campaign.schedule")
trial = import_module("faults_campaign.trial")

FAULT = next(fault for fault in catalogue.FAULTS if fault.name == "nan_seed_weight")
CLEAN = trial.Outcome(
    guardian="governor",
    fault=None,
    seed=0,
    began=None,
    detected=None,
    delay=None,
    num_rollbacks=0,
    num_refused=0,
    is_complete=True,
    is_finite=True,
    accuracies=(90.0,) * 30,
    host_accuracies=(90.0,) * 30,
    accuracy=97.0,
)
DAMAGED = replace(
    CLEAN, fault=FAULT.name, began=240, detected=True, delay=1, num_rollbacks=1, accuracy=96.5
)


def campaign(*outcomes: Any) -> Any:
    """Return the report on `outcomes` of `FAULT`, one for each seed, and on their clean twins."""
    clean = [
        (plan.Job(seed=seed), replace(CLEAN, seed=seed)) for seed in range(max(1, len(outcomes)))
    ]
    damaged = [
        (plan.Job(seed=seed, fault=FAULT.name), outcome) for seed, outcome in enumerate(outcomes)
    ]
    return report.Report([FAULT], [*clean, *damaged])


def test_a_fault_that_did_not_begin_is_counted_and_not_scored() -> None:
    """Where no seed is alive for the rest of a run, there is nothing to damage."""
    idle = replace(CLEAN, fault=FAULT.name, seed=1)
    found = campaign(DAMAGED, idle)
    assert "did not begin in 1 of 2 runs" in found.to_markdown()
    scores = found.to_json()["faults"][FAULT.name]
    assert (scores["runs"], scores["not_begun"], scores["recovered"]) == (1, 1, 1)


def test_a_fault_that_never_begins_leaves_the_table_whole() -> None:
    """All other rows are there, and the JSON is valid."""
    found = campaign(replace(CLEAN, fault=FAULT.name))
    assert f"| {FAULT.text} (did not begin in 1 of 1 runs) | - |" in found.to_markdown()
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["clean"]["runs"] == 1


def test_a_run_that_raises_is_listed_below_the_tables() -> None:
    """Its error does not end the campaign."""
    found = campaign(DAMAGED, RuntimeError("no memory"))
    assert (
        "governor, nan_seed_weight, grown, seed 1: RuntimeError: no memory" in found.to_markdown()
    )
    assert found.to_json()["faults"][FAULT.name]["runs"] == 1


def test_a_campaign_without_any_result_still_has_its_tables() -> None:
    """For example if every run raised."""
    found = report.Report([FAULT], [(plan.Job(seed=0), RuntimeError("broken"))])
    assert "| what goes wrong |" in found.to_markdown()
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("ready_at", [3, 7])
def test_a_fault_waits_for_its_moment(ready_at: int) -> None:
    """It begins at the first step, from its own on, at which it can."""

    class Run:
        """Counts steps."""

        step = 0

    run = Run()
    fault = replace(FAULT, strikes=(), is_ready=lambda run: run.step >= ready_at)
    with schedule.Schedule(fault, first_step=5) as timed:
        for run.step in range(10):
            timed.advance(run)
    assert timed.began == max(5, ready_at)


def test_every_fault_that_can_start_in_a_young_run_can_be_injected() -> None:
    """Without seeds all but one can start after the first steps; each is injected and ended."""

    class EnoughError(Exception):
        """Ends the run."""

    started = set()

    def inject(run: Any) -> None:
        if run.step < 3:
            return
        for fault in catalogue.FAULTS:
            if fault.is_ready(run):
                started.add(fault.name)
                for strike in fault.strikes:
                    with strike.inject(run):
                        pass
        raise EnoughError

    guard = guardians.GUARDIANS["governor"]
    run = loop.TrainingRun(0, guard=guard, before_step=inject, grows=True)
    with pytest.raises(EnoughError):
        run.train()
    assert started == {fault.name for fault in catalogue.FAULTS} - {"nan_seed_weight"}
