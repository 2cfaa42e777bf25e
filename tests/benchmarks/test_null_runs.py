"""Null runs: no seed of noise is kept in a few of them, and one that helps is."""

import json
from importlib import import_module

import pytest
import torch

null_runs = import_module("null_runs")


@pytest.mark.parametrize("kind", list(null_runs.KINDS))
def test_seeds_without_effect_are_not_kept(kind):
    # One in a hundred runs of these kinds keeps a seed, so that three of five are as good as impossible.
    assert sum(null_runs.run_keeps_one(kind, seed) for seed in range(5)) < 3


@pytest.mark.parametrize("kind", list(null_runs.KINDS))
def test_differences_without_effect_have_a_mean_of_zero(kind):
    looks = null_runs.KINDS[kind](torch.Generator().manual_seed(0), 50_000)()

    losses_with, losses_without = next(looks)

    differences = (losses_without - losses_with).double()
    standard_error = float(differences.std()) / len(differences) ** 0.5
    assert abs(float(differences.mean())) < 4 * standard_error


def test_a_seed_that_helps_is_kept():
    looks = null_runs.cross_entropies(torch.Generator().manual_seed(0), 1000)

    assert null_runs.seed_is_kept(looks(), 1, effect=0.2)


@pytest.mark.parametrize("policy", list(null_runs.POLICIES))
def test_a_real_training_keeps_no_noise(policy):
    assert not null_runs.training_keeps_one(0, null_runs.POLICIES[policy], epochs=12)


def test_the_table_has_exact_intervals():
    count = null_runs.Count(name="all", kept=10, of=1000)

    assert count.row() == "| all | 10 of 1,000 | 1.0 % | 0.5 to 1.8 % |"
    assert json.loads(json.dumps(count.as_dict()))["kept"] == 10
