"""The trainings to which damage is done; the healthy kinds vary them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam, AdamW

from league import data, networks
from league.training import Batch, Training

BATCH_SIZE = 32
STEPS = 400


def cosine(steps: int, *, warm_up: int = 0, least: float = 0.1) -> Callable[[int], float]:
    """Return a schedule that rises for `warm_up` steps and then falls to `least`."""

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        progress = (step - warm_up) / (steps - warm_up)
        return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * progress))

    return factor


def at_random(num: int, seed: int, *, steps: int = STEPS, batch_size: int = BATCH_SIZE) -> Tensor:
    """Return the numbers of the samples in each batch, of shape (steps, batch_size)."""
    return torch.randint(num, (steps, batch_size), generator=data.generator(seed, 2))


def classifier(
    samples: data.Samples, model: nn.Module, seed: int, optimizer: torch.optim.Optimizer
) -> Training:
    """Return the training of `model` to classify `samples`, in batches drawn at random."""
    picks = at_random(len(samples.x), seed)

    def batch(step: int) -> Batch:
        return samples.x[picks[step]], samples.y[picks[step]]

    def losses(batch: Batch) -> Tensor:
        return cross_entropy(model(batch[0]), batch[1], reduction="none")

    def held_out() -> float:
        return cross_entropy(model(samples.test_x), samples.test_y).item()

    return Training(model=model, optimizer=optimizer, batch=batch, losses=losses, held_out=held_out)


def digits_sgd(seed: int) -> Training:
    """Digits, a small MLP, SGD with momentum."""
    torch.manual_seed(seed)
    model = networks.mlp(64, 64, 10)
    return classifier(data.digits(seed), model, seed, SGD(model.parameters(), 0.05, momentum=0.9))


def digits_adam(seed: int) -> Training:
    """Digits, an MLP of three layers, AdamW with a cosine schedule."""
    torch.manual_seed(seed)
    model = networks.mlp(64, 48, 48, 10)
    training = classifier(data.digits(seed), model, seed, AdamW(model.parameters(), 3e-3))
    training.factor = cosine(STEPS)
    return training


def signals_adam(seed: int) -> Training:
    """MNIST-1D, a convolutional network with batch normalisation, AdamW with a cosine schedule."""
    torch.manual_seed(seed)
    model = networks.signal_cnn()
    training = classifier(data.signals(seed), model, seed, AdamW(model.parameters(), 1e-2))
    training.factor = cosine(STEPS, least=0.05)
    return training


def regression_adam(seed: int) -> Training:
    """Regression with squared errors, an MLP, Adam."""
    torch.manual_seed(seed)
    samples = data.regression(seed)
    model = networks.mlp(8, 48, 1)
    training = classifier(samples, model, seed, Adam(model.parameters(), 5e-3))
    training.losses = lambda batch: (model(batch[0]) - batch[1]).square().mean(1)
    training.held_out = lambda: mse_loss(model(samples.test_x), samples.test_y).item()
    return training


def language_model(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    seed: int,
    *,
    length: int,
    batch_size: int,
) -> Training:
    """Return the training of `model` to predict the next character of the text."""
    text = data.text()
    starts = at_random(len(text.train) - length - 1, seed, batch_size=batch_size)
    window = torch.arange(length + 1)
    test_starts = torch.randint(len(text.test) - length, (400,), generator=data.generator(seed, 13))
    test = text.test[test_starts[:, None] + window]

    def losses(batch: Batch) -> Tensor:
        tokens: Tensor = batch[0]
        logits = model(tokens[:, :-1]).transpose(1, 2)
        return cross_entropy(logits, tokens[:, 1:], reduction="none").mean(1)

    return Training(
        model=model,
        optimizer=optimizer,
        batch=lambda step: (text.train[starts[step][:, None] + window],),
        losses=losses,
        held_out=lambda: losses((test,)).mean().item(),
    )


def text_lstm(seed: int) -> Training:
    """A language model over characters, LSTM, Adam."""
    torch.manual_seed(seed)
    model = networks.RecurrentModel(data.text().vocabulary)
    optimizer = Adam(model.parameters(), 1e-2)
    training = language_model(model, optimizer, seed, length=16, batch_size=16)
    training.factor = cosine(STEPS)
    return training


def text_transformer(seed: int) -> Training:
    """A language model over characters, transformer with dropout, AdamW with warm-up and a cosine schedule."""
    torch.manual_seed(seed)
    model = networks.AttentionModel(data.text().vocabulary, length=24)
    optimizer = AdamW(model.parameters(), 5e-3)
    training = language_model(model, optimizer, seed, length=24, batch_size=8)
    training.factor = cosine(STEPS, warm_up=40)
    return training
