"""A compiled network with slots compiles a bounded number of graphs in the life of a seed."""

import pytest
import torch
from torch import nn

from esper.kasmina.slot import SeedSlot
from tests.kasmina.lives import PERMISSIVE

# The tracer of torch.compile instantiates `autograd.Function`, which PyTorch warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")

# One for training and one for evaluation in each of TRAINING, BLENDING and HOLDING, where they differ.
GRAPHS_PER_LIFE = {"cnn": 6, "transformer": 6}
SHAPES = {"cnn": (2, 4, 3, 3), "transformer": (2, 3, 4)}
LAYERS = {"cnn": lambda: nn.Conv2d(4, 4, 1), "transformer": lambda: nn.Linear(4, 4)}
BLUEPRINTS = {"cnn": ["norm", "conv_light", "depthwise"], "transformer": ["norm", "lora", "mlp"]}


class Compiled:
    """A network with one slot, compiled by a backend that counts its calls."""

    def __init__(self, topology):
        torch.compiler.reset()
        self.slot = SeedSlot("s", 4, topology=topology, gates=PERMISSIVE)
        self.model = nn.Sequential(LAYERS[topology](), self.slot, LAYERS[topology]())
        self.num_graphs = 0
        # With `fullgraph`, reaching the limit of recompilations is an error instead of a warning.
        self._compiled = torch.compile(self.model, backend=self._count, fullgraph=True)
        self._inputs = torch.ones(SHAPES[topology])

    def _count(self, graph, _inputs):
        self.num_graphs += 1
        return graph.forward

    def epoch(self):
        """Train and evaluate once."""
        self._compiled(self._inputs).sum().backward()
        self.model.eval()
        with torch.no_grad():
            self._compiled(self._inputs)
        self.model.train()

    def live(self, blueprint_id):
        """Lead a seed from planting to the end of its cool-down; return the number of graphs that this compiled."""
        before, slot = self.num_graphs, self.slot
        slot.germinate(blueprint_id, blend_tempo_epochs=3)
        slot.advance_stage()
        self.epoch()
        slot.record_accuracy(1.0)
        slot.advance_stage()
        for _ in range(3):
            slot.step_epoch()
            self.epoch()
        slot.record_accuracy(1.0)
        slot.advance_stage()
        self.epoch()
        slot.prune()
        while not slot.is_empty:
            self.epoch()
            slot.step_epoch()
        self.epoch()
        return self.num_graphs - before


@pytest.mark.parametrize("topology", ["cnn", "transformer"])
def test_the_graphs_of_a_life_are_bounded(topology):
    network = Compiled(topology)
    network.epoch()
    assert network.num_graphs == 2

    first, again = [network.live(BLUEPRINTS[topology][0]) for _ in range(2)]

    assert first <= GRAPHS_PER_LIFE[topology]
    assert again == 0


@pytest.mark.parametrize("topology", ["cnn", "transformer"])
def test_with_a_reset_before_each_planting_every_life_is_compiled(topology):
    network = Compiled(topology)
    for blueprint_id in BLUEPRINTS[topology] * 2:
        torch.compiler.reset()
        # The graphs of the empty slot are compiled again too.
        assert 3 <= network.live(blueprint_id) <= GRAPHS_PER_LIFE[topology] + 2


def test_without_it_the_limit_is_reached():
    network = Compiled("transformer")
    network.epoch()

    network.live("norm")
    with pytest.raises(torch._dynamo.exc.FailOnRecompileLimitHit):
        network.live("mlp")


@pytest.fixture(autouse=True)
def _reset():
    yield
    torch.compiler.reset()
