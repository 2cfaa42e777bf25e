"""A saved network loads as it was, and other files are rejected."""

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


def test_a_loaded_network_gives_the_same_logits(tmp_path):
    host = grown_host()
    images = torch.rand(4, 1, 8, 8)

    save_model(host, tmp_path, task="digits")
    loaded = load_model(tmp_path)

    assert torch.equal(loaded(images), host(images))
    assert loaded.slots["r0c1"].stage is host.slots["r0c1"].stage
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.parameters(), host.parameters(), strict=True)
    )
    assert fossils(dict(loaded.slots)) == frozenset()


def test_a_folder_without_a_saved_network(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"no model\.pt in .*: the run has not finished; resume it"
    ):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"PK\x03\x04 cut off"],
    ids=["empty", "no archive", "torn"],
)
def test_rejects_a_damaged_file(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)

    with pytest.raises(
        CheckpointError, match="must be a whole file written by Esper, got a damaged one"
    ):
        load_model(tmp_path)


class _Trap:
    """Creates the file `mark` when a pickle that contains it is loaded."""

    def __init__(self, mark) -> None:
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


def test_runs_no_code_from_the_file(tmp_path):
    mark = tmp_path / "mark"
    torch.save({"format": 1, "task": "digits", "state": _Trap(mark)}, tmp_path / FILE_NAME)

    with pytest.raises(CheckpointError, match="must hold only tensors and plain values"):
        load_model(tmp_path)

    assert not mark.exists()


def test_rejects_another_format(tmp_path):
    torch.save({"format": 99}, tmp_path / FILE_NAME)

    with pytest.raises(CheckpointError, match="must have format 1, got 99"):
        load_model(tmp_path)


def test_rejects_the_network_of_another_host(tmp_path):
    content = {"format": 1, "task": "digits", "state": torch.nn.Linear(2, 2).state_dict()}
    torch.save(content, tmp_path / FILE_NAME)

    with pytest.raises(CheckpointError, match="must fit the task's host"):
        load_model(tmp_path)
