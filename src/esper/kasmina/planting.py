"""What a germination asks for, checked before anything is built."""

from esper._generated.enums import AlphaAlgorithm, Gate, SeedStage
from esper.kasmina.alpha import BLEND_CURVES, BlendAlgorithm
from esper.kasmina.gates import QualityGates, evaluate
from esper.kasmina.state import SeedState
from esper.leyline.errors import SlotError


def plan_seed(
    blueprint_id: str,
    seed_id: str,
    *,
    blend_algorithm_id: BlendAlgorithm,
    blend_tempo_epochs: int,
    algorithm: AlphaAlgorithm,
    blend_target: float,
) -> SeedState:
    """Return the state of a seed that has just germinated.

    Raises:
        SlotError: an argument is out of its range, two do not go together, or gate G0 refuses the names.
    """
    if blend_algorithm_id not in BLEND_CURVES:
        raise SlotError(
            f"blend_algorithm_id must be one of {', '.join(BLEND_CURVES)}, got {blend_algorithm_id!r}"
        )
    if (blend_algorithm_id == "gated") != (algorithm is AlphaAlgorithm.GATE):
        raise SlotError(
            "blending with a gate needs both blend_algorithm_id 'gated' and algorithm GATE, got"
            f" {blend_algorithm_id!r} and {algorithm.name}; set both or neither"
        )
    if blend_tempo_epochs < 1:
        raise SlotError(f"blend_tempo_epochs must be at least 1, got {blend_tempo_epochs}")
    if not 0.0 < blend_target <= 1.0:
        raise SlotError(f"alpha_target must be in (0, 1], got {blend_target}")
    state = SeedState(
        seed_id=seed_id,
        blueprint_id=blueprint_id,
        stage=SeedStage.GERMINATED,
        algorithm=algorithm,
        blend_algorithm_id=blend_algorithm_id,
        blend_tempo_epochs=blend_tempo_epochs,
        blend_target=blend_target,
    )
    if not (result := evaluate(Gate.G0, state, QualityGates())).passed:
        raise SlotError(f"a seed must have an id and a blueprint, got {result.message}")
    return state
