"""The cells of damage: one kind of damage, at a size and a moment, done to one training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from league import data, trainings
from league.training import Damage, Training

EARLY, MIDDLE, LATE = 80, 200, 330
"""Steps at which damage starts; a run has 400."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of damage to one training."""

    name: str
    text: str
    """Short description for the table."""
    training: Callable[[int], Training]
    damage: Damage


def _wipe(training: Training, step: int) -> None:
    """Draw all weights again, as a new network has them."""
    torch.manual_seed(step)
    for module in training.model.modules():
        if isinstance(module, nn.Linear | nn.Embedding | nn.Conv1d | nn.LSTM | nn.LayerNorm):
            module.reset_parameters()


def _wipe_layer(training: Training, step: int) -> None:
    """Set the weights of the layer before the last to 0."""
    with torch.no_grad():
        _layers(training)[-2].weight.zero_()


def _wipe_recurrence(training: Training, step: int) -> None:
    """Set the recurrent weights of an LSTM to 0."""
    lstm = next(module for module in training.model.modules() if isinstance(module, nn.LSTM))
    with torch.no_grad():
        lstm.weight_hh_l0.zero_()


def _flip_sign(training: Training, step: int) -> None:
    """Turn the signs of the weights of the last layer."""
    with torch.no_grad():
        _layers(training)[-1].weight.neg_()


def _shift_bias(training: Training, step: int) -> None:
    """Make the last layer always answer one class."""
    bias = _layers(training)[-1].bias
    with torch.no_grad():
        bias[0] += 20.0


def _scale(factor: float) -> Callable[[Training, int], None]:
    """Return a damage that multiplies all weights."""

    def scale(training: Training, step: int) -> None:
        with torch.no_grad():
            for parameter in training.model.parameters():
                parameter.mul_(factor)

    return scale


def _noise(share: float) -> Callable[[Training, int], None]:
    """Return a damage that adds noise to all weights, of `share` of their root mean square."""

    def add(training: Training, step: int) -> None:
        random = data.generator(step, 12)
        with torch.no_grad():
            for parameter in training.model.parameters():
                size = share * parameter.square().mean().sqrt()
                parameter.add_(size * torch.randn(parameter.shape, generator=random))

    return add


def _flip_exponent(training: Training, step: int) -> None:
    """Flip the highest bit of the exponent of one weight of the first layer, which becomes huge."""
    weight = _layers(training)[0].weight
    bits = weight.detach().view(-1).view(torch.int32)
    bits[:1] ^= 1 << 30


def _nan_in_statistics(training: Training, step: int) -> None:
    """Set the running mean of a batch normalisation to NaN; training losses do not show it."""
    norm = next(m for m in training.model.modules() if isinstance(m, nn.BatchNorm1d))
    assert norm.running_mean is not None
    norm.running_mean[0] = math.nan


def _set_moment(value: float) -> Callable[[Training, int], None]:
    """Return a damage that sets one value of a first moment."""

    def fill(training: Training, step: int) -> None:
        _moments(training, "exp_avg")[0].view(-1)[0] = value

    return fill


def _forget_second_moments(training: Training, step: int) -> None:
    """Set the second moments of Adam to 0, so that the next steps are huge."""
    for moment in _moments(training, "exp_avg_sq"):
        moment.zero_()


def _nan_loss(training: Training, loss: Tensor) -> Tensor:
    """Make the loss and all gradients NaN."""
    for parameter in training.model.parameters():
        assert parameter.grad is not None
        parameter.grad.fill_(math.nan)
    return loss * math.nan


def _inf_gradient(training: Training, loss: Tensor) -> Tensor:
    """Make one value of a gradient infinite."""
    gradient = next(training.model.parameters()).grad
    assert gradient is not None
    gradient.view(-1)[0] = math.inf
    return loss


def _layers(training: Training) -> list[nn.Linear]:
    return [module for module in training.model.modules() if isinstance(module, nn.Linear)]


def _moments(training: Training, name: str) -> list[Tensor]:
    return [entry[name] for entry in training.optimizer.state.values()]


