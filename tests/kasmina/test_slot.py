"""A slot leads a seed through its stages, and no operation leaves it between two states."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esper._generated.channel import Context
from esper._generated.enums import AlphaAlgorithm, AlphaCurve, Gate, SeedStage
from esper.kasmina.gates import QualityGates
from esper.kasmina.slot import SeedSlot
from esper.kasmina.state import MAX_REASON_LENGTH
from esper.leyline.channel import TelemetryChannel
from esper.leyline.errors import SlotError
from esper.leyline.lifecycle import has_seed, is_failure, may_follow
from tests.kasmina.lives import CHANNELS, PERMISSIVE, lead_to, slot_in
from tests.kasmina.replay import Recorder

EVERY_STAGE = [stage for stage in SeedStage if stage is not SeedStage.UNKNOWN]
BELOW_FULL = {"alpha_target": 0.5, "steps": 2}


class FailingChannel(Recorder):
    """A channel that raises at the n-th event."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def send(self, payload) -> None:
        super().send(payload)
        if len(self.events) == self.n:
            raise OSError("broken")


class Silent(Recorder):
    """A channel without a listener, which fails if it is sent a payload."""

    def __init__(self) -> None:
        super().__init__()
        self.listening = False

    def send(self, payload) -> None:
        raise AssertionError("there is no listener")


def emitted(slot: SeedSlot) -> list[str]:
    """Return the events that the slot sent to its recorder, shortened."""
    lines = []
    for event in slot.channel.events:
        payload = event["payload"]
        name = event["event"].removeprefix("SEED_")
        if name == "STAGE_CHANGED":
            name = f"{payload['from_stage']} -> {payload['to_stage']}"
        elif name == "GATE_EVALUATED":
            name = f"{payload['gate']} {'passed' if payload['passed'] else 'failed'}"
        lines.append(name)
    return lines


def snapshot(slot: SeedSlot) -> tuple:
    """Return the whole state of a slot: figures, weights, and which of them learn."""
    return str(slot.state_dict()), {n: p.requires_grad for n, p in slot.named_parameters()}


def test_a_life_that_ends_as_a_fossil_is_emitted_in_order():
    slot = lead_to(
        SeedSlot("r0c0", CHANNELS, gates=PERMISSIVE, channel=Recorder()), SeedStage.FOSSILIZED
    )

    assert emitted(slot) == [
        "GERMINATED",
        *("G1 passed", "GERMINATED -> TRAINING"),
        *("G2 passed", "TRAINING -> BLENDING"),
        *("G3 passed", "BLENDING -> HOLDING"),
        *("G5 passed", "HOLDING -> FOSSILIZED", "FOSSILIZED"),
    ]


def test_a_fossil_can_be_removed_by_the_governor():
    slot = slot_in(SeedStage.FOSSILIZED, channel=Recorder())

    assert slot.remove_fossil("governor_nan", initiator="governor")

    assert emitted(slot) == ["FOSSILIZED -> PRUNED", "PRUNED"]
    assert (slot.seed, slot.stage) == (None, SeedStage.PRUNED)


@pytest.mark.parametrize(
    "stage", [stage for stage in EVERY_STAGE if stage is not SeedStage.FOSSILIZED]
)
def test_remove_fossil_removes_only_fossils(stage):
    slot = slot_in(stage)
    before = snapshot(slot)

    assert not slot.remove_fossil("governor_nan", initiator="governor")
    assert snapshot(slot) == before


def test_a_life_that_ends_in_a_prune_is_emitted_in_order():
    slot = SeedSlot("r0c0", CHANNELS, channel=Recorder())
    slot.germinate("norm")
    slot.advance_stage()
    slot.prune("low_contribution")
    while not slot.is_empty:
        slot.step_epoch()

    assert emitted(slot) == [
        *("GERMINATED", "G1 passed", "GERMINATED -> TRAINING"),
        *("TRAINING -> PRUNED", "PRUNED"),
        *("PRUNED -> EMBARGOED", "EMBARGOED -> RESETTING", "RESETTING -> DORMANT"),
    ]


