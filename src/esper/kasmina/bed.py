"""What a slot is made of: a seed's modules, the way of the features through them, and their checkpoint."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.kasmina.blend import blend
from esper.kasmina.blueprints.registry import build_seed
from esper.kasmina.fossil import Fossil
from esper.kasmina.freeze import freeze, thaw
from esper.kasmina.isolation import is_isolated, learn_behind
from esper.kasmina.ledger import SeedLedger
from esper.kasmina.sample_gate import SampleGate
from esper.kasmina.state import SeedState
from esper.kasmina.topology import Topology
from esper.leyline.errors import SlotError
from esper.leyline.lifecycle import has_seed, is_active


class _Route(Enum):
    """The way of the features. The amplitude is no part of it, so that `torch.compile` traces a ramp once."""

    PASS = "pass"
    LEARN = "learn"
    BLEND = "blend"


class SeedBed(SeedLedger):
    """Holds a seed and its gate, and runs them as the seed's state says.

    Attributes:
        channels: channels C of the features that pass through.
        topology: their kind, (B, C, H, W) for `cnn` and (B, T, C) for `transformer`.
        seed: the seed, or None.
        gate: the learned gate of the GATE algorithm, or None.
    """

    seed: nn.Module | None
    gate: SampleGate | None
    _alpha: Tensor

    def __init__(self, channels: int, topology: Topology) -> None:
        """Begin empty."""
        super().__init__()
        self.channels = channels
        self.topology: Topology = topology
        self.register_module("seed", None)
        self.register_module("gate", None)
        # A buffer, so that it follows the host to its device and dtype; seeds planted later follow it there.
        self.register_buffer("_alpha", torch.zeros(()), persistent=False)
        self._forced_alpha: float | None = None
        self._prepare_forward()

    def forward(self, features: Tensor) -> Tensor:
        """Return the features with what the seed makes of them, in the same shape and dtype.

        What comes out may be what went in, and the seed may need it for its backward pass: the next layer must
        not write to it in place.
        """
        if self._route is _Route.PASS or self.seed is None:
            return features
        seed_input = features.detach() if self._is_isolated else features
        if self._route is _Route.BLEND:
            output = self.seed(seed_input)
            return blend(
                features,
                output,
                seed_input,
                self._alpha,
                algorithm=self._state.algorithm,
                gate=self.gate,
            )
        # Without gradients there is nothing to learn, and the output does not depend on the seed.
        if not torch.is_grad_enabled():
            return features
        return learn_behind(features, self.seed(seed_input))

    @contextmanager
    def force_alpha(self, value: float) -> Iterator[None]:
        """Run the seed at amplitude `value`, in [0, 1], to find out what it is worth; at 0 it is not called.

        Only the forward pass knows; `alpha` and the schedule do not. A seed that has yet to start training does not run
        at any amplitude.

        Raises:
            SlotError: `value` is out of its range.
        """
        if not 0.0 <= value <= 1.0:
            raise SlotError(f"a forced alpha must be in [0, 1], got {value}")
        before = self._forced_alpha
        self._forced_alpha = value
        self._prepare_forward()
        try:
            yield
        finally:
            self._forced_alpha = before
            self._prepare_forward()

    def to_fossil(self) -> Fossil:
        """Return the seed as a module that needs no slot; its parameters stay the same objects.

        Raises:
            SlotError: the seed is no fossil.
        """
        if self.seed is None or self.stage is not SeedStage.FOSSILIZED:
            raise SlotError(f"only a fossilised seed can leave its slot, got {self.stage.name}")
        return Fossil(self.seed, self.gate, self._state.algorithm)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the seed's state in plain types, for `state_dict`."""
        return self._state.to_plain()

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take up a state, and plant the seed it speaks of; PyTorch loads the weights into it afterwards.

        A seed that is there already keeps its parameters, so that optimizers still know them.

        Raises:
            CheckpointError: `state` is none.
            SlotError: the blueprint is not registered; the slot is as it was.
        """
        loaded = SeedState.from_plain(state)
        # Weights come from the checkpoint: the run's random numbers must not be spent on them.
        with torch.random.fork_rng(devices=[]):
            self._take(loaded)

    def _take(self, state: SeedState) -> None:
        """Become what `state` says: its seed in place, its gate, its freeze, its way through forward."""
        names = (state.seed_id, state.blueprint_id)
        seed = self.seed if names == (self.seed_id, self.blueprint_id) else None
        if not has_seed(state.stage):
            seed = None
        elif seed is None:
            seed = self._at_home(build_seed(self.topology, state.blueprint_id, self.channels))
        thaw(self, self._state.frozen)
        self.seed = seed
        self._state = state
        self._fit_gate()
        state.frozen = freeze(self) if state.frozen else []
        self._prepare_forward()

    def _at_home(self, module: nn.Module) -> nn.Module:
        """Return a new module in the mode, dtype and place of the host."""
        return module.train(self.training).to(device=self._alpha.device, dtype=self._alpha.dtype)

    def _fit_gate(self) -> None:
        """Have a gate exactly when there is a seed whose algorithm needs one."""
        if self.seed is None or self._state.algorithm is not AlphaAlgorithm.GATE:
            self.gate = None
        elif self.gate is None:
            self.gate = SampleGate(self.channels, self.topology)
            self._at_home(self.gate)

    def _sync_freeze(self) -> None:
        """Freeze seed and gate while the amplitude falls, and thaw what was frozen when it no longer does."""
        state = self._state
        if state.schedule.is_falling and not state.frozen:
            state.frozen = freeze(self)
        elif not state.schedule.is_falling and state.frozen:
            thaw(self, state.frozen)
            state.frozen = []

    def _prepare_forward(self) -> None:
        """Bring what `forward` looks at up to date; called after every change of stage or amplitude."""
        stage = self._state.stage
        alpha = self._state.alpha if self._forced_alpha is None else self._forced_alpha
        self._alpha.fill_(alpha)
        self._is_isolated = is_isolated(stage, alpha, self.topology)
        if stage is SeedStage.TRAINING and self._forced_alpha is None:
            self._route = _Route.LEARN
        elif is_active(stage) and alpha > 0.0:
            self._route = _Route.BLEND
        else:
            self._route = _Route.PASS
