"""Keeps GradScalers usable after a step that the governor has refused.

PyTorch's recipe calls `scaler.unscale_`, `scaler.step` and `scaler.update` in this order. If the step is refused, `step` is
not called, and `update` may or may not be, depending on where the loop puts it; without `update` the next `unscale_` would
raise, and the scale that overflowed would never shrink. Both places work with the calls below.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler, OptState


class LossScaling:
    """The GradScalers among the companions of a governor."""

    def __init__(self, scalers: Iterable[GradScaler]) -> None:
        """Look after `scalers`."""
        self._scalers = tuple(scalers)
        self._overflowed: list[tuple[GradScaler, dict[int, dict[str, Any]]]] = []

    def __contains__(self, scaler: object) -> bool:
        """Return whether `scaler` is one of them."""
        return any(scaler is one for one in self._scalers)

    def may_have_overflowed(self) -> bool:
        """Return whether a scaler may explain a gradient that is not finite: it is enabled and scales by 1 or more."""
        return any(one.is_enabled() and one.get_scale() >= 1.0 for one in self._scalers)

    def note_refusal(self, *, is_overflow: bool) -> None:
        """Let `unscale_` and `update` be called, in any order or not at all, after a step that was refused.

        The scale stays as it is unless the gradients have overflowed: a loss of NaN says nothing about it.
        """
        self._overflowed.clear()
        for scaler in self._scalers:
            # Disabled scalers, and those that have scaled nothing yet, have no scale to update.
            if not scaler.is_enabled() or scaler._scale is None:
                continue
            states = scaler._per_optimizer_states
            for state in states.values():
                state["stage"] = OptState.READY
            if is_overflow:
                self._overflowed.append((scaler, states))
            else:
                _forget_overflows(states)
            if not any(state["found_inf_per_device"] for state in states.values()):
                # `update` raises if no gradient was looked at since the last one.
                scale = scaler._scale
                states[0]["found_inf_per_device"] = {scale.device: torch.zeros_like(scale)}

    def end_refused_step(self) -> None:
        """Lower the scale after an overflow, unless the loop has called `update` since `note_refusal`."""
        for scaler, states in self._overflowed:
            # `update` replaces the dict.
            if scaler._per_optimizer_states is states:
                state = scaler.state_dict()
                scale = state["scale"] * state["backoff_factor"]
                scaler.load_state_dict({**state, "scale": scale, "_growth_tracker": 0})
                _forget_overflows(states)
        self._overflowed.clear()


def _forget_overflows(states: dict[int, dict[str, Any]]) -> None:
    for state in states.values():
        for found in state["found_inf_per_device"].values():
            found.zero_()