def test_an_event_carries_the_context_of_the_channel():
    sent = []

    class Transport:
        """Keeps epoch and environment of each payload."""

        def connect(self, channel):
            channel.listening = True

        def deliver(self, context, payload):
            sent.append((context.epoch, payload.env_id))

    channel = TelemetryChannel(Transport(), Context(), strict=True).bind(env_id=3)
    slot = slot_in(SeedStage.TRAINING, channel=channel)
    channel.advance(epoch=7)

    slot.prune()

    assert sent == [(7, 3), (7, 3)]


@pytest.mark.parametrize(
    ("stage", "act"),
    [
        (SeedStage.DORMANT, lambda slot: slot.germinate("norm", "mine")),
        (SeedStage.GERMINATED, lambda slot: slot.advance_stage()),
        (SeedStage.TRAINING, lambda slot: slot.advance_stage()),
        (SeedStage.HOLDING, lambda slot: slot.advance_stage()),
        (SeedStage.BLENDING, lambda slot: slot.prune("why")),
        (SeedStage.HOLDING, lambda slot: slot.schedule_prune(steps=2, reason="why")),
        (SeedStage.HOLDING, lambda slot: slot.set_alpha_target(**BELOW_FULL)),
        (SeedStage.PRUNED, lambda slot: slot.step_epoch()),
        (SeedStage.RESETTING, lambda slot: slot.step_epoch()),
    ],
    ids=lambda value: getattr(value, "name", "-"),
)
def test_when_the_channel_raises_the_slot_is_in_the_state_before_or_after(stage, act):
    sound = slot_in(stage, channel=Recorder())
    before = snapshot(sound)
    act(sound)
    after = snapshot(sound)

    for n in range(1, len(sound.channel.events) + 1):
        slot = slot_in(stage, channel=FailingChannel(n))
        with pytest.raises(OSError, match="broken"):
            act(slot)
        assert snapshot(slot) in (before, after)


def test_without_a_listener_no_figures_are_read(monkeypatch):
    def fail(_):
        raise AssertionError("read without a listener")

    for figure in ("num_seed_params", "has_gradient_health", "alpha", "contribution"):
        monkeypatch.setattr(SeedSlot, figure, property(fail))

    lead_to(SeedSlot("r0c0", CHANNELS, gates=PERMISSIVE, channel=Silent()), SeedStage.FOSSILIZED)
    lead_to(SeedSlot("r0c0", CHANNELS, gates=PERMISSIVE, channel=Silent()), SeedStage.RESETTING)


class TestAdvance:
    @pytest.mark.parametrize("stage", [SeedStage.PRUNED, SeedStage.EMBARGOED, SeedStage.RESETTING])
    def test_a_stage_of_the_cool_down_cannot_be_the_target(self, stage):
        slot = slot_in(SeedStage.TRAINING, channel=Recorder())

        with pytest.raises(SlotError, match=f"cool-down, got {stage.name}; use prune"):
            slot.advance_stage(stage)

        assert (slot.stage, emitted(slot)) == (SeedStage.TRAINING, [])

    @pytest.mark.parametrize("target", [None, *EVERY_STAGE])
    @pytest.mark.parametrize(
        "stage", [SeedStage.DORMANT, SeedStage.FOSSILIZED, SeedStage.PRUNED], ids=lambda s: s.name
    )
    def test_without_a_next_stage_the_result_is_a_failed_g0_for_any_target(self, stage, target):
        slot = slot_in(stage, channel=Recorder())

        result = slot.advance_stage(target)

        assert (result.gate, result.passed) == (Gate.G0, False)
        assert result.message == f"no seed to advance in {stage.name}"
        assert emitted(slot) == []

    @pytest.mark.parametrize(
        ("stage", "target", "line"),
        [
            (SeedStage.TRAINING, SeedStage.GERMINATED, "G0 passed"),
            (SeedStage.TRAINING, SeedStage.DORMANT, "G0 passed"),
            (SeedStage.TRAINING, SeedStage.HOLDING, "G3 failed"),
            (SeedStage.BLENDING, SeedStage.BLENDING, "G2 passed"),
        ],
    )
    def test_a_stage_out_of_order_is_not_entered_even_if_its_gate_passes(self, stage, target, line):
        slot = slot_in(stage, channel=Recorder())

        result = slot.advance_stage(target)

        assert not result.passed
        assert (slot.stage, emitted(slot)) == (stage, [line])

    def test_a_holding_seed_can_return_to_blending(self):
        slot = slot_in(SeedStage.HOLDING, channel=Recorder())
        slot.record_accuracy(52.0)

        assert slot.advance_stage(SeedStage.BLENDING).passed
        assert (slot.stage, slot.alpha) == (SeedStage.BLENDING, 1.0)


