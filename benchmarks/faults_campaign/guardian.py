"""The interface between the campaign's loop and whatever protects it from faults."""

from collections.abc import Iterable
from typing import Protocol

from torch import Tensor

from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.tasks.task import Samples


class Guardian(Protocol):
    """Protects a run; the methods mean the same as those of `TolariaGovernor`."""

    @property
    def may_germinate(self) -> bool: ...

    def before_step(self, loss: Tensor, grad_norm: Tensor, *, batch: Samples) -> Verdict: ...

    def after_step(self) -> Verdict: ...

    def check_vital_signs(self, loss: float, *, batches: Iterable[Samples]) -> Verdict: ...

    def execute_rollback(self) -> object: ...

    def snapshot(self) -> object: ...

    def expect_shift(self) -> None: ...
