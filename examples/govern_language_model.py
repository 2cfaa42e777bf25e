"""Govern a language model with mixed precision, gradient accumulation and a schedule, all stepped by one call.

A small network learns Python's help texts byte by byte. At step 200 a layer is overwritten with random numbers: finite, so
that only the loss shows it. The governor compares present and saved weights on the same batches and restores them.

    .venv/bin/python examples/govern_language_model.py
"""

import sys
from pydoc_data.topics import topics

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import OneCycleLR

from esper import Stepper, TolariaGovernor

CONTEXT, WIDTH = 16, 32
BATCH_SIZE, ACCUMULATE = 64, 4
STEPS, BROKEN_STEP = 300, 200


class LanguageModel(nn.Module):
    """Predicts the next byte from the sixteen before it."""

    def __init__(self) -> None:
        """Build the layers."""
        super().__init__()
        self.embedding = nn.Embedding(256, WIDTH)
        self.hidden = nn.Linear(CONTEXT * WIDTH, 256)
        self.head = nn.Linear(256, 256)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits of the next byte, (B, 256), for bytes (B, CONTEXT)."""
        return self.head(self.hidden(self.embedding(tokens).flatten(1)).relu())

    def losses(self, batch: Tensor) -> Tensor:
        """Return the loss of each sample, (B,), in nats, for bytes (B, CONTEXT + 1)."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self(batch[:, :-1])
        return cross_entropy(logits.float(), batch[:, -1], reduction="none")


def main() -> None:
    """Train, and print what the governor did and the loss on held-out text."""
    torch.manual_seed(0)
    text = bytearray("\n".join(topics[name] for name in sorted(topics)).encode())
    samples = torch.frombuffer(text, dtype=torch.uint8).long().unfold(0, CONTEXT + 1, 1)
    held_out, samples = samples[-4000:], samples[:-4000]
    model = LanguageModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, fused=True)
    scheduler = OneCycleLR(optimizer, max_lr=5e-3, total_steps=STEPS)
    scaler = torch.amp.GradScaler("cpu")
    governor = TolariaGovernor(
        model, optimizers=[optimizer], companions={"scaler": scaler}, probe=model.losses
    )
    parts = {"optimizers": [optimizer], "schedulers": [scheduler], "scaler": scaler}
    stepper = Stepper(governor, **parts, accumulate=ACCUMULATE)
    for number in range(STEPS * ACCUMULATE):
        if number == BROKEN_STEP * ACCUMULATE:
            nn.init.normal_(model.hidden.weight, std=0.1)
        batch = samples[torch.randint(len(samples), (BATCH_SIZE,))]
        if stepper.step(model.losses(batch).mean(), batch=batch).must_stop:
            sys.exit(f"stopped: {governor.stop_report}")
    report = governor.last_rollback
    if report is not None and (evidence := report.evidence) is not None:
        print(f"step {report.from_step}: restored step {report.to_step} ({report.reason.name})")
        before, after = evidence.present_loss, evidence.snapshot_loss
        print(f"loss on the same batches: {before:.2f}, restored {after:.2f}")
    with torch.no_grad():
        print(f"held out: {model.losses(held_out).mean():.2f} nats per byte")


if __name__ == "__main__":
    main()
