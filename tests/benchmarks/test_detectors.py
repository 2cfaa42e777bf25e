"""The league of judges: exact, resumable, and able to tell good judges from bad ones."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

code = import_module("league.code")
damages = import_module("league.damages")
healthy = import_module("league.healthy")
judges = import_module("league.judges")
plan = import_module("league.plan")
training = import_module("league.training")
trial = import_module("league.trial")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "detectors.py"


def test_the_command_prints_counts_for_each_judge() -> None:
    """Our governor saves a wiped network and leaves harder data alone; a rule that only skips steps saves nothing."""
    options = ["--quick", "--json", "--kind", "wiped_digits", "curriculum"]
    result = subprocess.run(
        [sys.executable, SCRIPT, *options, "--judge", "ours", "olmo"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(result.stdout)
    assert found["ours"]["healthy_runs"] == 1
    assert found["ours"]["false_rollbacks"] == found["ours"]["false_stops"] == 0
    assert found["ours"]["damaged_runs"] == found["ours"]["recovered"] == 2
    assert found["olmo"]["recovered"] == 0


def test_there_are_twenty_healthy_kinds_and_twenty_cells() -> None:
    """With names of their own."""
    assert len(healthy.HEALTHY) == len(damages.CELLS) == 20
    assert len(set(plan.names())) == 40


@pytest.mark.parametrize("name", ["without_probe", "sigma", "dlib"])
def test_a_judge_that_would_do_nothing_leaves_the_run_as_it_is(name: str) -> None:
    """So the losses of the undisturbed run are enough to judge it."""
    job = trial.Job(group=trial.HEALTHY_KIND, kind="gaussian_nll", seed=1, judges=(name,))
    entry = judges.JUDGES[name]
    plain = trial._run(job, None)
    assert not judges.would_act(entry, plain)
    judged = trial._run(job, entry)
    assert judged.losses == plain.losses
    assert judged.held_out == plain.held_out


def test_a_judge_that_would_act_acts_first_where_the_recorded_run_says() -> None:
    """Up to its first action a judged run is the undisturbed one."""
    job = trial.Job(group=trial.DAMAGED, kind="wiped_digits", seed=1, judges=("frozen_rule",))
    plain = trial._run(job, None)
    assert judges.would_act(judges.JUDGES["frozen_rule"], plain)
    judged = trial._run(job, judges.JUDGES["frozen_rule"])
    first = judged.refusals[0]
    assert judged.losses[: first + 1] == plain.losses[: first + 1]


def test_results_are_used_again(tmp_path: Path) -> None:
    """A half-written row, as a killed campaign leaves it, is left out."""
    job = trial.Job(group=trial.HEALTHY_KIND, kind="bad_batches", seed=3, judges=(None, "olmo"))
    results = trial.Results(tmp_path)
    for row in trial.run_job(job):
        results.add(row)
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"group": "hea')
    again = trial.Results(tmp_path)
    assert again.missing(job) is None
    row = again.find(job.group, job.kind, job.seed, "olmo")
    assert row is not None
    assert row.skips


def test_spikes_after_convergence_are_left_alone() -> None:
    """Losses of a thousandth rise a hundredfold now and then and heal; judged by losses alone they lead to rollbacks."""
    job = trial.Job(group=trial.HEALTHY_KIND, kind="converged", seed=100, judges=("ours",))
    assert judges.would_act(judges.JUDGES["frozen_rule"], trial._run(job, None))
    assert not trial._run(job, judges.JUDGES["ours"]).refusals


def test_only_code_that_decides_changes_the_hash_of_results() -> None:
    """Rewording docstrings and comments keeps results; another number does not."""
    plain = code.dump_of('def f():\n    """Double."""\n    return 2  # twice\n')
    reworded = code.dump_of('"""A module."""\n\n\ndef f():\n    return 2\n')
    assert plain == reworded
    assert plain != code.dump_of("def f():\n    return 3\n")
    assert judges.code_of("healthy", "ours") != judges.code_of("damaged", "ours")
    assert judges.code_of("twin", None) != judges.code_of("twin", "ours")
