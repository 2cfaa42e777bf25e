"""The rotation takes blueprints in turn and leaves out those that failed recently."""

from esper.tamiyo.rotation import BlueprintRotation


def test_takes_blueprints_in_turn():
    rotation = BlueprintRotation(("a", "b", "c"), skip_penalty=3.0)

    assert [rotation.choose() for _ in range(4)] == ["a", "b", "c", "a"]


def test_leaves_out_a_blueprint_that_failed_until_its_penalty_has_decayed():
    rotation = BlueprintRotation(("a", "b"), skip_penalty=1.0)
    rotation.penalise("a")

    skipped = 0
    while rotation.choose() == "b":
        rotation.decay()
        skipped += 1

    assert skipped == 14


def test_moves_on_even_when_every_blueprint_failed():
    rotation = BlueprintRotation(("a", "b"), skip_penalty=1.0)
    for name in ("a", "b"):
        rotation.penalise(name)

    assert [rotation.choose() for _ in range(3)] == ["a", "b", "a"]


def test_drops_small_penalties():
    rotation = BlueprintRotation(("a",), skip_penalty=1.0)
    rotation.penalise("a")

    for _ in range(60):
        rotation.decay()

    assert rotation.penalties == {}
