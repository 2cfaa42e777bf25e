"""Trainings of two networks against each other, on images of digits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Adam, RMSprop

from league import data, networks
from league.training import Batch, Training
from league.trainings import STEPS, at_random

CODE = 8
"""Size of the noise that the generator turns into images."""


class _Game:
    """A generator and a critic; the critic's loss is the one that is reported, as is usual."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.samples = data.digits(seed)
        self.generator = nn.Sequential(networks.mlp(CODE, 64, 64), nn.Sigmoid())
        self.critic = networks.mlp(64, 64, 1)
        self.model = nn.ModuleList([self.generator, self.critic])
        self._seed = seed
        self._picks = at_random(len(self.samples.x), seed)

    def batch(self, step: int) -> Batch:
        """Return images and noise."""
        images = self.samples.x[self._picks[step]]
        noise = torch.randn(len(images), CODE, generator=data.generator(self._seed, 11, step))
        return images, noise

    def training(self, optimizer: torch.optim.Optimizer) -> Training:
        """Return the training in which both networks step at the same time."""
        return Training(
            model=self.model,
            optimizer=optimizer,
            batch=self.batch,
            losses=self.critic_losses,
            held_out=lambda: self.critic_losses(self.batch(STEPS - 1)).mean().item(),
            gradients=self._gradients,
        )

    def critic_losses(self, batch: Batch) -> Tensor:
        """Return the critic's loss for each pair of an image and a generated one."""
        raise NotImplementedError

    def generator_losses(self, batch: Batch) -> Tensor:
        """Return the generator's loss for each generated image."""
        raise NotImplementedError

    def _gradients(self, batch: Batch) -> Tensor:
        loss = self.critic_losses(batch).mean()
        for network, part in (
            (self.critic, loss),
            (self.generator, self.generator_losses(batch).mean()),
        ):
            parameters = list(network.parameters())
            for parameter, gradient in zip(
                parameters, torch.autograd.grad(part, parameters), strict=True
            ):
                parameter.grad = gradient
        return loss


class _Gan(_Game):
    """The classification game, with the loss of the generator that does not saturate."""

    def critic_losses(self, batch: Batch) -> Tensor:
        images, noise = batch
        real, false = self.critic(images), self.critic(self.generator(noise))
        return (softplus(-real) + softplus(false))[:, 0]

    def generator_losses(self, batch: Batch) -> Tensor:
        return softplus(-self.critic(self.generator(batch[1])))[:, 0]


class _Wgan(_Game):
    """The Wasserstein game with clipped weights; its loss takes both signs and measures no quality."""

    def critic_losses(self, batch: Batch) -> Tensor:
        images, noise = batch
        loss: Tensor = (self.critic(self.generator(noise)) - self.critic(images))[:, 0]
        return loss

    def generator_losses(self, batch: Batch) -> Tensor:
        loss: Tensor = -self.critic(self.generator(batch[1]))[:, 0]
        return loss

    def clip(self) -> None:
        """Keep the critic's weights small."""
        with torch.no_grad():
            for parameter in self.critic.parameters():
                parameter.clamp_(-0.1, 0.1)


def gan(seed: int) -> Training:
    """A generative adversarial network."""
    game = _Gan(seed)
    return game.training(Adam(game.model.parameters(), 1e-3, betas=(0.5, 0.9)))


def wgan(seed: int) -> Training:
    """A Wasserstein GAN with clipped weights."""
    game = _Wgan(seed)
    training = game.training(RMSprop(game.model.parameters(), 5e-4))
    training.after_step = game.clip
    return training
