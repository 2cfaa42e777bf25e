"""The modules of a slot: they are built, loaded, moved to other devices and run here, and the life of their seed is not."""

import zlib
from abc import ABC
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar
from weakref import ref

import torch
from torch import Tensor, nn

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.kasmina.blend import SampleGate
from esper.kasmina.blueprints.registry import build_seed
from esper.kasmina.figures import SeedFigures
from esper.kasmina.forward import Fossil, FossilPlan, SeedForward, takes_padding
from esper.kasmina.isolation import freeze, thaw
from esper.kasmina.state import SeedState
from esper.kasmina.topology import Layout, Topology
from esper.leyline.arguments import instance_of, real_number
from esper.leyline.channel import SILENT
from esper.leyline.errors import SlotError
from esper.leyline.lifecycle import has_seed

_Module = TypeVar("_Module", bound=nn.Module)


class SeedHolder(SeedFigures, nn.Module, ABC):
    """The part of `SeedSlot` that holds the modules of its seed.

    Attributes:
        slot_id: name in telemetry.
        channels: number of channels C of the features.
        topology: kind of the features; blueprints are registered for a topology.
        layout: order of the dimensions of the features.
        seed: the seed's module, or None.
        gate: the learned gate of the GATE algorithm, or None.
    """

    topology: Topology
    layout: Layout
    seed: nn.Module | None
    gate: SampleGate | None
    _alpha: Tensor

    def __init__(self, slot_id: str, channels: int, layout: Layout) -> None:
        """Begin without a seed."""
        super().__init__()
        self.slot_id = slot_id
        self.channels = channels
        self.layout = layout
        self.topology = layout.topology
        self.register_module("seed", None)
        self.register_module("gate", None)
        # A buffer, so that it follows the host to its device and dtype; seeds planted later follow it there.
        self.register_buffer("_alpha", torch.zeros(()), persistent=False)
        self._state = SeedState()
        self._forward = SeedForward(slot_id, channels, layout)
        self._seed_has_run = False
        self._surroundings: ref[nn.Module] | None = None

    def seed_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the seed and its gate; nothing when the slot holds no seed."""
        return self.parameters()

    def forward(self, features: Tensor, padding: Tensor | None = None) -> Tensor:
        """Return `features`, in the slot's layout, blended with the seed, in the same shape and dtype.

        `padding`, (B, T), is true where a sequence is padding; seeds that look at several positions leave those out. The
        result is `features` itself when the seed does not run.

        Raises:
            SlotError: the seed would run, and `features` have another layout or number of channels.
        """
        # First, because looking up modules and buffers takes longer than the rest of an empty slot.
        if self._forward.is_passing:
            return features
        assert self.seed is not None
        return self._forward.run(features, self.seed, self.gate, self._alpha, padding)

    @property
    def takes_padding(self) -> bool:
        """Whether the seed or its gate runs, and leaves padding out of a sequence."""
        if self._forward.is_passing:
            return False
        return takes_padding(self._modules["seed"], self._modules["gate"])

    @contextmanager
    def force_alpha(self, value: float) -> Iterator[None]:
        """Run the seed at amplitude `value`, in [0, 1], to measure its contribution; at 0 it is not called.

        Only the forward pass changes; the property `alpha` and the schedule do not. A seed in GERMINATED never runs.

        Raises:
            SlotError: `value` is out of range.
        """
        if not 0.0 <= real_number("a forced alpha", value, error=SlotError) <= 1.0:
            raise SlotError(f"a forced alpha must be in [0, 1], got {value}")
        before = self._forward.forced_alpha
        self._forward.forced_alpha = value
        self._forward.prepare(self._state, self._alpha)
        try:
            yield
        finally:
            self._forward.forced_alpha = before
            self._forward.prepare(self._state, self._alpha)

    @contextmanager
    def shadow(self) -> Iterator[None]:
        """Run a seed in TRAINING at full amplitude, to measure what it would do; elsewhere nothing changes.

        Only the outputs inside the context differ, and they have no gradients. Seed and gate are in evaluation mode there, so that
        they use no random numbers and their statistics stay as they are; put the rest of the network into evaluation mode, too.
        """
        if self.stage is not SeedStage.TRAINING:
            yield
            return
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            with self.force_alpha(1.0), torch.no_grad():
                yield
        finally:
            for module, training in modes:
                module.training = training

    def check_seed_ran(self) -> None:
        """Check, after a backward pass of the loss, that a seed that should learn from it has a gradient.

        A module whose weights its parent uses without calling it, as in a fused kernel, never calls its slot. Without this
        check its seed would be judged although it never ran. `capture_gradient_health` makes it for you.

        Networks with stochastic depth leave out whole blocks at random. So a seed may miss a step if it had a gradient at an
        earlier check, or if the module that was grafted has none either.

        Raises:
            SlotError: the seed is in TRAINING, BLENDING or HOLDING and has parameters that learn, yet none has a gradient; or
                it is in TRAINING and none of its parameters learns.
        """
        if self.stage not in (SeedStage.TRAINING, SeedStage.BLENDING, SeedStage.HOLDING):
            return
        parameters = [p for p in self.seed_parameters() if p.requires_grad]
        if self.stage is SeedStage.TRAINING and not parameters and self.num_seed_params:
            raise SlotError(
                f"a seed in TRAINING must have parameters that learn, got all of them frozen in slot {self.slot_id!r}; plant"
                " after a library such as PEFT has frozen the network, or call requires_grad_(True) on them"
            )
        if any(parameter.grad is not None for parameter in parameters):
            self._seed_has_run = True
        elif parameters and not self._seed_has_run and not self._was_left_out():
            raise SlotError(
                f"a seed in {self.stage.name} must run in each training step, got no gradient in slot {self.slot_id!r};"
                " check it after backward and before zero_grad, and graft a module that its parent calls"
            )

    def set_surroundings(self, module: nn.Module) -> None:
        """Name the module whose gradients tell whether a step left out the slot together with what is around it.

        Copies of the slot forget it.
        """
        self._surroundings = ref(module)

    def _was_left_out(self) -> bool:
        """Return whether parameters around the slot should learn, and the last step reached none of them."""
        module = None if self._surroundings is None else self._surroundings()
        if module is None:
            return False
        own = {id(parameter) for parameter in self.seed_parameters()}
        gradients = [p.grad for p in module.parameters() if p.requires_grad and id(p) not in own]
        return bool(gradients) and all(gradient is None for gradient in gradients)

    def fossil_plan(self) -> FossilPlan:
        """Return how to build the slot's fossil again.

        Raises:
            SlotError: the seed is not a fossil.
        """
        if self.stage is not SeedStage.FOSSILIZED:
            raise SlotError(f"only a fossil can leave its slot, got {self.stage.name}")
        return FossilPlan(
            seed_id=self.seed_id,
            blueprint_id=self.blueprint_id,
            channels=self.channels,
            layout=self.layout.name,
            algorithm=self._state.algorithm,
        )

    def to_fossil(self) -> Fossil:
        """Return the seed as a module that needs no slot; its parameters stay the same objects.

        Raises:
            SlotError: the seed is not a fossil.
        """
        plan = self.fossil_plan()
        assert self.seed is not None
        return Fossil(self.seed, self.gate, plan)

    def get_extra_state(self) -> Tensor:
        """Return the seed's state as a tensor of bytes, for `state_dict`."""
        return self._state.to_tensor()

    def set_extra_state(self, state: Tensor | Mapping[str, Any]) -> None:
        """Restore the state and plant its seed; PyTorch then loads the weights into it.

        If the slot holds this seed already, its parameters stay the same objects, so that optimizers still know them. Older
        files hold the state as a mapping.

        Raises:
            CheckpointError: `state` is not that of a seed.
            SlotError: the blueprint is not registered; the slot is unchanged.
        """
        if isinstance(state, Tensor):
            self._adopt(SeedState.from_tensor(state))
        else:
            self._adopt(SeedState.from_state_dict(state))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the channel out of copies and pickles: two slots of one name must not both emit."""
        return {**self.__dict__, "channel": SILENT, "_surroundings": None}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "SeedHolder":
        """Write the amplitude again: `to_empty` leaves the buffer without a value."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call] # torch's
        self._forward.forget_written_alpha()
        self._forward.prepare(self._state, self._alpha)
        return self

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        *rest: Any,
    ) -> None:
        """Load as usual, except in two cases.

        An empty slot misses nothing in the file of a network that was saved before it was grafted. When tensors are assigned
        to a slot on the meta device, it gets an amplitude where they are.
        """
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, *rest
        )
        if self._state.stage is SeedStage.DORMANT and f"{prefix}_extra_state" in missing_keys:
            missing_keys.remove(f"{prefix}_extra_state")
        if self._alpha.is_meta and local_metadata.get("assign_to_params_buffers"):
            own = [
                v for k, v in state_dict.items() if k.startswith(prefix) and isinstance(v, Tensor)
            ]
            device = own[0].device if own else torch.device("cpu")
            dtype = next((v.dtype for v in own if v.is_floating_point()), self._alpha.dtype)
            self._alpha = torch.zeros((), device=device, dtype=dtype)
            self._forward.forget_written_alpha()
            self._forward.prepare(self._state, self._alpha)

    def _adopt(self, state: SeedState, generator: torch.Generator | None = None) -> None:
        """Make `state` the slot's state, and make seed, gate, frozen parameters and forward pass agree with it."""
        is_same = (state.seed_id, state.blueprint_id) == (self.seed_id, self.blueprint_id)
        seed = self.seed if is_same and has_seed(state.stage) else None
        if seed is None and has_seed(state.stage):
            build = partial(build_seed, self.topology, state.blueprint_id, self.channels)
            seed = self._build(build, state.seed_id, generator)
        thaw(self, self._state.frozen)
        self._seed_has_run &= seed is not None and seed is self.seed
        self.seed = seed
        self._state = state
        self._fit_gate(generator)
        state.frozen = freeze(self) if state.frozen else []
        self._forward.forget_written_alpha()
        self._forward.prepare(state, self._alpha)

    def _fit_gate(self, generator: torch.Generator | None = None) -> None:
        """Create or remove the gate: it exists exactly when there is a seed whose algorithm needs one."""
        if self.seed is None or self._state.algorithm is not AlphaAlgorithm.GATE:
            self.gate = None
        elif self.gate is None:
            build = partial(SampleGate, self.channels, self.topology)
            self.gate = self._build(build, f"{self._state.seed_id} gate", generator)

    def _build(
        self, build: Callable[[], _Module], name: str, generator: torch.Generator | None
    ) -> _Module:
        """Return the module that `build` draws, in the mode and on the device of the host, in its dtype."""
        with own_random_numbers(f"{self.slot_id} {name}", generator):
            module = build()
        return module.train(self.training).to(device=self._alpha.device, dtype=self._alpha.dtype)


@contextmanager
def own_random_numbers(name: str, generator: torch.Generator | None) -> Iterator[None]:
    """Draw from a stream of random numbers of its own, and leave that of the caller as it was.

    The stream depends on `generator`, or without it on PyTorch's global generator, whose next number is looked at and not
    spent; and on `name`, so that seeds that are planted one after the other differ.
    """
    if generator is not None:
        instance_of("generator", generator, torch.Generator, error=SlotError)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        device = "cpu" if generator is None else generator.device
        start = int(torch.randint(2**62, (), generator=generator, device=device))
        # Not torch.manual_seed: it would set the generators of all accelerators too.
        torch.default_generator.manual_seed(start + zlib.crc32(name.encode()))
        yield