CELLS = (
    Cell(
        "rate_x100_digits",
        "learning rate x100 for 5 steps, middle, digits",
        trainings.digits_sgd,
        Damage(start=MIDDLE, steps=5, rate=100.0),
    ),
    Cell(
        "rate_x100_transformer",
        "learning rate x100 for 5 steps, late, transformer",
        trainings.text_transformer,
        Damage(start=LATE, steps=5, rate=100.0),
    ),
    Cell(
        "rate_x20_signals",
        "learning rate x20 for 12 steps, middle, MNIST-1D",
        trainings.signals_adam,
        Damage(start=MIDDLE, steps=12, rate=20.0),
    ),
    Cell(
        "rate_x20_for_good",
        "learning rate x20 for good, late, digits",
        trainings.digits_sgd,
        Damage(start=LATE, steps=10**9, rate=20.0),
    ),
    Cell(
        "wiped_digits",
        "all weights drawn again, late, digits",
        trainings.digits_sgd,
        Damage(start=LATE + 20, weights=_wipe),
    ),
    Cell(
        "wiped_lstm",
        "all weights drawn again, late, LSTM",
        trainings.text_lstm,
        Damage(start=LATE, weights=_wipe),
    ),
    Cell(
        "layer_wiped",
        "a layer set to 0, early, digits",
        trainings.digits_adam,
        Damage(start=EARLY, steps=3, weights=_wipe_layer),
    ),
    Cell(
        "recurrence_wiped",
        "recurrent weights set to 0, late, LSTM",
        trainings.text_lstm,
        Damage(start=LATE + 30, weights=_wipe_recurrence),
    ),
    Cell(
        "sign_flipped",
        "signs of the last layer turned, late, transformer",
        trainings.text_transformer,
        Damage(start=LATE, weights=_flip_sign),
    ),
    Cell(
        "bias_shifted",
        "the network answers one class only, late, MNIST-1D",
        trainings.signals_adam,
        Damage(start=LATE, weights=_shift_bias),
    ),
    Cell(
        "scaled_regression",
        "all weights x3, late, regression",
        trainings.regression_adam,
        Damage(start=LATE, weights=_scale(3.0)),
    ),
    Cell(
        "noise_signals",
        "noise as large as the weights, late, MNIST-1D",
        trainings.signals_adam,
        Damage(start=LATE, weights=_noise(1.0)),
    ),
    Cell(
        "noise_transformer",
        "noise of half the weights (loss +50 %), late, transformer",
        trainings.text_transformer,
        Damage(start=LATE + 20, weights=_noise(0.5)),
    ),
    Cell(
        "slow_noise",
        "a little noise in every step for 60 steps, late, digits",
        trainings.digits_adam,
        Damage(start=LATE - 40, steps=60, weights=_noise(0.15)),
    ),
    Cell(
        "bit_flipped",
        "the highest bit of an exponent, middle, regression",
        trainings.regression_adam,
        Damage(start=MIDDLE, weights=_flip_exponent),
    ),
    Cell(
        "nan_statistics",
        "NaN in a running mean, early, MNIST-1D",
        trainings.signals_adam,
        Damage(start=EARLY, weights=_nan_in_statistics),
    ),
    Cell(
        "nan_moment",
        "NaN in a moment of Adam, early, regression",
        trainings.regression_adam,
        Damage(start=EARLY, weights=_set_moment(math.nan)),
    ),
    Cell(
        "moments_forgotten",
        "second moments of Adam set to 0, late, transformer",
        trainings.text_transformer,
        Damage(start=LATE, steps=3, weights=_forget_second_moments),
    ),
    Cell(
        "nan_loss",
        "NaN in loss and gradients, middle, LSTM",
        trainings.text_lstm,
        Damage(start=MIDDLE, backward=_nan_loss),
    ),
    Cell(
        "inf_gradient",
        "an infinite gradient, late, MNIST-1D",
        trainings.signals_adam,
        Damage(start=LATE, backward=_inf_gradient),
    ),
)