class TestPrune:
    @pytest.mark.parametrize("stage", EVERY_STAGE, ids=lambda stage: stage.name)
    def test_a_seed_is_removed_and_a_fossil_stays(self, stage):
        slot = slot_in(stage, channel=Recorder())
        is_removed = has_seed(stage) and stage is not SeedStage.FOSSILIZED

        assert slot.prune("why") is is_removed

        assert slot.stage is (SeedStage.PRUNED if is_removed else stage)
        assert (slot.seed is None) is (stage is not SeedStage.FOSSILIZED)
        assert emitted(slot) == ([f"{stage.name} -> PRUNED", "PRUNED"] if is_removed else [])

    @pytest.mark.parametrize("reason", ["governor_nan", "governor_rollback"])
    def test_only_reasons_of_the_governor_make_a_prune_automatic(self, reason):
        for given_reason, is_auto in ((reason, True), ("low_contribution", False)):
            slot = slot_in(SeedStage.TRAINING, channel=Recorder())
            slot.prune(given_reason, initiator="operator")

            payload = slot.channel.events[-1]["payload"]
            assert (payload["auto_pruned"], payload["initiator"]) == (is_auto, "operator")


class TestBlendingOut:
    def test_the_seed_stops_learning_at_once_and_is_pruned_at_amplitude_0(self):
        slot = slot_in(SeedStage.HOLDING, channel=Recorder())

        assert slot.schedule_prune(steps=2, curve=AlphaCurve.LINEAR)
        assert not any(p.requires_grad for p in slot.parameters())
        alphas = []
        while slot.seed is not None:
            alphas.append(slot.alpha)
            slot.step_epoch()

        assert alphas == [1.0, 0.5]
        assert slot.channel.events[-1]["payload"]["reason"] == "scheduled_prune"

    def test_it_learns_again_in_the_epoch_after_a_partial_target(self):
        slot = slot_in(SeedStage.HOLDING)
        slot.set_alpha_target(alpha_target=0.5, steps=1)
        learns = []
        for _ in range(3):
            learns.append(all(p.requires_grad for p in slot.parameters()))
            slot.step_epoch()

        assert learns == [False, False, True]

    @pytest.mark.parametrize("steps", [0, -1])
    def test_without_steps_it_is_pruned_at_once(self, steps):
        slot = slot_in(SeedStage.HOLDING)

        assert slot.schedule_prune(steps=steps)
        assert slot.stage is SeedStage.PRUNED

    def test_a_ramp_under_way_continues(self):
        slot = slot_in(SeedStage.BLENDING)
        before = snapshot(slot)

        assert not slot.schedule_prune(steps=2)
        assert not slot.set_alpha_target(**BELOW_FULL)
        assert snapshot(slot) == before

    def test_without_a_curve_the_previous_one_is_used(self):
        slot = slot_in(SeedStage.HOLDING, blend_algorithm_id="sigmoid")
        slot.schedule_prune(steps=3)
        slot.step_epoch()

        assert slot.alpha == pytest.approx(0.8827, abs=5e-5)

    def test_a_prune_by_a_target_of_0_names_the_initiator(self):
        slot = slot_in(SeedStage.HOLDING, channel=Recorder())
        slot.set_alpha_target(alpha_target=1e-9, steps=1, initiator="operator")
        slot.step_epoch()

        payload = slot.channel.events[-1]["payload"]
        assert (payload["reason"], payload["initiator"]) == ("scheduled_prune", "operator")


