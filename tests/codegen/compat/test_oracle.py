"""Real readers and callers of random pairs of contracts agree with compat; an inverted rule is noticed.

For a campaign: python -m benchmarks.compat_oracle --pairs 2000 --at-least 20 --archives 500 --invert
"""

from collections import Counter

import pytest

from benchmarks.compat_campaign.archives import judge_archive
from benchmarks.compat_campaign.campaign import Tally, find_witness, judge_archives, judge_pairs
from benchmarks.compat_campaign.drawing import draw
from benchmarks.compat_campaign.edits import EDITS
from benchmarks.compat_campaign.inversion import OUTSIDE, all_rules, inverted
from benchmarks.compat_oracle import main
from codegen.compat.catalogue import RULES

SEED = 122


@pytest.fixture(scope="module")
def tally():
    """Return the tally of 60 pairs and 14 archives."""
    tally = Tally(next_seed=SEED)
    for _ in judge_pairs(tally, pairs=60):
        pass
    for _ in judge_archives(tally, archives=14):
        pass
    return tally


def test_readers_and_callers_agree_with_compat(tally):
    assert (tally.num_pairs, tally.num_archives) == (60, 14)
    assert tally.disagreements == []


@pytest.mark.parametrize(
    "rule",
    ["RANGE_LOOSENED", "OPTIONAL_ADDED", "CAPTURE_CHANGED", "BASELINE_EDITED", "GOLDEN_UNREADABLE"],
)
def test_an_inverted_rule_is_noticed(tally, rule):
    assert find_witness(rule, tally)


def test_an_inverted_rule_about_members_is_noticed():
    tally = Tally(
        kept={"MEMBER_REMOVED_UNRESERVED": [(seed, "remove_member") for seed in range(4)]}
    )
    assert find_witness("MEMBER_REMOVED_UNRESERVED", tally)


def test_the_inversion_ends_with_its_block(tally):
    (seed, _), *_ = tally.kept["BASELINE_EDITED"]
    with inverted("BASELINE_EDITED"):
        assert judge_archive(seed).disagreements
    assert judge_archive(seed).disagreements == []


def test_every_rule_can_be_inverted():
    names = all_rules()
    assert len(names) == len(set(names))
    assert set(names) == {rule.name for rule in RULES} - OUTSIDE


def test_a_pair_follows_from_its_seed_and_first_edit():
    assert draw(SEED, EDITS).new == draw(SEED, EDITS).new
    assert draw(SEED, EDITS, "add_null").names[0] == "add_null"


def test_edits_that_lead_to_a_scarce_verdict_are_drawn():
    key = ("NULLABLE_ADDED", "nobody")
    tally = Tally(met=Counter({key: 1}), edits={key: ["add_null"]})
    for _ in judge_pairs(tally, pairs=0, at_least=2):
        if tally.met[key] == 2:
            break
    assert tally.met[key] == 2
    assert tally.disagreements == []


def test_the_campaign_goes_on_from_its_file(tmp_path, capsys):
    file = tmp_path / "tally.json"
    assert main(["--pairs", "2", "--resume", str(file)]) == 0
    assert main(["--pairs", "3", "--resume", str(file), "--minutes", "0", "--json"]) == 0
    assert '"pairs": 3' in capsys.readouterr().out.splitlines()[-1]
