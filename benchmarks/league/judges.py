"""The judges that are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from esper._generated.enums import Severity
from esper.tolaria.detection.detector import Detector, SigmaDetector
from esper.tolaria.governor import TolariaGovernor
from league import code
from league.frozen_rule import FrozenRule
from league.rivals import DlibSlope, LightningSpikes, OlmoSkips, ZClip
from league.training import Batch, Judge, Reaction, Run, Training

_REACTIONS = {
    Severity.OK: Reaction.NOTHING,
    Severity.PANIC: Reaction.NOTHING,
    Severity.SKIP: Reaction.SKIP,
    Severity.ROLLBACK: Reaction.ROLLBACK,
    Severity.STOP: Reaction.STOP,
}


class Governed:
    """Our governor, as it comes or with another detector."""

    def __init__(
        self, training: Training, *, probes: bool = False, detector: Detector | None = None
    ) -> None:
        """Govern `training`; with `probes`, suspicions are settled by its losses on the same batches."""
        self.governor = TolariaGovernor(
            training.model,
            optimizers=[training.optimizer],
            step_detector=detector,
            probe=training.losses if probes else None,
        )

    def before_step(self, loss: Tensor | float, norm: Tensor | float, batch: Batch) -> Reaction:
        """Let the governor judge and act."""
        verdict = self.governor.before_step(loss, norm, batch=batch)
        return _REACTIONS[verdict.severity]

    def after_step(self) -> Reaction:
        """Let the governor count the step and take a snapshot."""
        return _REACTIONS[self.governor.after_step().severity]


@dataclass(frozen=True, slots=True)
class Entry:
    """A judge of the league."""

    name: str
    """Its key in JSON."""
    text: str
    """Its name in tables."""
    build: Callable[[Training], Judge]
    is_governor: bool = True
    """Whether the governor acts for it, so that its results depend on our code."""
    modules: tuple[str, ...] = ()
    """Modules of the league that hold its rule."""


JUDGES = {
    entry.name: entry
    for entry in (
        Entry("ours", "ours, with a probe", lambda training: Governed(training, probes=True)),
        Entry("without_probe", "ours, without a probe", Governed),
        Entry(
            "frozen_rule",
            "rule of commit 954558c",
            lambda training: Governed(training, detector=FrozenRule()),
            modules=("frozen_rule",),
        ),
        Entry(
            "sigma", "SigmaDetector", lambda training: Governed(training, detector=SigmaDetector())
        ),
        Entry(
            "lightning",
            "Lightning's spike rule",
            lambda training: Governed(training, detector=LightningSpikes()),
            modules=("rivals",),
        ),
        Entry(
            "dlib",
            "dlib's slope test",
            lambda training: Governed(training, detector=DlibSlope()),
            modules=("rivals",),
        ),
        Entry(
            "olmo",
            "OLMo-core's skip rule",
            lambda training: OlmoSkips(),
            is_governor=False,
            modules=("rivals",),
        ),
        Entry(
            "zclip",
            "ZClip",
            lambda training: ZClip(list(training.model.parameters())),
            is_governor=False,
            modules=("rivals",),
        ),
    )
}


class _ProbedError(Exception):
    """A judge wants to compare weights, which a recorded run does not have."""


def would_act(entry: Entry, run: Run) -> bool:
    """Return whether the judge would do anything in `run`, which nobody disturbed; only the numbers of the run are used.

    While a judge does nothing, a run with it is the same as one without. So its first action can be looked for in the
    recorded losses and gradient norms, and it need not train if there is none. That is exact only if everything was
    finite, because a governor looks for weights that are not; otherwise, and if it wants to probe, return True.
    """
    if not run.is_finite:
        return True
    judge = entry.build(_nothing_in_training())
    try:
        for loss, norm in zip(run.losses, run.grad_norms, strict=True):
            if judge.before_step(loss, norm, (None,)) is not Reaction.NOTHING:
                return True
            if judge.after_step() is not Reaction.NOTHING:
                return True
    except _ProbedError:
        return True
    return False


def _nothing_in_training() -> Training:
    """Return a training whose weights are of no importance, for judges that look at numbers only."""

    def probe(batch: Batch) -> Tensor:
        raise _ProbedError

    model = nn.Linear(1, 1)
    return Training(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), 0.1),
        batch=lambda step: (),
        losses=probe,
        held_out=lambda: 0.0,
    )


def code_of(group: str, judge: str | None) -> str:
    """Return a short hash of the code that results of this group of runs under `judge` depend on; None for no judge."""
    if judge is None:
        return code.code_of(group, None, is_governor=False)
    entry = JUDGES[judge]
    return code.code_of(group, entry.modules, is_governor=entry.is_governor)
