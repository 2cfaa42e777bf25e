"""What the loop asks of whoever stands between it and its faults."""

from typing import Protocol

from torch import Tensor

from esper.tolaria.detection.verdict import Verdict


class Guardian(Protocol):
    """What the loop asks of whoever watches over it; `TolariaGovernor` defines what each answer means."""

    @property
    def may_germinate(self) -> bool: ...

    def before_step(self, loss: Tensor, grad_norm: Tensor) -> Verdict: ...

    def after_step(self) -> Verdict: ...

    def check_vital_signs(self, loss: float) -> Verdict: ...

    def execute_rollback(self) -> object: ...

    def snapshot(self) -> object: ...

    def expect_shift(self) -> None: ...
