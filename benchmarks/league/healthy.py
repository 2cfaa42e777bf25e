"""The healthy kinds: trainings that a judge must leave alone, however much their losses change. Nothing is announced."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    gaussian_nll_loss,
    triplet_margin_loss,
)
from torch.optim import SGD, Adam, AdamW

from league import data, networks
from league.games import gan, wgan
from league.training import Batch, Training
from league.trainings import (
    BATCH_SIZE,
    STEPS,
    at_random,
    classifier,
    cosine,
    digits_sgd,
    regression_adam,
    signals_adam,
    text_lstm,
    text_transformer,
)

CHANGE = STEPS // 2
"""Step at which data change, where they change once."""


def converged(seed: int) -> Training:
    """Digits at a constant rate long after they are known by heart: losses of a thousandth, with spikes that heal."""
    torch.manual_seed(seed)
    samples = data.digits(seed)
    model = networks.mlp(64, 32, 10)
    training = classifier(samples, model, seed, AdamW(model.parameters(), 0.02))
    per_epoch = len(samples.x) // BATCH_SIZE
    epochs = [
        torch.randperm(len(samples.x), generator=data.generator(seed, 14, epoch))
        for epoch in range(5 * STEPS // per_epoch + 1)
    ]

    def batch(step: int) -> Batch:
        start = step % per_epoch * BATCH_SIZE
        picks = epochs[step // per_epoch][start : start + BATCH_SIZE]
        return samples.x[picks], samples.y[picks]

    training.batch = batch
    training.steps = 5 * STEPS
    return training


def one_cycle(seed: int) -> Training:
    """MNIST-1D under a one-cycle schedule of sane height."""
    training = signals_adam(seed)
    rise = int(0.3 * STEPS)
    training.factor = cosine(STEPS, warm_up=rise, least=0.01)
    return training


def warm_restarts(seed: int) -> Training:
    """MNIST-1D under a cosine schedule that starts again every hundred steps."""
    training = signals_adam(seed)
    training.factor = lambda step: 0.5 * (1 + math.cos(math.pi * (step % 100) / 100)) + 0.01
    return training


def _from_pools(seed: int, pool: Callable[[int, Tensor], Tensor]) -> Training:
    """Return a training on digits whose batches are drawn from `pool(step, classes)`, a mask over the samples."""
    training = digits_sgd(seed)
    samples = data.digits(seed)
    random = data.generator(seed, 3)
    picks = []
    for step in range(STEPS):
        allowed = pool(step, samples.y).nonzero()[:, 0]
        picks.append(allowed[torch.randint(len(allowed), (BATCH_SIZE,), generator=random)])
    training.batch = lambda step: (samples.x[picks[step]], samples.y[picks[step]])
    return training


def curriculum(seed: int) -> Training:
    """Three classes of digits at first, later all ten."""
    return _from_pools(seed, lambda step, y: y < (3 if step < CHANGE else 10))


def class_incremental(seed: int) -> Training:
    """Two more classes of digits every eighty steps."""
    return _from_pools(seed, lambda step, y: y < 2 + 2 * (step // 80))


def sorted_classes(seed: int) -> Training:
    """Data that are not shuffled: five steps of one class, then five of the next, at a low learning rate."""
    training = _from_pools(seed, lambda step, y: y == step // 5 % 10)
    training.factor = lambda step: 0.1
    return training


def new_labels(seed: int) -> Training:
    """Half-way the classes get other numbers."""
    training = digits_sgd(seed)
    plain = training.batch
    renamed = torch.randperm(10, generator=data.generator(seed, 4))

    def batch(step: int) -> Batch:
        x, y = plain(step)
        return x, y if step < CHANGE else renamed[y]

    training.batch = batch
    return training


def augmentation(seed: int) -> Training:
    """Half-way noise is added to the images."""
    training = digits_sgd(seed)
    plain = training.batch

    def batch(step: int) -> Batch:
        x, y = plain(step)
        noise = torch.randn(x.shape, generator=data.generator(seed, 5, step))
        return (x if step < CHANGE else x + 0.5 * noise), y

    training.batch = batch
    return training


def _two_tasks(seed: int, is_second: Callable[[int], bool]) -> Training:
    """Return a training on digits and on a harder task: mirrored images with two in ten labels at random."""
    training = digits_sgd(seed)
    plain = training.batch

    def batch(step: int) -> Batch:
        x, y = plain(step)
        if not is_second(step):
            return x, y
        random = data.generator(seed, 6, step)
        is_noisy = torch.rand(len(y), generator=random) < 0.2
        noise = torch.randint(10, (len(y),), generator=random)
        return x.view(-1, 8, 8).flip(2).flatten(1), torch.where(is_noisy, noise, (y + 5) % 10)

    training.batch = batch
    return training


def mixed_tasks(seed: int) -> Training:
    """Four batches in five are of one task, the others of a harder one, at random."""
    draws = torch.rand(STEPS, generator=data.generator(seed, 7)) < 0.2
    return _two_tasks(seed, lambda step: bool(draws[step]))


def task_blocks(seed: int) -> Training:
    """Two tasks take turns, fifty steps each."""
    return _two_tasks(seed, lambda step: step // 50 % 2 == 1)


def bad_batches(seed: int) -> Training:
    """One batch in twenty has labels at random."""
    training = digits_sgd(seed)
    plain = training.batch
    draws = torch.rand(STEPS, generator=data.generator(seed, 8)) < 0.05

    def batch(step: int) -> Batch:
        x, y = plain(step)
        noise = torch.randint(10, (len(y),), generator=data.generator(seed, 9, step))
        return x, noise if draws[step] else y

    training.batch = batch
    return training


def batch_of_one(seed: int) -> Training:
    """Digits, one image a step."""
    torch.manual_seed(seed)
    samples = data.digits(seed)
    model = networks.mlp(64, 64, 10)
    training = classifier(samples, model, seed, SGD(model.parameters(), 0.02))
    picks = at_random(len(samples.x), seed, steps=2 * STEPS, batch_size=1)
    training.batch = lambda step: (samples.x[picks[step]], samples.y[picks[step]])
    training.steps = 2 * STEPS
    return training


def gaussian_nll(seed: int) -> Training:
    """Regression that predicts mean and variance: the loss takes both signs."""
    training = regression_adam(seed)
    samples = data.regression(seed)
    model = networks.mlp(8, 48, 2)
    training = classifier(samples, model, seed, Adam(model.parameters(), 3e-3))

    def nll(x: Tensor, y: Tensor) -> Tensor:
        mean, log_variance = model(x).chunk(2, dim=1)
        return gaussian_nll_loss(mean, y, log_variance.clamp(-8, 8).exp(), reduction="none")[:, 0]

    training.losses = lambda batch: nll(*batch)
    training.held_out = lambda: nll(samples.test_x, samples.test_y).mean().item()
    return training


def triplets(seed: int) -> Training:
    """Embeddings of digits under a triplet loss, which is often exactly 0."""
    torch.manual_seed(seed)
    samples = data.digits(seed)
    model = networks.mlp(64, 64, 8)
    random = data.generator(seed, 10)
    order = [(samples.y == label).nonzero()[:, 0] for label in range(10)]

    def draw(num: int) -> Batch:
        anchors = torch.randint(10, (num,), generator=random)
        others = (anchors + torch.randint(1, 10, (num,), generator=random)) % 10
        numbers = torch.randint(10_000, (3, num), generator=random)
        picks = [
            torch.stack([order[c][n % len(order[c])] for c, n in zip(classes, row, strict=True)])
            for classes, row in zip((anchors, anchors, others), numbers, strict=True)
        ]
        return tuple(samples.x[pick] for pick in picks)

    batches = [draw(16) for _ in range(STEPS)]

    def losses(batch: Batch) -> Tensor:
        embedded = [model(x) for x in batch]
        return triplet_margin_loss(*embedded, margin=0.5, reduction="none")

    return Training(
        model=model,
        optimizer=Adam(model.parameters(), 3e-3),
        batch=lambda step: batches[step],
        losses=losses,
        held_out=lambda: losses(batches[0]).mean().item(),
    )


def bandit(seed: int) -> Training:
    """Digits by reward: the policy guesses a class, a guess is right or not (REINFORCE with a constant baseline)."""
    torch.manual_seed(seed)
    samples = data.digits(seed)
    model = networks.mlp(64, 64, 10)
    training = classifier(samples, model, seed, Adam(model.parameters(), 3e-3))

    def reinforce(batch: Batch) -> Tensor:
        x, y = batch
        log_policy = model(x).log_softmax(1)
        guesses = torch.multinomial(log_policy.exp().detach(), 1)
        rewards = (guesses == y[:, None]).float() - 0.3
        loss = -(rewards * log_policy.gather(1, guesses)).mean()
        loss.backward()
        return loss

    # The surrogate says nothing about quality, so the probe is the expected reward, with its sign turned.
    training.losses = lambda batch: -model(batch[0]).softmax(1).gather(1, batch[1][:, None])[:, 0]
    training.gradients = reinforce
    training.held_out = lambda: cross_entropy(model(samples.test_x), samples.test_y).item()
    return training


def vae(seed: int) -> Training:
    """A variational autoencoder of digits; the weight of its KL term rises from 0 to 4 in the middle of the run."""
    torch.manual_seed(seed)
    samples = data.digits(seed)
    encoder, decoder = networks.mlp(64, 48, 16), networks.mlp(8, 48, 64)
    model = torch.nn.ModuleList([encoder, decoder])
    training = classifier(samples, encoder, seed, AdamW(model.parameters(), 3e-3))
    plain = training.batch

    def batch(step: int) -> Batch:
        return plain(step)[0], 4 * min(1.0, max(0.0, (step - 150) / 100))

    def losses(batch: Batch) -> Tensor:
        x, weight = batch
        mean, log_variance = encoder(x).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        lost = binary_cross_entropy_with_logits(decoder(code), x, reduction="none").sum(1)
        divergence = 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(1)
        total: Tensor = (lost + weight * divergence) / 64
        return total

    training.model, training.batch, training.losses = model, batch, losses
    training.held_out = lambda: losses((samples.test_x, 1.0)).mean().item()
    return training


HEALTHY: dict[str, Callable[[int], Training]] = {
    kind.__name__: kind
    for kind in (
        converged,
        one_cycle,
        warm_restarts,
        curriculum,
        class_incremental,
        sorted_classes,
        new_labels,
        augmentation,
        mixed_tasks,
        task_blocks,
        bad_batches,
        batch_of_one,
        gaussian_nll,
        triplets,
        bandit,
        vae,
        gan,
        wgan,
        text_lstm,
        text_transformer,
    )
}
