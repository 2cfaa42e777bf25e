"""Real readers and callers of random pairs of contracts agree with compat; an inverted rule is noticed.

For a campaign: python -m benchmarks.compat_oracle --pairs 2000 --invert
"""

import pytest

from benchmarks.compat_campaign.inversion import find_witness, rules_of_pairs
from benchmarks.compat_campaign.oracle import gather, judge
from benchmarks.compat_oracle import Tally, main, run

SEED = 122


@pytest.fixture(scope="module")
def campaign():
    """Return the tally of 60 pairs, and the pairs that met each rule."""
    kept = {}
    tally = Tally(next_seed=SEED)
    for _ in run(tally, pairs=60, kept=kept):
        pass
    return tally, kept


def test_readers_and_callers_agree_with_compat(campaign):
    tally, _ = campaign
    assert tally.num_pairs == 60
    assert tally.disagreements == []


@pytest.mark.parametrize("rule", ["RANGE_LOOSENED", "OPTIONAL_ADDED", "CAPTURE_CHANGED"])
def test_an_inverted_rule_is_noticed(campaign, rule):
    _, kept = campaign
    assert find_witness(rule, kept[rule])


def test_the_inversion_ends_with_its_block(campaign):
    _, kept = campaign
    pairs = kept["RANGE_LOOSENED"]
    assert find_witness("RANGE_LOOSENED", pairs)
    assert [judge(one).disagreements for one in pairs] == [[] for _ in pairs]


def test_all_rules_about_pairs_can_be_inverted():
    names = rules_of_pairs()
    assert len(names) == len(set(names))
    assert {"FIELD_REMOVED", "EVENT_ADDED", "UPCASTER_EDITED", "MEMBER_ADDED"} <= set(names)


def test_a_pair_follows_from_its_seed():
    assert gather(SEED).old == gather(SEED).old


def test_the_campaign_goes_on_from_its_file(tmp_path, capsys):
    file = tmp_path / "tally.json"
    assert main(["--pairs", "2", "--resume", str(file)]) == 0
    assert main(["--pairs", "3", "--resume", str(file), "--json"]) == 0
    assert '"pairs": 3' in capsys.readouterr().out.splitlines()[-1]