class TestSetAlphaTarget:
    @pytest.mark.parametrize("stage", EVERY_STAGE, ids=lambda stage: stage.name)
    def test_only_a_seed_in_blending_or_holding_accepts_a_target(self, stage):
        slot = slot_in(stage)
        slot.step_epoch()
        accepts = slot.stage in (SeedStage.BLENDING, SeedStage.HOLDING)

        assert slot.set_alpha_target(**BELOW_FULL) is accepts

    @pytest.mark.parametrize("target", [0.0, -1.0, float("nan")])
    def test_a_target_that_is_not_positive_is_ignored(self, target):
        assert not slot_in(SeedStage.HOLDING).set_alpha_target(alpha_target=target, steps=1)

    def test_with_a_target_below_1_a_holding_seed_returns_to_blending(self):
        slot = slot_in(SeedStage.HOLDING, channel=Recorder())

        slot.set_alpha_target(**BELOW_FULL)
        slot.step_epoch()
        slot.step_epoch()

        assert emitted(slot) == ["HOLDING -> BLENDING"]
        assert slot.alpha == 0.5
        assert not slot.advance_stage().passed

    @pytest.mark.parametrize("target", [1.0, 1.5, 1.0 - 1e-7])
    def test_with_a_target_of_1_a_holding_seed_keeps_holding(self, target):
        slot = slot_in(SeedStage.HOLDING)

        assert slot.set_alpha_target(alpha_target=target, steps=2)
        assert (slot.stage, slot.is_ready_to_hold) == (SeedStage.HOLDING, True)

    def test_the_gate_is_created_and_removed_with_the_algorithm(self):
        slot = slot_in(SeedStage.HOLDING)

        slot.set_alpha_target(alpha_target=1.0, steps=1, alpha_algorithm=AlphaAlgorithm.GATE)
        assert slot.gate is not None
        slot.set_alpha_target(alpha_target=1.0, steps=1, alpha_algorithm=AlphaAlgorithm.MULTIPLY)
        assert slot.gate is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", 8), "slot_id must have 1 to 64 characters, got ''"),
        (("r" * 65, 8), "slot_id must have 1 to 64 characters, got 'rrr"),
        (("r0c0", 0), "channels must be positive, got 0"),
        ((3, 8), "slot_id must be a string, got 3"),
        (("r0c0", "8"), "channels must be a whole number, got '8'"),
        (("r0c0", 8.0), "channels must be a whole number, got 8.0"),
        (
            ("r0c0", 8, "graph"),
            "topology must be one of cnn, transformer, conv1d, mlp, got 'graph'",
        ),
    ],
)
def test_invalid_arguments_of_a_slot_are_rejected(arguments, message):
    slot_id, channels, *topology = arguments

    with pytest.raises(ValueError, match=message):
        SeedSlot(slot_id, channels, **({"topology": topology[0]} if topology else {}))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda slot: slot.schedule_prune(steps=2.5), "steps must be a whole number, got 2.5"),
        (
            lambda slot: slot.schedule_prune(steps=2, curve="LINEAR"),
            "curve must be of type AlphaCurve",
        ),
        (lambda slot: slot.schedule_prune(steps=2, reason=3), "reason must be of type str, got 3"),
        (lambda slot: slot.prune(None), "reason must be of type str, got None"),
        (
            lambda slot: slot.prune("", initiator=""),
            "initiator must have 1 to 64 characters, got ''",
        ),
        (
            lambda slot: slot.set_alpha_target(alpha_target=0.5, steps="3"),
            "steps must be a whole number, got '3'",
        ),
        (
            lambda slot: slot.set_alpha_target(alpha_target="half", steps=3),
            "alpha_target must be a number, got 'half'",
        ),
        (
            lambda slot: slot.set_alpha_target(alpha_target=0.5, steps=3, alpha_algorithm="ADD"),
            "alpha_algorithm must be of type AlphaAlgorithm, got 'ADD'",
        ),
        (
            lambda slot: slot.set_alpha_target(alpha_target=0.5, steps=3, initiator="x" * 65),
            "initiator must have 1 to 64 characters",
        ),
        (lambda slot: slot.advance_stage("FOSSILIZED"), "target_stage must be of type SeedStage"),
        (
            lambda slot: slot.force_alpha("1").__enter__(),
            "a forced alpha must be a number, got '1'",
        ),
    ],
)
def test_arguments_of_another_type_leave_the_slot_unchanged(call, message):
    recorder = Recorder()
    slot = slot_in(SeedStage.HOLDING, channel=recorder)
    before, num_events = str(slot.state_dict()), len(recorder.events)

    with pytest.raises(SlotError, match=message):
        call(slot)

    assert str(slot.state_dict()) == before
    assert len(recorder.events) == num_events


