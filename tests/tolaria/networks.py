"""Networks for tests of the governor, and helpers to snapshot, damage and compare them."""

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from esper.kasmina.gates import QualityGates
from esper.kasmina.slot import SeedSlot
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.snapshots.companions import Companions
from esper.tolaria.snapshots.inventory import Inventory
from esper.tolaria.snapshots.store import Snapshot, SnapshotContext, SnapshotStore

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64]
DTYPES = [*FLOATS, torch.int64, torch.uint8, torch.bool]
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)


def dense_net() -> nn.Sequential:
    """Return a network with parameters, float buffers and an integer buffer; inputs have shape (batch, 3)."""
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2))


def stored_snapshots(governor: TolariaGovernor) -> tuple[Snapshot, ...]:
    """Return the snapshots themselves, so that a test can damage them; a governor hands out their descriptions only."""
    return governor._recovery.snapshots


class SlottedNet(nn.Module):
    """A host with two slots; inputs have shape (batch, 1, height, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        gates = QualityGates(permissive=True)
        self.early = SeedSlot("early", 4, gates=gates)
        self.late = SeedSlot("late", 4, gates=gates)
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        features = self.late(self.early(self.stem(images)))
        return self.head(features.mean(dim=(2, 3)))


def fossilise(slot: SeedSlot, *, blueprint_id: str = "norm") -> None:
    """Plant a seed and advance it until it is a fossil."""
    slot.germinate(blueprint_id, blend_tempo_epochs=1)
    accuracy = 10.0
    while slot.advance_stage().passed:
        accuracy += 10.0
        slot.record_accuracy(accuracy)
        slot.record_contribution(5.0)
        slot.step_epoch()
    assert not slot.is_unsettled


def store_for(model: nn.Module, *, optimizers=None, companions=None, **settings) -> SnapshotStore:
    """Return a store that takes snapshots of `model`, by default without optimizers and companions."""
    settings.setdefault("saves_random_state", False)
    return SnapshotStore(
        model, optimizers=optimizers or {}, companions=Companions(companions or {}), **settings
    )


def take(store: SnapshotStore, number: int = 0) -> Snapshot:
    """Take a snapshot with the given number, at the step of the same number."""
    return store.take(snapshot_id=number, context=SnapshotContext(step=number))


def inventory_of(model: nn.Module, **parts) -> Inventory:
    """Return the inventory of `model` and of the given companion modules and optimizers."""
    return Inventory.take(
        model, modules=parts.get("modules", {}), optimizers=parts.get("optimizers", {})
    )


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the tensors in the state dict of `model`."""
    return {
        key: value.clone() for key, value in model.state_dict().items() if isinstance(value, Tensor)
    }


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Return whether both have the same keys and bit-equal tensors."""
    return first.keys() == second.keys() and all(
        torch.equal(_bits(value), _bits(second[key])) for key, value in first.items()
    )


def scramble(model: nn.Module) -> None:
    """Overwrite every tensor of `model` with other values."""
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            _once(tensor).copy_(_once(tensor) == 0)


def _bits(tensor: Tensor) -> Tensor:
    bits = tensor.new_empty(tensor.numel())
    bits.copy_(tensor.detach().flatten())
    return bits.view(torch.uint8) if bits.numel() else bits


def _once(tensor: Tensor) -> Tensor:
    """Return `tensor` narrowed to one element along expanded dimensions, which cannot be written to."""
    tensor = tensor.detach()
    for dimension, stride in enumerate(tensor.stride()):
        if stride == 0 and tensor.shape[dimension] > 1:
            tensor = tensor.narrow(dimension, 0, 1)
    return tensor


@st.composite
def tensors(draw) -> Tensor:
    """Draw a finite tensor of any dtype, shape and strides."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(SHAPES)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    values = torch.randint(0, 100, shape, generator=generator).to(dtype)
    arrangement = draw(st.sampled_from(["plain", "transposed", "strided", "expanded"]))
    if arrangement == "transposed" and values.ndim > 1:
        return values.transpose(0, -1)
    if arrangement == "strided" and values.ndim:
        return torch.cat([values, values], dim=-1)[..., ::2]
    if arrangement == "expanded":
        return values.unsqueeze(0).expand(3, *values.shape)
    return values


@st.composite
def random_modules(draw) -> nn.Module:
    """Draw a module with children that hold any tensors as parameters and buffers, some of them tied."""
    root = nn.Module()
    placed: list[Tensor] = []
    for index in range(draw(st.integers(0, 4))):
        child = nn.Module()
        root.add_module(f"child{index}", child)
        for number in range(draw(st.integers(0, 3))):
            tensor = draw(tensors())
            if placed and draw(st.booleans()):
                tensor = draw(st.sampled_from(placed))
            can_learn = tensor.is_floating_point() or tensor.is_complex()
            if isinstance(tensor, nn.Parameter) or (can_learn and draw(st.booleans())):
                tensor = tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor)
                child.register_parameter(f"weight{number}", tensor)
            else:
                child.register_buffer(f"buffer{number}", tensor)
            placed.append(tensor)
    return root
