"""Gives a governor networks with every kind of tensor that is not plain memory; a program, because each may end the process.

    python -m tests.tolaria.snapshots.foreign_tensors

prints, for each kind and place, what became of a child process: `saved` if a rollback has restored the tensor, `left out`
if it is a buffer that files do not hold either, the message of the `SnapshotError`, or the number of the signal.
"""

import json
import logging
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import distribute_tensor
from torch.testing._internal.logging_tensor import LoggingTensor
from torch.testing._internal.two_tensor import TwoTensor

from esper.leyline.errors import SnapshotError
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.config import GovernorConfig

PLACES = ("parameter", "buffer", "non_persistent", "companion", "optimizer")


class Wrapper(Tensor):
    """A tensor without memory that passes every operation on to another tensor."""

    @staticmethod
    def __new__(cls, inner):
        return Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raw = [one.inner if isinstance(one, cls) else one for one in args]
        result = func(*raw, **(kwargs or {}))
        return cls(result) if isinstance(result, Tensor) else result


class Dispatching(Tensor):
    """A tensor with memory of its own that refuses every operation."""

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"no {func}")


class Annotated(Tensor):
    """A tensor with memory of its own and nothing else."""


class Refusing(Tensor):
    """A tensor with memory of its own whose functions all raise."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"no {func}")


class Lying(Tensor):
    """A tensor with memory of its own whose functions all return zero."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return 0


def ones() -> Tensor:
    return torch.ones(2, 2)


def fake() -> Tensor:
    with FakeTensorMode():
        return torch.ones(2, 2)


def distributed() -> Tensor:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    with tempfile.TemporaryDirectory() as folder:
        dist.init_process_group("gloo", rank=0, world_size=1, init_method=f"file://{folder}/store")
        return distribute_tensor(ones(), init_device_mesh("cpu", (1,)))


def quantized() -> Tensor:
    return torch.quantize_per_tensor(ones(), 0.1, 0, torch.qint8)


def freed() -> Tensor:
    tensor = ones()
    tensor.untyped_storage().resize_(0)
    return tensor


def short_storage() -> Tensor:
    tensor = torch.ones(1000, 1000)
    tensor.untyped_storage().resize_(16)
    return tensor


def read_only() -> Tensor:
    file = Path(tempfile.mkdtemp()) / "weights.bin"
    file.write_bytes(bytes(1 << 16))
    return torch.from_numpy(np.memmap(file, np.float32, "r", shape=(2, 2)))


def jagged() -> Tensor:
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)


def nested() -> Tensor:
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


REFUSED: dict[str, Callable[[], Tensor]] = {
    "wrapper": lambda: Wrapper(ones()),
    "dispatching": lambda: Tensor._make_subclass(Dispatching, ones()),
    "logging": lambda: LoggingTensor(ones()),
    "two": lambda: TwoTensor(ones(), ones()),
    "distributed": distributed,
    "fake": fake,
    "functional": lambda: torch._to_functional_tensor(ones()),
    "meta": lambda: torch.ones(2, 2, device="meta"),
    "coo": lambda: ones().to_sparse(),
    "csr": lambda: ones().to_sparse_csr(),
    "mkldnn": lambda: ones().to_mkldnn(),
    "quantized": quantized,
    "nested": nested,
    "jagged": jagged,
    "batched": ones,
    "differentiated": ones,
    "zero": lambda: torch._efficientzerotensor((2, 2)),
    "freed": freed,
    "short storage": short_storage,
    "read-only": read_only,
}
SAVED: dict[str, Callable[[], Tensor]] = {
    "annotated": lambda: ones().as_subclass(Annotated),
    "refusing": lambda: ones().as_subclass(Refusing),
    "lying": lambda: ones().as_subclass(Lying),
    "expanded": lambda: torch.ones(2, 1).expand(2, 2),
    "overlapping": lambda: torch.arange(9.0).unfold(0, 3, 1),
    "conjugated": lambda: torch.ones(2, 2, dtype=torch.complex64).conj(),
    "negated": lambda: torch.ones(2, 2, dtype=torch.complex64).conj().imag,
    "copied on write": lambda: ones()._lazy_clone(),
    "shared": lambda: ones().share_memory_(),
}


def holder(model: nn.Module, place: str, tensor: Tensor) -> TolariaGovernor:
    """Return a governor of `model` with `tensor` in the given place."""
    other = nn.Module()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    target = other if place == "companion" else model
    if place == "optimizer":
        optimizer.state[model.weight]["odd"] = tensor
    elif place == "parameter":
        model._parameters["odd"] = tensor
    else:
        target._buffers["odd"] = tensor
        if place == "non_persistent":
            target._non_persistent_buffers_set.add("odd")
    return TolariaGovernor(
        model,
        optimizers=[optimizer],
        companions={"other": other},
        config=GovernorConfig(optimizer_state="restore"),
    )


def govern(model: nn.Module, place: str, tensor: Tensor) -> str:
    """Take a snapshot of `model` with `tensor` in the given place, damage and restore it; return the outcome."""
    governor = holder(model, place, tensor)
    try:
        governor.before_step(1.0)
    except SnapshotError as error:
        return str(error)
    governor.after_step()
    if not any("odd" in key for key in governor._recovery.snapshots[0].inventory.entries):
        governor.before_step(float("nan"))
        return "left out"
    with torch._C.DisableTorchFunctionSubclass():
        plain = tensor.detach().as_subclass(Tensor)
        saved = plain.clone()
        (plain[:, :1] if plain.stride(1) == 0 else plain).zero_()
        governor.before_step(float("nan"))
        return "saved" if torch.equal(plain, saved) else "not restored"


def attempt(kind: str, place: str) -> str:
    """Return the outcome for one kind in one place."""
    tensor = (REFUSED | SAVED)[kind]()
    # Built outside of transforms, so that only the tensor is inside.
    model = nn.Linear(2, 2)
    found = []
    if kind == "batched":
        torch.func.vmap(lambda one: found.append(govern(model, place, one)) or one)(
            tensor.expand(3, 2, 2)
        )
    elif kind == "differentiated":
        torch.func.grad(lambda one: found.append(govern(model, place, one)) or one.sum())(tensor)
    else:
        found.append(govern(model, place, tensor))
    return found[0]


def attempt_in_child(kind: str, place: str) -> str:
    """Return the outcome for one kind in one place, from a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            outcome = attempt(kind, place)
        except BaseException:
            outcome = traceback.format_exc()
        os.write(writing, outcome.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        outcome = pipe.read()
    _, status = os.waitpid(child, 0)
    return outcome if status == 0 else f"the process ended with status {status}"


def main() -> None:
    """Print the outcomes as JSON: by kind, then by place."""
    warnings.simplefilter("ignore")
    logging.disable()
    # PyTorch imports much on first use; once here is faster than in every child.
    attempt("annotated", "parameter")
    fake()
    kinds = REFUSED | SAVED
    json.dump(
        {kind: {place: attempt_in_child(kind, place) for place in PLACES} for kind in kinds},
        sys.stdout,
    )


if __name__ == "__main__":
    main()
