"""A trial keeps a rejuvenation only if it has enough samples to show that it does little harm."""

import pytest
import torch

from esper.tolaria.training.trial import compare, has_caught_up

GENERATOR_SEED = 5


@pytest.mark.parametrize(
    ("num_samples", "gain", "is_kept"),
    [
        (1000, 0.0, True),
        (1000, 1.0, True),
        (1000, -0.1, True),
        (1000, -0.3, False),
        # As good on average, but the interval is too wide to say so.
        (50, 0.0, False),
        (50, 1.0, True),
        (1, 1.0, False),
    ],
)
@pytest.mark.parametrize("unit", [1.0, 1e-3])
def test_a_rejuvenation_is_kept_if_it_is_shown_to_do_little_harm(num_samples, gain, is_kept, unit):
    """The gain is in standard deviations of the differences, whatever the loss and its unit are."""
    noise = torch.randn(num_samples, generator=torch.Generator().manual_seed(GENERATOR_SEED))
    if num_samples > 1:
        noise = (noise - noise.mean()) / noise.std()
    without = torch.full((num_samples,), 5.0)

    evidence = compare(without, without - unit * (noise + gain), num_steps=1, num_updates=1)

    assert has_caught_up(evidence) is is_kept
    assert evidence.tolerance <= 0.21 * unit


def test_losses_that_are_nan_keep_nothing():
    losses = torch.ones(1000)

    assert not has_caught_up(compare(losses, losses * torch.nan, num_steps=1, num_updates=1))
    assert not has_caught_up(compare(losses, losses, num_steps=1, num_updates=1))
