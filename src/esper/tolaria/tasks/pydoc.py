"""The task `pydoc`: Python's own help texts, byte by byte, which every installation of Python brings (PSF licence)."""

import hashlib
from typing import Final

import torch
from torch import Tensor, nn

from esper.kasmina.hosts.transformer import TransformerHost
from esper.tolaria.tasks.objective import LanguageModelling
from esper.tolaria.tasks.task import Samples, Task

_CONTEXT: Final = 64
_NUM_BYTES: Final = 256
_HELD_OUT_SHARE: Final = 0.05


def text() -> bytes:
    """Return the help texts of this Python, in the order of their topics; other versions have others."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics)).encode()


def text_hash() -> str:
    """Return the SHA-256 of the text in hexadecimal digits: results of different texts cannot be compared."""
    return hashlib.sha256(text()).hexdigest()


def _load_samples() -> tuple[Samples, ...]:
    """Return windows of 64 bytes, inputs and targets (N, 64): the first 90 % to train, then 5 % and 5 %, in the text's order."""
    tokens = torch.frombuffer(bytearray(text()), dtype=torch.uint8).long()
    held_out = int(len(tokens) * _HELD_OUT_SHARE)
    parts = tokens.split((len(tokens) - 2 * held_out, held_out, held_out))
    return tuple(_windows(part) for part in parts)


def _windows(tokens: Tensor) -> Samples:
    num = (len(tokens) - 1) // _CONTEXT
    inputs, targets = (tokens[start : start + num * _CONTEXT] for start in (0, 1))
    return Samples(inputs=inputs.view(num, _CONTEXT), targets=targets.view(num, _CONTEXT))


def _build_host() -> nn.Module:
    """Return a transformer of two layers, a slot after each."""
    return TransformerHost(
        vocab_size=_NUM_BYTES,
        embed_dim=64,
        num_heads=4,
        num_layers=2,
        num_segments=2,
        context_length=_CONTEXT,
        dropout=0.0,
    )


PYDOC = Task(
    name="pydoc",
    load_samples=_load_samples,
    build_host=_build_host,
    num_classes=_NUM_BYTES,
    objective=LanguageModelling(),
    data_hash=text_hash,
    optimizer="adamw",
    # The larger seed first: a text has more to teach than a network of this size can hold.
    blueprint_ids=("mlp", "mlp_small", "attention", "lora", "norm"),
    epochs=20,
    batch_size=32,
    host_learning_rate=2e-3,
    seed_learning_rate=2e-3,
    weight_decay=0.01,
    max_grad_norm=1.0,
    num_threads=1,
)
