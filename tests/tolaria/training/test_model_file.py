"""A saved network comes back as it was, and nothing else is taken for one."""

import pytest
import torch

from esper.leyline.errors import CheckpointError
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.training.growth import fossils
from esper.tolaria.training.model_file import FILE_NAME, load_model, save_model


def grown_host() -> torch.nn.Module:
    host = DIGITS.build_host()
    slot = host.slots["r0c1"]
    slot.germinate("conv_light")
    slot.advance_stage()
    for parameter in slot.seed_parameters():
        parameter.data.normal_()
    return host.eval()


def test_gives_the_same_answers(tmp_path):
    host = grown_host()
    images = torch.rand(4, 1, 8, 8)

    save_model(host, tmp_path, task="digits")
    back = load_model(tmp_path)

    assert torch.equal(back(images), host(images))
    assert back.slots["r0c1"].stage is host.slots["r0c1"].stage
    assert all(torch.equal(a, b) for a, b in zip(back.parameters(), host.parameters(), strict=True))
    assert fossils(dict(back.slots)) == frozenset()


def test_says_when_there_is_none(tmp_path):
    with pytest.raises(CheckpointError, match=r"a finished run holds model\.pt, got none in"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"PK\x03\x04 cut off"],
    ids=["empty", "no archive", "torn"],
)
def test_refuses_a_damaged_file(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)

    with pytest.raises(CheckpointError, match="must be a whole file of ours, got a damaged one"):
        load_model(tmp_path)


class _Trap:
    """Leaves a mark when a pickle that holds it is loaded."""

    def __init__(self, mark) -> None:
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


def test_runs_no_code_from_the_file(tmp_path):
    mark = tmp_path / "mark"
    torch.save({"format": 1, "task": "digits", "state": _Trap(mark)}, tmp_path / FILE_NAME)

    with pytest.raises(CheckpointError, match="must hold tensors and plain values only"):
        load_model(tmp_path)

    assert not mark.exists()


def test_refuses_another_format(tmp_path):
    torch.save({"format": 99}, tmp_path / FILE_NAME)

    with pytest.raises(CheckpointError, match="must have format 1, got 99"):
        load_model(tmp_path)


def test_refuses_the_network_of_another_host(tmp_path):
    content = {"format": 1, "task": "digits", "state": torch.nn.Linear(2, 2).state_dict()}
    torch.save(content, tmp_path / FILE_NAME)

    with pytest.raises(CheckpointError, match="must fit the task's host"):
        load_model(tmp_path)
