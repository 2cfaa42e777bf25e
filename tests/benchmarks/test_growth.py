"""The growth campaign compares what it says it compares, resumes, and ends with its table."""

import json
import math
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from esper.kasmina.graft import find_slots
from esper.tolaria.tasks.registry import get_task
from esper.tolaria.tasks.task import load_samples

growth = import_module("growth")
arms = import_module("growth_campaign.arms")
aims = import_module("growth_campaign.aims")
networks = import_module("growth_campaign.networks")
plan = import_module("growth_campaign.plan")
plot = import_module("growth_campaign.plot")
policies = import_module("growth_campaign.policies")
report = import_module("growth_campaign.report")
store = import_module("growth_campaign.store")
trial = import_module("growth_campaign.trial")

TINY = plan.Size(task="digits", epochs=1, seeds=1, main_seeds=2)
FOSSILS = {"digits": "conv_light", "mnist1d": "conv_light", "pydoc": "mlp_small"}


def outcome(quality: float, **figures: Any) -> Any:
    """Return the outcome of a run of 1,000 parameters with the given quality."""
    usual = {
        "loss": 0.1,
        "num_params": 1000,
        "updates": 2_000_000,
        "flops": 3e9,
        "seconds": 4.0,
        "inference_flops": 5e5,
        "epochs": 60,
        "completed": True,
        "plantings": (),
        "rejuvenations": (),
    }
    return trial.Outcome(quality=quality, **{**usual, **figures})


def results(task: str, **qualities: list[float]) -> dict[Any, Any]:
    """Return the outcomes of the arms of a task, one for each of their qualities."""
    return {
        trial.Job(task=task, arm=arm, seed=seed, split="test", epochs=60): outcome(value)
        for arm, values in qualities.items()
        for seed, value in enumerate(values)
    }


@pytest.mark.parametrize("name", FOSSILS)
def test_static_networks_have_at_least_the_parameters_of_the_grown_one(name: str) -> None:
    """They are the smallest of their kind, so they have not many more, except where one layer is large."""
    task = get_task(name)
    grown = networks.with_fossils(task, [("r0c0", FOSSILS[name]), ("r0c1", FOSSILS[name])])()
    size = networks.num_params(grown)
    wider = networks.num_params(networks.wider(task, size)())
    deeper = networks.num_params(networks.deeper(task, size)())
    assert size <= wider < 1.15 * size
    assert size <= deeper < 1.5 * size


@pytest.mark.parametrize("name", FOSSILS)
def test_the_smallest_static_network_is_the_host(name: str) -> None:
    """The campaign's own hosts are those of the tasks, by their number of parameters."""
    task = get_task(name)
    size = networks.num_params(task.build_host())
    assert networks.num_params(networks.wider(task, 0)()) == size
    assert networks.num_params(networks.deeper(task, 0)()) == size


def test_a_seed_from_the_start_is_a_fossil_at_full_amplitude() -> None:
    """It has no stages before it, and no gate keeps it from training."""
    slots = find_slots(networks.with_fossils(get_task("mnist1d"), [("r0c1", "conv_light")])())
    assert [(slot.stage.name, slot.alpha) for slot in slots.values()] == [
        ("DORMANT", 0.0),
        ("FOSSILIZED", 1.0),
        ("DORMANT", 0.0),
    ]


