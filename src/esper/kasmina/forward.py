"""The forward pass of a slot, by the stage and amplitude of its seed; and of a fossil whose slot has been removed."""

from dataclasses import dataclass
from enum import Enum
from typing import final

import torch
from torch import Tensor, fx, nn

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.kasmina.blend import SampleGate, blend, replace
from esper.kasmina.blueprints.residual import SequenceSeed
from esper.kasmina.isolation import is_isolated, straight_through
from esper.kasmina.state import SeedState
from esper.kasmina.topology import LAYOUTS, Layout, LayoutName, check_features
from esper.leyline.errors import SlotError
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
        is_passing: whether the features are returned unchanged, without a call of `run`.
    """

    __slots__ = (
        "_algorithm",
        "_channels",
        "_is_isolated",
        "_is_replacing",
        "_layout",
        "_route",
        "_slot_id",
        "_written_alpha",
        "forced_alpha",
        "is_passing",
    )

    def __init__(self, slot_id: str, channels: int, layout: Layout) -> None:
        """Pass all features unchanged until `prepare` is called; the arguments are those of the slot."""
        self.forced_alpha: float | None = None
        self._slot_id = slot_id
        self._channels = channels
        self._layout = layout
        self.is_passing = True
        self._route = Route.PASS
        self._is_isolated = False
        self._is_replacing = False
        self._algorithm = AlphaAlgorithm.ADD
        self._written_alpha: float | None = None

    def prepare(self, state: SeedState, alpha_tensor: Tensor) -> None:
        """Choose the route for `state`; call this after each change of stage, amplitude or algorithm.

        If features will be blended, the amplitude is written to `alpha_tensor`, the 0-dim tensor that `run` gets.
        """
        stage = state.stage
        alpha = state.alpha if self.forced_alpha is None else self.forced_alpha
        self._algorithm = state.algorithm
        self._is_replacing = alpha == 1.0 and state.algorithm is AlphaAlgorithm.ADD
        self._is_isolated = is_isolated(stage, alpha, self._layout.topology)
        # At amplitude 0 a blending seed would leave a host that is frozen without any gradient.
        is_invisible = stage is SeedStage.TRAINING or (stage is SeedStage.BLENDING and alpha == 0.0)
        if is_invisible and self.forced_alpha is None:
            self._route = Route.LEARN
            self._is_isolated = True
        elif alpha > 0.0 and is_active(stage):
            self._route = Route.BLEND
            # Writing to the tensor costs as much as the rest of a transition.
            if alpha != self._written_alpha:
                self._written_alpha = alpha
                alpha_tensor.fill_(alpha)
        else:
            self._route = Route.PASS
        self.is_passing = self._route is Route.PASS

    def forget_written_alpha(self) -> None:
        """Make the next `prepare` write the amplitude: the tensor may have been replaced or never initialized."""
        self._written_alpha = None

    def run(
        self,
        features: Tensor,
        seed: nn.Module,
        gate: SampleGate | None,
        alpha: Tensor,
        padding: Tensor | None,
    ) -> Tensor:
        """Return the slot's output for `features`, in the slot's layout, in the same shape and dtype.

        `alpha` is the amplitude as a 0-dim tensor. `padding`, (B, T), is true where a sequence is padding, or is None.

        Raises:
            SlotError: the seed would run, and `features` do not have the slot's layout and channels.
        """
        # Without gradients an invisible seed cannot learn, and the output does not depend on it.
        if self._route is Route.LEARN and not torch.is_grad_enabled():
            return features
        if not isinstance(features, fx.Proxy):
            check_features(features, self._layout, self._channels, self._slot_id)
        seed_input = features.detach() if self._is_isolated else features
        output = run_seed(seed, seed_input, self._layout, padding)
        if self._route is Route.LEARN:
            return straight_through(features, output)
        if self._is_replacing:
            return replace(features, output)
        return blend(
            features,
            output,
            seed_input,
            alpha,
            algorithm=self._algorithm,
            gate_weight=None if gate is None else run_seed(gate, seed_input, self._layout, padding),
        )


def run_seed(
    module: nn.Module, features: Tensor, layout: Layout, padding: Tensor | None = None
) -> Tensor:
    """Return the output of a seed, or the weights of a gate, for `features` in `layout`, in the same layout.

    `padding` may have more positions than the features, as with a KV cache; its last ones are theirs.

    Raises:
        SlotError: a seed whose positions depend on each other gets features without positions.
    """
    x = layout.seed_view(features)
    if isinstance(module, SequenceSeed) and x.ndim != 3:
        raise SlotError(
            f"a seed with attention must get features (B, T, C), got shape {tuple(features.shape)}; plant another blueprint"
        )
    if padding is not None and x.ndim == 3 and isinstance(module, SequenceSeed | SampleGate):
        return layout.host_view(module(x, padding[:, -x.shape[1] :]))
    return layout.host_view(module(x))


def takes_padding(seed: nn.Module | None, gate: nn.Module | None) -> bool:
    """Return whether a seed or its gate leaves padding out of a sequence."""
    return gate is not None or isinstance(seed, SequenceSeed)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FossilPlan:
    """How to build a fossil, in plain values; its weights are in the network's `state_dict`."""

    seed_id: str
    blueprint_id: str
    channels: int
    layout: LayoutName
    algorithm: AlphaAlgorithm


@final
class Fossil(nn.Module):
    """Runs a seed at full amplitude without a slot: it computes the same as the slot, without stages and telemetry."""

    def __init__(self, seed: nn.Module, gate: SampleGate | None, plan: FossilPlan) -> None:
        """Take over the modules of a slot; `gate` is None unless the plan's algorithm is GATE."""
        super().__init__()
        self.seed = seed
        self.gate = gate
        self.plan = plan

    @property
    def takes_padding(self) -> bool:
        """Whether the seed or its gate leaves padding out of a sequence."""
        return takes_padding(self.seed, self.gate)

    def forward(self, features: Tensor, padding: Tensor | None = None) -> Tensor:
        """Return `features`, in the fossil's layout, blended with the seed, in the same shape and dtype.

        `padding`, (B, T), is true where a sequence is padding.
        """
        layout = LAYOUTS[self.plan.layout]
        gate, output = self.gate, run_seed(self.seed, features, layout, padding)
        if self.plan.algorithm is AlphaAlgorithm.ADD:
            return replace(features, output)
        return blend(
            features,
            output,
            features,
            features.new_ones(()),
            algorithm=self.plan.algorithm,
            gate_weight=None if gate is None else run_seed(gate, features, layout, padding),
        )
