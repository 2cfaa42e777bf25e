"""`esper train --policy`: policies by name, from files, scripts and packages; a run's script repeats it exactly."""

import json
import re
from dataclasses import replace

import pytest
import torch

from esper._generated.run import RunStartedPayload
from esper._generated.telemetry import HubStatsPayload
from esper.cli import main
from esper.karn.decisions import read_decisions
from esper.leyline.actions import Advance, Germinate, Prune, Rejuvenate
from esper.leyline.errors import UsageError
from esper.leyline.script import Decision, to_text
from esper.loading import load
from esper.nissa.reader import read_run
from esper.nissa.runs import resolve
from esper.tamiyo.heuristic import HeuristicPolicy
from esper.tamiyo.registry import build_policy, policy_names
from esper.tamiyo.scripted import read_script
from esper.tolaria.training.run_settings import FILE_NAME, load_settings

FILE = '''
from esper import HeuristicPolicy

class Mine(HeuristicPolicy):
    """A policy of my own."""

def fails():
    return 3
'''
DECISIONS = (
    Decision(epoch=2, action=Germinate(slot_id="r0c0", blueprint_id="norm", blend_tempo_epochs=1)),
    Decision(epoch=2, action=Advance(slot_id="r0c0")),
    Decision(epoch=2, action=Advance(slot_id="r0c0", on_credit=True)),
    Decision(epoch=3, action=Germinate(slot_id="r0c1", blueprint_id="norm", blend_tempo_epochs=3)),
    Decision(epoch=3, action=Rejuvenate(shrink=1e-05, trial_share=0.3)),
    Decision(epoch=5, action=Prune(slot_id="r0c0", reason='a "quoted" \\ reason: é\n\U0001f600')),
)


def train(*arguments):
    return main(["train", "--no-baseline", *arguments])


def events(folder):
    """The events of a run without times, origin and counts of bytes, which differ from run to run."""
    shown = []
    for envelope, payload in read_run(folder):
        if isinstance(payload, RunStartedPayload):
            payload = replace(payload, provenance=None)
        if not isinstance(payload, HubStatsPayload):
            shown.append((envelope.epoch, re.sub(r"_s=[-+.e\d]+", "", repr(payload))))
    return shown