def test_a_campaign_ends_with_its_table_and_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second campaign trains nothing and prints the same."""
    monkeypatch.setattr(growth, "FULL", (TINY,))
    page = tmp_path / "growth.md"
    page.write_text("Written by hand.\n", encoding="utf-8")
    command = [
        "growth.py",
        *("--tasks", "digits", "--arms", "host", "start", "wider", "equal_cost"),
        *("--processes", "1", "--runs", str(tmp_path / "runs"), "--write", str(page)),
    ]
    monkeypatch.setattr(sys, "argv", command)
    growth.main()
    first = capsys.readouterr().out
    figures = json.loads(first.splitlines()[-1])["digits"]
    assert list(figures) == ["grown", "host", "start", "wider", "equal_cost"]
    assert [arm["seeds"] for arm in figures.values()] == [2, 1, 2, 1, 1]
    host = figures["host"]
    task = get_task("digits")
    steps = math.ceil(len(load_samples(task)[0]) / task.batch_size)
    assert host["updates"] == steps * host["parameters"]
    assert host["flops"] > host["inference_flops"] > 1000
    # The grown network has no seeds yet, so its cost is that of its host.
    assert figures["equal_cost"] == {**host, "seconds": figures["equal_cost"]["seconds"]}
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Written by hand.\n")
    assert "### `digits`: accuracy, %, decision split" in text
    assert ElementTree.parse(tmp_path / "_static" / "growth.svg").getroot().tag.endswith("svg")

    monkeypatch.setattr(plan, "run", None)
    growth.main()
    assert capsys.readouterr().out == first


def test_a_finished_run_is_found_by_everything_that_decides_it(tmp_path: Path) -> None:
    """Another job, other code or a damaged file is not the run."""
    runs = store.Store(tmp_path)
    job = trial.Job(task="digits", arm="host", seed=3, split="test", epochs=60)
    runs.save(job, outcome(96.0))
    assert runs.load(job) == outcome(96.0)
    twin = policies.Twin(plantings=(), rejuvenations=(), num_params=1, flops=1.0, modal=())
    others = {"seed": 4, "split": "decision", "epochs": 61, "twin": twin}
    for field, value in others.items():
        assert runs.load(trial.msgspec.structs.replace(job, **{field: value})) is None
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:50])
    assert runs.load(job) is None


def test_the_network_from_the_start_is_that_of_most_grown_runs() -> None:
    """Of equally frequent ones it is the one with more seeds."""
    one, two = ("r0c0", "r0c1")

    def grown(*kept: tuple[str, ...]) -> Any:
        return {
            trial.Job(task="digits", arm="grown", seed=seed, split="test", epochs=60): outcome(
                96.0,
                plantings=tuple(
                    policies.Planting(slot_id=name, blueprint_id="norm", epoch=3) for name in names
                ),
            )
            for seed, names in enumerate(kept)
        }

    assert plan._modal(grown((), (), (one,)), "digits") == ()
    assert plan._modal(grown((), (one, two), (one,)), "digits") == ((one, "norm"), (two, "norm"))


def test_differences_are_paired_and_of_the_better_sign() -> None:
    """Fewer bits per byte are better."""
    accuracies = report.Report(results("digits", grown=[97, 95], host=[96, 94]), "test")
    assert accuracies.difference("digits", "host") == report.Estimate(mean=1.0, half_width=0.0)
    bits = report.Report(results("pydoc", grown=[3.0, 2.0], host=[3.5, 2.5]), "test")
    assert bits.difference("pydoc", "host") == report.Estimate(mean=0.5, half_width=0.0)


def test_the_table_has_a_row_for_each_arm() -> None:
    """A cell for each figure, with the interval of the mean and of the paired difference."""
    found = report.Report(results("mnist1d", grown=[94.0, 93.0], start=[93.0, 93.0]), "test")
    lines = found.to_markdown().splitlines()
    assert lines[0] == "### `mnist1d`: accuracy, %, test split"
    assert len({line.count("|") for line in lines[2:]}) == 1
    assert lines[4].startswith(
        "| **grown** | 93.50 ± 6.35 |  | 1,000 | 2.00 (1.00x) | 3 | 4.0 | 0.500 | 2 |"
    )
    assert "| +0.50 [-5.85, +6.85] |" in lines[5]


def test_a_single_seed_has_no_interval() -> None:
    """JSON has no infinity."""
    found = report.Report(results("digits", grown=[97.0], host=[96.0]), "test")
    figures = found.to_json()["digits"]["grown"]
    assert figures["half_width"] is None
    json.dumps(found.to_json(), allow_nan=False)
    assert math.isinf(found.quality("digits", "grown").half_width)
    assert plot.draw(found).count("<circle") == 2


@pytest.mark.parametrize(
    ("grown", "wider", "reached"),
    [([97.0, 97.1], [96.0, 96.1], True), ([95.0, 95.1], [96.0, 96.2], False)],
)
def test_an_aim_is_reached_or_not(grown: list[float], wider: list[float], reached: bool) -> None:
    """The page says which."""
    found = report.Report(results("digits", grown=grown, wider=wider), "test")
    assert [is_reached for _, is_reached in aims.aims(found)] == [reached]
    assert ("**not reached**" in aims.to_markdown(found)) is not reached


def test_the_front_leaves_out_what_another_beats_in_both() -> None:
    """The cheapest point is always on it."""
    cheap = plot.Point(arm="host", cost=1.0, quality=90.0, half_width=0.0)
    worse = replace(cheap, arm="dead", cost=2.0, quality=89.0)
    better = replace(cheap, arm="grown", cost=3.0, quality=95.0)
    assert plot.front([better, worse, cheap], lower_is_better=False) == [cheap, better]
    assert plot.front([better, worse, cheap], lower_is_better=True) == [cheap, worse]


def test_scripted_arms_repeat_what_the_grown_run_did() -> None:
    """Dead seeds add no parameters; rejuvenation needs no seeds; a random arm plants as many."""
    planting = policies.Planting(slot_id="r0c0", blueprint_id="conv_light", epoch=1)
    twin = policies.Twin(
        plantings=(planting,),
        rejuvenations=(1, 2),
        num_params=1096,
        flops=1e9,
        modal=(("r0c0", "conv_light"),),
    )

    def run(arm: str) -> Any:
        return trial.run(
            trial.Job(task="digits", arm=arm, seed=1, split="decision", epochs=3, twin=twin)
        )

    found = {arm: run(arm) for arm in (arms.DEAD, arms.START_REJUVENATED)}
    assert [found[arm].num_params for arm in found] == [1009, 1096]
    assert [found[arm].rejuvenations for arm in found] == [(1, 2)] * 2
    assert found[arms.START_REJUVENATED].plantings == (
        policies.Planting(slot_id="r0c0", blueprint_id="conv_light", epoch=0),
    )
    random = run(arms.RANDOM)
    assert random.completed
    assert len(random.rejuvenations) <= 2
