"""The forward pass of a slot, by the stage and amplitude of its seed; and of a fossil whose slot has been removed."""

from enum import Enum
from typing import final

import torch
from torch import Tensor, nn

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.kasmina.blend import SampleGate, blend
from esper.kasmina.isolation import is_isolated, straight_through
from esper.kasmina.state import SeedState
from esper.kasmina.topology import Topology
from esper.leyline.lifecycle import is_active


class Route(Enum):
    """How a slot treats the features."""

    PASS = "pass"
    """Returns them unchanged and does not call the seed."""
    LEARN = "learn"
    """Returns them unchanged and calls the seed, which learns from their gradient."""
    BLEND = "blend"
    """Returns them blended with the seed's output."""


@final
class SeedForward:
    """Computes a slot's forward pass for the seed's state that `prepare` was last called with.

    It holds neither modules nor tensors: `seed` and `gate` stay direct children of the slot, which gives them their
    `state_dict` keys, and a module's `to` moves them together with the slot's 0-dim amplitude tensor. Apart from that
    tensor, `run` reads only values that change with the stage, so `torch.compile` traces a ramp of the amplitude once.

    Attributes:
        forced_alpha: amplitude that replaces that of the state in the next `prepare`; None while it is not forced.
    """

    __slots__ = (
        "_algorithm",
        "_is_isolated",
        "_route",
        "_topology",
        "_written_alpha",
        "forced_alpha",
    )

    def __init__(self, topology: Topology) -> None:
        """Pass all features unchanged until `prepare` is called."""
        self.forced_alpha: float | None = None
        self._topology: Topology = topology
        self._route = Route.PASS
        self._is_isolated = False
        self._algorithm = AlphaAlgorithm.ADD
        self._written_alpha: float | None = None

    def prepare(self, state: SeedState, alpha_tensor: Tensor) -> None:
        """Choose the route for `state`; call this after each change of stage, amplitude or algorithm.

        If features will be blended, the amplitude is written to `alpha_tensor`, the 0-dim tensor that `run` gets.
        """
        stage = state.stage
        alpha = state.alpha if self.forced_alpha is None else self.forced_alpha
        self._algorithm = state.algorithm
        self._is_isolated = is_isolated(stage, alpha, self._topology)
        if stage is SeedStage.TRAINING and self.forced_alpha is None:
            self._route = Route.LEARN
        elif alpha > 0.0 and is_active(stage):
            self._route = Route.BLEND
            # Writing to the tensor costs as much as the rest of a transition.
            if alpha != self._written_alpha:
                self._written_alpha = alpha
                alpha_tensor.fill_(alpha)
        else:
            self._route = Route.PASS

    def forget_written_alpha(self) -> None:
        """Make the next `prepare` write the amplitude: the tensor may have been replaced or never initialized."""
        self._written_alpha = None

    def run(
        self, features: Tensor, seed: nn.Module | None, gate: SampleGate | None, alpha: Tensor
    ) -> Tensor:
        """Return the slot's output for `features`, (B, C, H, W) or (B, T, C), in the same shape and dtype.

        `alpha` is the amplitude as a 0-dim tensor.
        """
        if self._route is Route.PASS or seed is None:
            return features
        seed_input = features.detach() if self._is_isolated else features
        if self._route is Route.BLEND:
            return blend(
                features,
                seed(seed_input),
                seed_input,
                alpha,
                algorithm=self._algorithm,
                gate=gate,
            )
        # Without gradients the seed cannot learn, and the output does not depend on it.
        if not torch.is_grad_enabled():
            return features
        return straight_through(features, seed(seed_input))


@final
class Fossil(nn.Module):
    """Runs a seed at full amplitude without a slot: it computes the same as the slot, without stages and telemetry."""

    def __init__(self, seed: nn.Module, gate: SampleGate | None, algorithm: AlphaAlgorithm) -> None:
        """Take over the modules of a slot; `gate` is None unless `algorithm` is GATE."""
        super().__init__()
        self.seed = seed
        self.gate = gate
        self.algorithm = algorithm

    def forward(self, features: Tensor) -> Tensor:
        """Return `features`, (B, C, H, W) or (B, T, C), blended with the seed, in the same shape and dtype."""
        full = features.new_ones(())
        output = self.seed(features)
        return blend(features, output, features, full, algorithm=self.algorithm, gate=self.gate)