def test_the_script_of_a_run_repeats_it_exactly(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text(to_text(DECISIONS, title="a plan"), encoding="utf-8")
    assert train("--policy", "plan.yaml", "--epochs", "6") == 0
    first = resolve("latest", tmp_path / "runs")
    capsys.readouterr()

    assert main(["script", "latest"]) == 0
    (tmp_path / "grown.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert train("--policy", "grown.yaml", "--epochs", "6") == 0

    second = resolve("latest", tmp_path / "runs")
    assert first != second
    assert read_decisions(first) == DECISIONS == read_decisions(second)
    assert events(first) == events(second)
    # The files also hold how long the measurements of evidence took.
    weights = [load(folder).parameters() for folder in (first, second)]
    assert all(map(torch.equal, *weights))


def test_a_run_is_resumed_with_its_own_policy_and_older_ones_with_the_heuristic(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_policy.py").write_text(FILE, encoding="utf-8")
    assert train("--policy", "my_policy.py:Mine", "--epochs", "1") == 0
    folder = resolve("latest", tmp_path / "runs")
    assert load_settings(folder).policy == f"{tmp_path / 'my_policy.py'}:Mine"
    assert train("--resume", "latest", "--epochs", "2", "--policy", "none") == 2
    assert main(["train", "--resume", "latest", "--epochs", "2"]) == 0

    assert train("--policy", "heuristic", "--epochs", "1") == 0
    folder = resolve("latest", tmp_path / "runs")
    settings = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    assert settings.pop("policy") == "heuristic"
    (folder / FILE_NAME).write_text(json.dumps(settings), encoding="utf-8")
    assert main(["train", "--resume", folder.name, "--epochs", "2"]) == 0


@pytest.mark.parametrize("name", ["evidence", "random", "dead", "none"])
def test_every_shipped_policy_trains(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)

    assert train("--policy", name, "--epochs", "4") == 0

    decisions = read_decisions(resolve("latest", tmp_path / "runs"))
    planted = {one.action.blueprint_id for one in decisions if isinstance(one.action, Germinate)}
    assert planted <= {"evidence": {"conv_light"}, "random": {"conv_light"}, "dead": {"noop"}}.get(
        name, set()
    )


def test_a_policy_of_an_installed_package_is_listed_and_built(tmp_path, monkeypatch, capsys):
    (tmp_path / "installed_policy.py").write_text(FILE, encoding="utf-8")
    info = tmp_path / "mine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n", "utf-8")
    points = "[esper.policies]\nmine = installed_policy:Mine\nbad = installed_policy:__doc__\n"
    (info / "entry_points.txt").write_text(points, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    assert "mine" in policy_names()
    assert type(build_policy("mine")).__name__ == "Mine"
    with pytest.raises(UsageError, match=r"the entry point 'bad' .* must be a policy's class"):
        build_policy("bad")
    assert main(["policies"]) == 0
    assert "entry point installed_policy:Mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("heuristik", 'no policy "heuristik".*heuristic.*path.py:NAME, a script as path.yaml'),
        ("absent.py:Mine", "a policy's file must exist, got 'absent.py'; write path.py:NAME"),
        (
            "my_policy.py:Yours",
            "must hold the policy 'Yours', got a file with HeuristicPolicy, Mine",
        ),
        ("my_policy.py:fails", "a policy must have decide, state_dict, load_state_dict, got 3"),
        ("absent.yaml", r"a script must be a file, got 'absent.yaml' \(No such file"),
    ],
)
def test_a_name_without_a_policy_is_refused(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_policy.py").write_text(FILE, encoding="utf-8")

    with pytest.raises(UsageError, match=message):
        build_policy(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a script must be a list of decisions, got an empty file"),
        ("a: 1", ":1:1: a script must be a list of decisions, got a mapping"),
        ("- 3", ":1:3: a decision must be a mapping, got a scalar"),
        ("- {epoch: 1, action: [advance]}", ":1:22: a decision must hold plain values, got a seq"),
        ("- {epoch: 1, action: advanse, slot: a}", ":1:22: action must be one of germinate, .*adv"),
        (
            "- {epoch: 1}",
            ":1:3: action must be one of germinate, advance, prune, rejuvenate, got N",
        ),
        ("- {epoch: 1, action: advance}", ":1:3: advance must have slot, which is missing"),
        ("- {epoch: 1, action: advance, slot: 3}", ":1:37: slot must be of type str, got 3"),
        ("- {epoch: true, action: advance, slot: a}", ":1:11: epoch must be of type int, got True"),
        ("- {epoch: 0, action: advance, slot: a}", ":1:11: epoch must be at least 1, got 0"),
        (
            "- {epoch: 1, action: germinate, slot: a, blueprint: b, blend_tempo_epochs: 0}",
            ":1:76: blend_tempo_epochs must be at least 1, got 0",
        ),
        ("- {epoch: 1, epoch: 2}", ":1:14: a decision must have each key once, got 'epoch' again"),
        (
            "\n- {epoch: 1, action: advance, slot: a, reason: b}",
            ":2:48: advance must have the keys epoch, slot, on_credit, got 'reason'",
        ),
        ("- {epoch: 1, action: rejuvenate, shrink: 2.0}", r":1:3: shrink must be in \[0, 1\], got"),
        ("- {epoch: !!python/object:os.system 1}", ":1:11: a value must be plain, got could not"),
        ("- {epoch: 1", "a script must be YAML, got while parsing"),
        ("[" * 1200, "a script must be YAML, got"),
    ],
)
def test_a_wrong_script_is_refused_at_its_place(tmp_path, text, message):
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=message):
        read_script(path)


def test_a_script_for_another_network_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text("- {epoch: 1, action: advance, slot: x}", encoding="utf-8")

    assert train("--policy", "plan.yaml", "--epochs", "1") == 2

    assert (
        'a script must name slots of the network, got "x"; it has: r0c0' in capsys.readouterr().err
    )


def test_a_shipped_policy_gets_the_blueprints_of_the_task():
    policy = build_policy("heuristic", blueprint_ids=("norm",))

    assert isinstance(policy, HeuristicPolicy)
    assert policy._config.blueprint_ids == ("norm",)
