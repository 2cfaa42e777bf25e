"""Content that could not be read again is refused before it is written."""

import enum
from collections import Counter, OrderedDict, defaultdict

import pytest
import torch

from esper.leyline.errors import CheckpointError
from esper.tolaria.training.weights_only import check_plain, load_weights_only


class Color(enum.IntEnum):
    RED = 1


PLAIN = {
    "numbers": [1, 2.5, True, None, 1j, 1 << 70],
    "texts": ("a", b"b", bytearray(b"c")),
    "set": {1, 2},
    "ordered": OrderedDict(a=Counter("aab")),
    ("tuple", 1): torch.Size([2, 3]),
    "torch": [torch.float16, torch.device("cpu"), torch.ones(2), torch.nn.Parameter(torch.ones(1))],
}


def test_plain_content_is_accepted_and_can_be_read(tmp_path):
    check_plain(PLAIN, name="it")
    torch.save(PLAIN, tmp_path / "it.pt")

    read = load_weights_only(tmp_path / "it.pt", name="it")

    assert read["numbers"] == PLAIN["numbers"]
    assert list(read) == list(PLAIN)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (object(), "builtins.object"),
        (Color.RED, "test_weights_only.Color"),
        (defaultdict(list), "collections.defaultdict"),
        (frozenset(), "builtins.frozenset"),
        (torch.Generator(), "Generator"),
        (print, "builtin_function_or_method"),
    ],
)
def test_other_objects_are_refused_with_their_place(value, kind):
    content = {"policy": {"memory": [1, value]}}

    with pytest.raises(
        CheckpointError, match=rf"{kind} at policy\.memory\.1; convert it in the state_dict"
    ):
        check_plain(content, name="epoch-000001.pt")


def test_a_key_that_is_not_plain_is_refused():
    with pytest.raises(CheckpointError, match=r"Color at policy\.key <Color\.RED: 1>"):
        check_plain({"policy": {Color.RED: 1}}, name="it")


def test_a_type_that_the_user_made_safe_is_accepted(tmp_path):
    with torch.serialization.safe_globals([Color]):
        check_plain({"a": Color.RED}, name="it")
