"""The trainer judges seeds by the losses of single samples, and measuring them changes nothing."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from esper._generated.enums import EvidenceMode, SeedStage
from esper._generated.run import EpochCompletedPayload
from esper.kasmina.evidence import EvidenceGates
from esper.kasmina.gates import QualityGates
from esper.kasmina.slot import SeedSlot
from esper.leyline.actions import Advance, Germinate
from esper.nissa.hub import Hub
from esper.nissa.sinks.memory import MemorySink
from esper.tolaria.tasks.objective import LanguageModelling, Regression
from esper.tolaria.tasks.task import Samples, Task
from esper.tolaria.training.scoring import SeedScorer
from esper.tolaria.training.trainer import Trainer

SHADOW, COUNTERFACTUAL = EvidenceMode.SHADOW, EvidenceMode.COUNTERFACTUAL


NUM_DECISIONS = 100


class Host(nn.Module):
    """A layer with dropout and batch norm, a slot, and a head; counts the validation passes."""

    def __init__(self, outputs: int, gates=None) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
        self.slot = SeedSlot("s", 8, topology="mlp", gates=gates)
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, outputs)
        self.num_validations = 0

    def forward(self, x):
        self.num_validations += not self.training and len(x) == NUM_DECISIONS
        return self.head(self.norm(self.slot(self.body(x))))


class TokenHost(nn.Module):
    """Predicts a token from the one before, with a slot in between."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(5, 8)
        self.slot = SeedSlot("s", 8, topology="transformer")
        self.head = nn.Linear(8, 5)

    def forward(self, tokens):
        return self.head(self.slot(self.tokens(tokens)))


class Grow:
    """Plants one seed in epoch 1 and tries to advance it after each."""

    def __init__(self, blueprint_id="mlp_small") -> None:
        self.blueprint_id = blueprint_id
        self.seen = []

    def decide(self, signals):
        (slot,) = signals.slots
        self.seen.append((slot.stage, slot.evidence))
        if slot.stage is SeedStage.DORMANT:
            return [Germinate(slot_id="s", blueprint_id=self.blueprint_id, blend_tempo_epochs=1)]
        return [Advance(slot_id="s")]

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def made(targets, **changes) -> Task:
    inputs = random(len(targets), 4)
    parts = (slice(0, 200), slice(200, None))
    arguments = {
        "name": "made",
        "load_samples": lambda: tuple(
            Samples(inputs=inputs[part], targets=targets[part]) for part in parts
        ),
        "build_host": lambda: Host(3),
        "num_classes": 3,
        "epochs": 6,
        "price_per_parameter": 1e-5,
    }
    return Task(**(arguments | changes))


CLASSES = made(random(300, 3).argmax(dim=1))


def test_looks_are_counted_in_each_mode_and_need_one_pass_each():
    policy = Grow()
    with Hub("test") as hub:
        memory = hub.attach(MemorySink())
        trainer = Trainer(CLASSES, policy=policy, channel=hub.channel(env_id=0))
        trainer.fit()

    statuses = [seed for one in memory.of(EpochCompletedPayload) for seed in one.seeds]
    measured = [one.evidence for one in statuses if one.evidence is not None]
    looks = [(one.mode, one.look, one.seed_number) for one in measured]
    num_later = len(looks) - 1
    assert looks == [
        (SHADOW, 1, 1),
        *((COUNTERFACTUAL, look, 1) for look in range(1, num_later + 1)),
    ]
    assert num_later >= 3
    # A validation after each epoch, and one pass for each look.
    assert trainer.model.num_validations == CLASSES.epochs + len(looks)
    size = trainer.slots["s"].num_seed_params
    assert {(one.num_params, one.price) for one in measured} == {(size, size * 1e-5)}
    assert {one.num_samples for one in measured} == {NUM_DECISIONS}
    assert [evidence for _, evidence in policy.seen if evidence is not None] == measured


