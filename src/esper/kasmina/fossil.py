"""A seed that has become part of the network, without the slot it grew in."""

from torch import Tensor, nn

from esper._generated.enums import AlphaAlgorithm
from esper.kasmina.blend import blend
from esper.kasmina.sample_gate import SampleGate


class Fossil(nn.Module):
    """Runs a seed at full amplitude: what its slot computed, with no life and no telemetry."""

    def __init__(self, seed: nn.Module, gate: SampleGate | None, algorithm: AlphaAlgorithm) -> None:
        """Take over the modules of a slot; their parameters stay the same objects."""
        super().__init__()
        self.seed = seed
        self.gate = gate
        self.algorithm = algorithm

    def forward(self, features: Tensor) -> Tensor:
        """Return the features with the seed's share, in the same shape and dtype."""
        full = features.new_ones(())
        output = self.seed(features)
        return blend(features, output, features, full, algorithm=self.algorithm, gate=self.gate)
