"""Losses and metrics of classification, language modelling and regression, against plain formulas."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from esper import RunSettings, Samples, Task, Trainer, UsageError
from esper._generated.enums import RunOutcome
from esper.tolaria.tasks.mnist1d import MNIST1D
from esper.tolaria.tasks.objective import Classification, LanguageModelling, Regression
from esper.tolaria.tasks.pydoc import PYDOC, text_hash


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


CASES = {
    "classification": (Classification(), random(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])),
    "language": (LanguageModelling(), random(6, 5, 4), torch.arange(30).view(6, 5) % 4),
    "regression": (Regression(target_variance=2.0), random(6, 3), random(6, 3) + 1.0),
    "regression of one number": (Regression(), random(6), random(6) + 1.0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_loss_is_the_mean_of_the_samples_losses(case):
    objective, outputs, targets = CASES[case]
    losses = objective.losses(outputs, targets)

    assert losses.shape == objective.scores(outputs, targets).shape == (6,)
    torch.testing.assert_close(objective.loss(outputs, targets), losses.mean())


@pytest.mark.parametrize("case", ["classification", "language"])
def test_cross_entropy_and_accuracy_are_those_of_the_formula(case):
    objective, outputs, targets = CASES[case]
    chosen = outputs.log_softmax(-1).gather(-1, targets[..., None])
    right = (outputs.argmax(-1) == targets).float()

    torch.testing.assert_close(objective.loss(outputs, targets), -chosen.mean())
    torch.testing.assert_close(objective.scores(outputs, targets).mean(), right.mean())
    assert objective.random_guess_loss(4) == math.log(4)


def test_the_score_of_a_regression_is_r_squared():
    targets = random(1000, 1)
    targets = (targets - targets.mean()) / targets.std(correction=0)
    outputs = targets + 0.5 * torch.randn(1000, 1, generator=torch.Generator().manual_seed(1))
    r_squared = 1 - (targets - outputs).square().sum() / targets.square().sum()

    score = Regression().scores(outputs, targets).mean()

    torch.testing.assert_close(score, r_squared)
    assert Regression().loss(torch.zeros_like(targets), targets) == pytest.approx(0.5)


def test_outputs_are_not_broadcast_to_the_targets():
    with pytest.raises(ValueError, match=r"the shape of the targets, \(6,\), got \(6, 1\)"):
        Regression().loss(random(6, 1), random(6))


@pytest.mark.parametrize("variance", [0.0, -1.0, "1"])
def test_a_variance_must_be_positive(variance):
    with pytest.raises(ValueError, match="target_variance must be"):
        Regression(target_variance=variance)


def test_the_trainer_serves_regression_and_tests_on_the_third_split():
    def load():
        inputs = random(300, 3)
        targets = inputs.sum(dim=1, keepdim=True) / math.sqrt(3)
        parts = (slice(0, 200), slice(200, 250), slice(250, 300))
        return tuple(Samples(inputs=inputs[part], targets=targets[part]) for part in parts)

    task = Task(
        name="sum",
        load_samples=load,
        build_host=lambda: nn.Linear(3, 1),
        objective=Regression(),
        epochs=10,
        optimizer="adamw",
    )
    trainer = Trainer(task)
    before = trainer.validate()

    assert trainer.fit() is RunOutcome.COMPLETED
    assert trainer.validate().loss < before.loss
    assert trainer.test().accuracy > 50.0
    assert before.accuracy >= 0.0


def test_a_test_needs_test_samples():
    task = replace(MNIST1D, load_samples=lambda: MNIST1D.load_samples()[:2])

    with pytest.raises(UsageError, match="got task 'mnist1d' without them"):
        Trainer(task).test()


def test_an_objective_with_classes_needs_their_number():
    with pytest.raises(ValueError, match="num_classes must be given for Classification, got None"):
        replace(MNIST1D, num_classes=None)
    with pytest.raises(ValueError, match="optimizer must be one of sgd, adamw, got 'adam'"):
        replace(MNIST1D, optimizer="adam")
    with pytest.raises(ValueError, match="objective must be an Objective, got 'mse'"):
        replace(MNIST1D, objective="mse")


def test_mnist1d_has_three_splits_of_standardised_signals_and_is_learnable():
    train, decisions, test = MNIST1D.load_samples()

    assert [len(one) for one in (train, decisions, test)] == [4000, 1000, 1000]
    assert train.inputs.shape[1:] == (1, 40)
    assert abs(float(train.inputs.mean())) < 1e-3
    assert sorted(train.targets.unique().tolist()) == list(range(10))
    assert torch.equal(MNIST1D.load_samples()[2].inputs, test.inputs)
    trainer = Trainer(MNIST1D, RunSettings(epochs=3))
    assert trainer.num_host_params == 2442
    trainer.fit()
    assert trainer.test().accuracy > 30.0


def test_pydoc_has_three_splits_of_consecutive_text_and_is_learnable():
    train, decisions, test = (part for part in PYDOC.load_samples())

    assert torch.equal(train.inputs[0, 1:], train.targets[0, :-1])
    assert len(train) > 15 * len(decisions) > 15 * 200
    assert len(decisions) == len(test)
    assert len(text_hash()) == 64
    few = tuple(
        Samples(inputs=one.inputs[:640], targets=one.targets[:640])
        for one in (train, decisions, test)
    )
    trainer = Trainer(PYDOC, RunSettings(epochs=2), few)
    trainer.fit()
    assert trainer.test().loss < 0.7 * math.log(256)
