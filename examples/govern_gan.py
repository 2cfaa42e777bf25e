"""Govern a GAN: the pair of networks is saved and compared together.

The generator learns handwritten digits from a critic (WGAN-GP, Gulrajani et al. 2017). The loss of such a game is no measure
of quality, so the governor gets the critic's loss and its gradient norm, which tells that a slow rise is a part of the game;
the probe scores the same loss with the same noise. At step 200 the generator's weights become NaN.

    .venv/bin/python examples/govern_gan.py
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from esper import TolariaGovernor

NOISE, STEPS, WIPED_AT = 16, 400, 200


def critic_losses(generator: nn.Module, critic: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Return the critic's loss for each sample, (B,): its scores of generated images minus those of real ones."""
    images, noise = batch
    return critic(generator(noise))[:, 0] - critic(images)[:, 0]


def penalty(critic: nn.Module, images: Tensor, fakes: Tensor) -> Tensor:
    """Return the gradient penalty, which keeps the slope of the critic near one."""
    share = torch.rand(len(images), 1)
    between = (share * images + (1 - share) * fakes).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return 10 * (slope.norm(dim=1) - 1).square().mean()


def main(num_steps: int = STEPS) -> None:
    """Train the pair and print what the governor did."""
    torch.manual_seed(0)
    images = torch.as_tensor(load_digits().data).float() / 16
    generator = nn.Sequential(nn.Linear(NOISE, 64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid())
    critic = nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    generator_step = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.9))
    critic_step = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.0, 0.9))
    pair = nn.ModuleDict({"generator": generator, "critic": critic})
    governor = TolariaGovernor(
        pair,
        optimizers={"generator": generator_step, "critic": critic_step},
        probe=lambda batch: critic_losses(generator, critic, batch),
    )
    for step in range(num_steps):
        if step == WIPED_AT:
            with torch.no_grad():
                for parameter in generator.parameters():
                    parameter.fill_(torch.nan)
        batch = images[torch.randint(len(images), (64,))], torch.randn(64, NOISE)
        loss = critic_losses(generator, critic, batch).mean()
        fakes = generator(batch[1])
        critic_step.zero_grad()
        (loss + penalty(critic, batch[0], fakes.detach())).backward()
        generator_step.zero_grad()
        norm = nn.utils.get_total_norm([p.grad for p in critic.parameters()])
        verdict = governor.before_step(loss, norm, batch=batch)
        if verdict.may_step:
            critic_step.step()
            (-critic(generator(batch[1])).mean()).backward()
            generator_step.step()
        if governor.after_step().must_stop:
            sys.exit(f"stopped: {governor.stop_report}")
    report = governor.last_rollback
    restored = "nothing was restored"
    if report is not None:
        restored = f"step {report.from_step}: restored step {report.to_step} ({report.reason.name})"
    print(f"{restored}; all weights finite: {all(p.isfinite().all() for p in pair.parameters())}")


if __name__ == "__main__":
    main()
