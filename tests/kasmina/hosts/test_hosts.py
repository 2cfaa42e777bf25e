"""The hosts train with the seeds in their slots, and without slots after `ungraft`."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from esper._generated.enums import SeedStage
from esper.kasmina.gates import QualityGates
from esper.kasmina.graft import find_slots, ungraft
from esper.kasmina.hosts.cnn import CNNHost
from esper.kasmina.hosts.transformer import TransformerHost
from tests.kasmina.lives import PERMISSIVE, lead_to
from tests.kasmina.replay import Recorder


def cnn(**changes) -> nn.Module:
    torch.manual_seed(0)
    return CNNHost(**{"in_channels": 1, "base_channels": 4, "gates": PERMISSIVE} | changes)


def transformer(**changes) -> nn.Module:
    torch.manual_seed(0)
    tiny = {"vocab_size": 11, "embed_dim": 8, "num_heads": 2, "num_layers": 2, "num_segments": 2}
    return TransformerHost(**tiny | {"context_length": 6, "gates": PERMISSIVE} | changes)


def cnn_loss(model) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(16, 1, 8, 8, generator=generator)
    return functional.cross_entropy(model(images), torch.arange(16) % 10)


def transformer_loss(model) -> torch.Tensor:
    tokens = torch.randint(11, (8, 6), generator=torch.Generator().manual_seed(1))
    return functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten())


HOSTS = [(cnn, cnn_loss), (transformer, transformer_loss)]
EVERY_HOST = pytest.mark.parametrize(("build", "loss_of"), HOSTS, ids=["cnn", "transformer"])


@pytest.mark.parametrize(("build", "count"), [(CNNHost, 94_762), (TransformerHost, 30_044_544)])
def test_the_default_host_has_a_known_number_of_parameters(build, count):
    with torch.device("meta"):
        host = build()

    assert sum(parameter.numel() for parameter in host.parameters()) == count


def test_a_cnns_slots_follow_its_blocks():
    host = cnn(num_blocks=3, num_pools=2)

    slots = find_slots(host)

    assert [(path, slot.slot_id, slot.channels) for path, slot in slots.items()] == [
        ("slots.r0c0", "r0c0", 4),
        ("slots.r0c1", "r0c1", 8),
        ("slots.r0c2", "r0c2", 16),
    ]


def test_a_transformers_slots_follow_its_segments():
    slots = find_slots(transformer(num_layers=6, num_segments=3)).values()

    assert [(slot.slot_id, slot.channels, slot.topology) for slot in slots] == [
        (f"r0c{i}", 8, "transformer") for i in range(3)
    ]


@EVERY_HOST
def test_slots_get_gates_and_channel_from_the_host(build, loss_of):
    recorder, gates = Recorder(), QualityGates()

    slots = find_slots(build(gates=gates, channel=recorder)).values()

    assert all(slot.gates is gates and slot.channel is recorder for slot in slots)


@EVERY_HOST
def test_host_and_seeds_learn_together(build, loss_of):
    host = build()
    for slot, stage in zip(
        find_slots(host).values(), (SeedStage.TRAINING, SeedStage.BLENDING), strict=False
    ):
        lead_to(slot, stage, "attention")
    optimizer = torch.optim.Adam(host.parameters(), lr=0.01)
    before = {name: parameter.clone() for name, parameter in host.named_parameters()}
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        losses.append(loss_of(host))
        losses[-1].backward()
        optimizer.step()

    assert losses[-1] < losses[0]
    assert [n for n, p in host.named_parameters() if torch.equal(p, before[n])] == []


@EVERY_HOST
def test_a_seed_changes_no_output_before_it_blends_in(build, loss_of):
    host = build().eval()
    before = loss_of(host)

    for slot, stage in zip(
        find_slots(host).values(), (SeedStage.GERMINATED, SeedStage.TRAINING), strict=False
    ):
        lead_to(slot, stage)

    assert torch.equal(loss_of(host), before)


@EVERY_HOST
def test_without_its_slots_it_computes_the_same(build, loss_of):
    host = build().eval()
    first, *_ = find_slots(host).values()
    lead_to(first, SeedStage.FOSSILIZED)
    before = loss_of(host)

    ungraft(host)

    assert torch.equal(loss_of(host), before)
    assert not any("_extra_state" in key for key in host.state_dict())


def test_a_transformer_predicts_without_later_tokens():
    host = transformer().eval()
    first, *_ = find_slots(host).values()
    lead_to(first, SeedStage.FOSSILIZED, "attention")
    tokens = torch.zeros(1, 6, dtype=torch.long)
    changed = tokens.clone()
    changed[:, 3:] = 1

    torch.testing.assert_close(host(tokens)[:, :3], host(changed)[:, :3])


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (cnn, {"num_blocks": 0}, "num_blocks must be at least 1 .*, got 0 and 0"),
        (cnn, {"num_pools": 4}, "num_pools between 0 and that, got 3 and 4"),
        (cnn, {"kernel_size": 2}, "kernel_size must be odd .*, got 2"),
        (transformer, {"num_segments": 4}, "multiple of num_segments, got 2 and 4"),
        (transformer, {"num_heads": 3}, "multiple of num_heads, got 8 and 3"),
    ],
)
def test_invalid_arguments_of_a_host_are_rejected(build, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)


@pytest.mark.parametrize(
    "arguments", [{"num_blocks": 1}, {"num_pools": 0}, {"kernel_size": 1}, {"kernel_size": 5}]
)
def test_a_cnn_accepts_other_numbers_of_blocks_pools_and_kernel_sizes(arguments):
    assert cnn(**arguments)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