def test_measuring_evidence_changes_no_bit_of_the_training(monkeypatch):
    def weights():
        # The batch norm of the seed and the dropout of the host would notice.
        trainer = Trainer(CLASSES, policy=Grow())
        trainer.slots["s"].gates = QualityGates()
        trainer.fit()
        return trainer.model.state_dict() | {"random": torch.get_rng_state()}

    measured = weights()

    def accuracy_only(_scorer, slots, _samples, validation):
        for slot in slots:
            slot.record_accuracy(validation.accuracy)

    monkeypatch.setattr(SeedScorer, "score", accuracy_only)
    plain = weights()

    different = [name for name, value in measured.items() if not torch.equal(value, plain[name])]
    assert different == ["slot._extra_state"]


@pytest.mark.parametrize(
    "task",
    [
        CLASSES,
        made(
            random(300, 1),
            build_host=lambda: Host(1),
            objective=Regression(),
            num_classes=None,
        ),
        made(
            (random(300, 6) > 0).long(),
            load_samples=lambda: tuple(
                Samples(inputs=(random(100, 6) > 0).long(), targets=(random(100, 6) > 0.5).long())
                for _ in range(2)
            ),
            build_host=TokenHost,
            objective=LanguageModelling(),
            num_classes=5,
        ),
    ],
    ids=lambda task: type(task.objective).__name__,
)
def test_seeds_of_every_kind_of_task_are_judged(task):
    policy = Grow()

    Trainer(task, policy=policy).fit()

    modes = {evidence.mode for _, evidence in policy.seen if evidence is not None}
    assert modes >= {SHADOW}


def test_the_trainer_asks_for_evidence_where_the_host_says_nothing_else():
    own = QualityGates(permissive=True)

    assert isinstance(Trainer(CLASSES).slots["s"].gates, EvidenceGates)
    task = replace(CLASSES, build_host=lambda: Host(3, own))
    assert Trainer(task).slots["s"].gates is own
    assert isinstance(SeedSlot("s", 8).gates, QualityGates)


def test_a_resumed_run_goes_on_counting_seeds():
    trainer = Trainer(CLASSES, policy=Grow())
    trainer.fit()
    state = trainer.state_dict()
    resumed, older = (Trainer(CLASSES, policy=Grow()) for _ in range(2))

    resumed.load_state_dict(state)
    older.load_state_dict({key: value for key, value in state.items() if key != "evidence"})

    assert resumed.state_dict()["evidence"] == {"num_seeds": 1}
    assert older.state_dict()["evidence"] == {"num_seeds": 0}
    evidence = trainer.slots["s"].evidence
    assert evidence is not None
    # Not the time that the pass took: equal runs save equal bytes.
    assert resumed.slots["s"].evidence == replace(evidence, duration_s=None)


def test_without_a_price_the_seed_must_earn_what_a_wider_host_gains():
    policy = Grow()
    trainer = Trainer(replace(CLASSES, price_per_parameter=None), policy=policy)
    trainer.fit()

    evidence = trainer.slots["s"].evidence
    assert evidence.price == pytest.approx(0.057 * evidence.num_params / trainer.num_host_params)


def test_a_price_must_not_be_negative():
    with pytest.raises(ValueError, match="price_per_parameter must be at least 0"):
        replace(CLASSES, price_per_parameter=-1e-6)


@pytest.mark.parametrize(("price", "num_warnings"), [(1.0, 1), (1e-5, 0)])
def test_a_seed_whose_price_is_more_than_all_of_the_loss_is_named_in_a_warning(
    caplog, price, num_warnings
):
    Trainer(replace(CLASSES, price_per_parameter=price), policy=Grow()).fit()

    warned = [record.getMessage() for record in caplog.records if "cannot pay" in record.msg]
    assert len(warned) == num_warnings
    assert all("seed 's-mlp_small' cannot pay: its 280 parameters" in text for text in warned)