@pytest.mark.parametrize("value", ["high", None, []])
def test_a_figure_that_is_not_a_number_is_refused(value):
    slot = slot_in(SeedStage.HOLDING)

    with pytest.raises(ValueError, match="accuracy must be a number, got "):
        slot.record_accuracy(value)
    with pytest.raises(ValueError, match="contribution must be a number, got "):
        slot.record_contribution(value)


def test_a_long_reason_is_cut_to_the_length_that_telemetry_allows():
    recorder = Recorder()
    slot = slot_in(SeedStage.HOLDING, channel=recorder)

    slot.prune("x" * 500)

    (reason,) = [
        event["payload"]["reason"] for event in recorder.events if "reason" in event["payload"]
    ]
    assert reason == "x" * 253 + "..."
    assert len(reason) == MAX_REASON_LENGTH


OPERATIONS = st.sampled_from(
    [
        lambda slot: slot.germinate("norm", blend_tempo_epochs=1),
        lambda slot: slot.germinate("norm", blend_tempo_epochs=0),
        lambda slot: slot.advance_stage(),
        lambda slot: slot.advance_stage(SeedStage.BLENDING),
        lambda slot: slot.advance_stage(SeedStage.PRUNED),
        lambda slot: slot.step_epoch(),
        lambda slot: slot.record_accuracy(50.0),
        lambda slot: slot.record_contribution(2.0),
        lambda slot: slot.prune(),
        lambda slot: slot.schedule_prune(steps=2),
        lambda slot: slot.set_alpha_target(**BELOW_FULL),
        lambda slot: slot.set_alpha_target(alpha_target=1.0, steps=0),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(OPERATIONS, max_size=40), st.booleans())
def test_no_sequence_of_operations_leads_to_an_invalid_state(operations, permissive):
    slot = SeedSlot("r0c0", CHANNELS, gates=QualityGates(permissive=permissive), channel=Recorder())
    for operate in operations:
        stage, before = slot.stage, snapshot(slot)
        try:
            operate(slot)
        except SlotError:
            assert snapshot(slot) == before
        assert stage is slot.stage or may_follow(stage, slot.stage)
        assert (slot.seed is not None) == has_seed(slot.stage)
        assert 0.0 <= slot.alpha <= 1.0
        assert slot.alpha == 0.0 or slot.stage >= SeedStage.BLENDING
        if slot.is_empty or is_failure(slot.stage):
            assert (slot.alpha, slot.num_seed_params) == (0.0, 0)

    changes = [e["payload"] for e in slot.channel.events if e["event"] == "SEED_STAGE_CHANGED"]
    assert all(
        may_follow(SeedStage[change["from_stage"]], SeedStage[change["to_stage"]])
        for change in changes
    )
