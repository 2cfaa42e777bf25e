"""Samples and their order, the checks of a task, and the data of `digits`."""

from dataclasses import replace

import pytest
import torch

from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.tasks.task import Samples, Task, build_host, hash_samples, load_samples

TEN = Samples(inputs=torch.arange(10.0), targets=torch.arange(10))


def order(seed: int, epoch: int) -> list[int]:
    return [
        int(t) for batch in TEN.shuffled_batches(3, seed=seed, epoch=epoch) for t in batch.targets
    ]


def test_an_epoch_visits_every_sample_once():
    assert sorted(order(0, 1)) == list(range(10))
    assert [len(batch) for batch in TEN.shuffled_batches(3, seed=0, epoch=1)] == [3, 3, 3, 1]


def test_the_order_follows_from_seed_and_epoch_alone():
    torch.manual_seed(1)
    first = order(0, 5)
    torch.manual_seed(2)

    assert order(0, 5) == first
    assert order(0, 6) != first
    assert order(1, 5) != first


def test_inputs_stay_with_their_targets():
    for batch in TEN.shuffled_batches(4, seed=3, epoch=1):
        assert torch.equal(batch.inputs.long(), batch.targets)


def test_digits_are_the_real_images_split_by_class():
    parts = DIGITS.load_samples()
    train = parts[0]

    assert [len(part) for part in parts] == [719, 539, 539]
    images = torch.cat([part.inputs for part in parts]).flatten(start_dim=1)
    # 1,797 images of which no two are alike: no image is in two of the parts.
    assert len(images.unique(dim=0)) == 1797
    assert train.inputs.shape[1:] == (1, 8, 8)
    assert 0.0 <= float(train.inputs.min()) < float(train.inputs.max()) <= 1.0
    first, *others = (torch.bincount(part.targets, minlength=10) / len(part) for part in parts)
    assert all(torch.allclose(first, other, atol=0.01) for other in others)


def test_the_hash_of_samples_follows_their_values_shape_and_type():
    inputs = torch.arange(12.0)
    variants = [
        inputs,
        inputs.view(12, 1),
        inputs.double(),
        inputs.bfloat16(),
        inputs.flip(0),
        torch.zeros(12),
    ]
    samples = [Samples(inputs=one, targets=torch.arange(12)) for one in variants]

    hashes = [hash_samples((one, TEN)) for one in samples]

    assert len({one["training"] for one in hashes}) == len(variants)
    assert {one["validation"] for one in hashes} == {hash_samples((TEN, TEN))["training"]}
    column = torch.stack((inputs, inputs), 1)[:, 0]
    strided = Samples(inputs=column, targets=torch.arange(12))
    assert hash_samples((strided,)) == {"training": hashes[0]["training"]}


def test_samples_that_are_large_or_sparse_have_no_hash(monkeypatch):
    sparse = Samples(inputs=torch.eye(10).to_sparse(), targets=torch.arange(10))
    assert list(hash_samples((sparse, TEN))) == ["validation"]
    monkeypatch.setattr("esper.tolaria.tasks.task.MAX_HASHED_BYTES", 8)
    assert hash_samples((TEN, TEN)) == {}


def test_the_split_does_not_depend_on_the_random_state():
    torch.manual_seed(1)
    first = DIGITS.load_samples()[1].targets
    torch.manual_seed(2)

    assert torch.equal(DIGITS.load_samples()[1].targets, first)


@pytest.mark.parametrize("num_targets", [0, 9])
def test_samples_without_a_target_each_are_rejected(num_targets):
    with pytest.raises(ValueError, match=f"got 10 inputs and {num_targets} targets"):
        Samples(inputs=torch.arange(10.0), targets=torch.arange(num_targets))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "a task's name must have 1 to 64 characters, got ''"),
        ({"name": "x" * 65}, "a task's name must have 1 to 64 characters"),
        ({"num_classes": 1}, "num_classes must be at least 2, got 1"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"name": 3}, "a task's name must be a string, got 3"),
        ({"epochs": 2.5}, "epochs must be a whole number, got 2.5"),
        ({"build_host": None}, "build_host must be a function, got None"),
        ({"momentum": "high"}, "momentum must be a number, got 'high'"),
        ({"host_learning_rate": -1.0}, "host_learning_rate must be at least 0, got -1.0"),
        ({"num_threads": 0}, "num_threads must be at least 1, got 0"),
    ],
)
def test_a_task_outside_its_limits_is_rejected(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(DIGITS, **changes)


def test_functions_that_return_something_else_are_refused():
    with pytest.raises(
        ValueError, match=r"must return two or three Samples, .* got None from task 'digits'"
    ):
        load_samples(replace(DIGITS, load_samples=lambda: None))
    with pytest.raises(
        ValueError, match="build_host of task 'digits' must be of type Module, got 3"
    ):
        build_host(replace(DIGITS, build_host=lambda: 3))
    with pytest.raises(ValueError, match="inputs must be of type Tensor, got a value of type list"):
        Samples(inputs=[1], targets=[1])
    with pytest.raises(ValueError, match="targets must have a first dimension"):
        Samples(inputs=torch.ones(1), targets=torch.tensor(1))


def test_four_fields_make_a_task():
    task = Task(
        name="mine",
        load_samples=DIGITS.load_samples,
        build_host=DIGITS.build_host,
        num_classes=10,
    )

    assert task.random_guess_loss == pytest.approx(2.302585)
