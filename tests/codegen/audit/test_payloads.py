"""A payload is a plain frozen dataclass that accepts only values which the contract allows."""

import collections
import copy
import dataclasses
import enum
import http
import pickle
import types
from fractions import Fraction

import numpy
import pytest
import torch


@pytest.fixture
def fields(audit, document):
    return {
        "user": "ada",
        "action": audit.Action.READ,
        "outcome": audit.Outcome.ALLOWED,
        "document": document,
        "related": (),
        "scores": {"spam": 0.5},
        "wait_ms": 1.0,
        "load": None,
        "request": "0123abcd",
    }


def test_a_payload_is_a_frozen_slotted_keyword_only_dataclass(audit, fields):
    payload = audit.DocumentUsed(**fields)
    assert dataclasses.asdict(payload)["document"] == {"doc_id": "d1", "size": 10, "tags": ("new",)}
    assert not hasattr(payload, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        payload.user = "eve"
    with pytest.raises(TypeError, match="positional"):
        audit.DocumentUsed("ada")


def test_a_payload_survives_copying_and_pickling(used):
    assert copy.deepcopy(used) == used
    assert pickle.loads(pickle.dumps(used)) == used
    assert dataclasses.replace(used, user="eve").user == "eve"


def test_a_missing_argument_gets_its_default(audit, fields):
    for name in ("outcome", "wait_ms", "load"):
        del fields[name]
    payload = audit.DocumentUsed(**fields)
    assert (payload.outcome, payload.wait_ms, payload.load) == (audit.Outcome.ALLOWED, 0.0, None)


def test_a_value_that_converts_without_loss_is_converted(audit, fields):
    payload = audit.DocumentUsed(**fields | {"wait_ms": 2, "related": [], "scores": {"a": 1}})
    assert repr(payload.wait_ms) == "2.0"
    assert payload.related == ()
    assert repr(payload.scores) == "{'a': 1.0}"


def test_a_map_is_copied(audit, fields):
    given = {"spam": 0.5}
    payload = audit.DocumentUsed(**fields | {"scores": given})
    given["spam"] = 0.75
    assert payload.scores == {"spam": 0.5}


@pytest.mark.parametrize(
    "given",
    [
        collections.Counter({"spam": 1}),
        collections.OrderedDict({"spam": 1}),
        collections.defaultdict(float, {"spam": 1}),
        collections.ChainMap({"spam": 1}),
        types.MappingProxyType({"spam": 1}),
    ],
    ids=lambda given: type(given).__name__,
)
def test_every_mapping_is_accepted_and_copied(audit, fields, given):
    scores = audit.DocumentUsed(**fields | {"scores": given}).scores
    assert scores == {"spam": 1.0}
    assert scores is not given


@pytest.mark.parametrize(
    "change",
    [
        lambda scores: scores.__setitem__("eggs", 1.0),
        lambda scores: scores.__delitem__("spam"),
        lambda scores: scores.__ior__({"eggs": 1.0}),
        lambda scores: scores.clear(),
        lambda scores: scores.pop("spam"),
        lambda scores: scores.popitem(),
        lambda scores: scores.setdefault("eggs", 1.0),
        lambda scores: scores.update(eggs=1.0),
    ],
)
def test_the_map_of_a_payload_cannot_be_changed(audit, used, change):
    read = audit.decode_payload("DOCUMENT_USED", audit.encode_payload(used))
    for payload in (used, read, pickle.loads(pickle.dumps(used)), copy.deepcopy(used)):
        with pytest.raises(TypeError, match="cannot be changed; copy it with dict"):
            change(payload.scores)
        assert payload.scores == used.scores


def test_no_way_to_change_a_dict_is_left_open(audit, used):
    changing = set(dir(dict)) - set(dir(types.MappingProxyType))
    changing -= {"fromkeys", "__init__", "__new__"}
    frozen = type(used.scores)
    assert {one for one in changing if getattr(frozen, one) is getattr(dict, one)} <= {"__hash__"}


class Name(str):
    """A text of a class of its own."""


class Login(enum.StrEnum):
    """Texts as members of an enum."""

    ADA = "ada"


class Size(str, enum.Enum):  # noqa: UP042 - its str() is "Size.BIG"
    """Texts as members of an enum of the old form."""

    BIG = "ada"


@pytest.mark.parametrize("given", [Name("ada"), Login.ADA, Size.BIG, numpy.str_("ada")])
def test_a_text_of_a_subclass_becomes_a_str(audit, fields, given):
    payload = audit.DocumentUsed(**fields | {"user": given, "scores": {given: 1.0}})
    assert (payload.user, type(payload.user)) == ("ada", str)
    assert [type(key) for key in payload.scores] == [str]


def test_a_named_tuple_is_a_tuple_and_a_record_of_a_subclass_a_record(audit, fields, document):
    Pair = collections.namedtuple("Pair", "first second")

    class Special(type(document)):
        """A document of a class of its own."""

    special = Special(doc_id="d2", size=1)
    payload = audit.DocumentUsed(
        **fields | {"document": special, "related": Pair(document, special)}
    )
    assert type(payload.related) is tuple
    assert b'"document":{"id":"d2"' in audit.encode_payload(payload)


@pytest.mark.parametrize("load", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_becomes_none_where_the_contract_says_so(audit, fields, load):
    assert audit.DocumentUsed(**fields | {"load": load}).load is None


def test_a_number_that_is_not_finite_is_kept_where_the_contract_says_so(audit, fields):
    payload = audit.DocumentUsed(**fields | {"scores": {"spam": float("inf")}})
    assert payload.scores == {"spam": float("inf")}


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("user", 3, r"user must be a str, got 3 \(int\)"),
        ("user", "", "user must have 1 to 64 characters, got 0"),
        ("user", "a" * 65, "user must have 1 to 64 characters, got 65"),
        ("user", "\ud800", "user must be text that UTF-8 can encode"),
        ("user", None, "user must be a str, got None"),
        ("action", 1, "action must be a member of Action, got 1"),
        (
            "action",
            "READ",
            "action must be a member of Action, got 'READ'",
        ),
        ("action", "SHARE", "action must be a member of Action, got 'SHARE'"),
        ("outcome", 0, "outcome must be a member of Outcome, got 0"),
        ("outcome", "ALLOWED", "outcome must be a member of Outcome, got 'ALLOWED'"),
        ("document", {"id": "d1"}, "document must be of class Document"),
        ("related", "d1", "related must be a tuple"),
        ("related", ("d1",), r"related\[0\] must be of class Document, got 'd1'"),
        ("scores", [0.5], "scores must be a mapping"),
        ("scores", {"spam": 1.5}, r"scores\['spam'\] must be in \[0.0, 1.0\], got 1.5"),
        ("scores", {1: 0.5}, "scores key must be a str, got 1"),
        ("wait_ms", -0.5, r"wait_ms must be in \[0.0, inf\], got -0.5"),
        ("wait_ms", float("nan"), "wait_ms must be finite, got nan"),
        ("wait_ms", True, r"wait_ms must be a float, got True \(bool\)"),
        ("wait_ms", "1", "wait_ms must be a float, got '1'"),
        pytest.param("wait_ms", 10**400, "wait_ms must be finite", id="huge"),
        ("wait_ms", numpy.bool_(True), "wait_ms must be a float, got numpy.bool"),
        ("wait_ms", numpy.float32("nan"), "wait_ms must be finite, got "),
        ("wait_ms", numpy.float64(-1), r"wait_ms must be in \[0.0, inf\], got .*-1.0"),
        ("wait_ms", numpy.zeros(()), "wait_ms must be a float, got numpy.ndarray; convert it"),
        ("wait_ms", torch.tensor(1.0), "wait_ms must be a float, got torch.Tensor; convert it"),
        ("wait_ms", http.HTTPStatus.OK, "wait_ms must be a float, got http.HTTPStatus; convert it"),
        ("request", "0123ABCD", r"request must match \[0-9a-f\]\{8\}, got '0123ABCD'"),
    ],
)
def test_an_invalid_value_is_refused(audit, fields, name, value, complaint):
    with pytest.raises(audit.ContractError, match=complaint) as caught:
        audit.DocumentUsed(**fields | {name: value})
    assert caught.value.field.startswith(name)


class Seconds(float):
    """A float of a class of its own."""


class Count(int):
    """An int of a class of its own."""


@pytest.mark.parametrize(
    "number",
    [numpy.float64(2), numpy.float32(2), numpy.int8(2), Seconds(2), Count(2), Fraction(2)],
)
def test_a_real_number_of_another_class_becomes_a_float(audit, fields, number):
    wait_ms = audit.DocumentUsed(**fields | {"wait_ms": number}).wait_ms

    assert (wait_ms, type(wait_ms)) == (2.0, float)


@pytest.mark.parametrize("number", [numpy.int64(2), numpy.uint8(2), Count(2)])
def test_an_integer_of_another_class_becomes_an_int(audit, number):
    size = audit.Document(doc_id="d1", size=number).size

    assert (size, type(size)) == (2, int)


def test_numbers_in_maps_are_converted_too(audit, fields):
    scores = audit.DocumentUsed(**fields | {"scores": {"spam": numpy.float64(0.5)}}).scores

    assert type(scores["spam"]) is float


@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        (True, "size must be an int, got True"),
        (1.0, "size must be an int, got 1.0"),
        (2**63, r"size must be in \[0, 9223372036854775807\]"),
        pytest.param(10**5000, "got a huge int", id="huge"),
        (numpy.int64(-1), r"size must be in \[0, 9223372036854775807\], got -1"),
        (numpy.float64(1), "size must be an int, got numpy.float64"),
        (torch.tensor(1), "size must be an int, got torch.Tensor"),
        (http.HTTPStatus.OK, "size must be an int, got http.HTTPStatus"),
    ],
)
def test_a_record_checks_itself_too(audit, size, complaint):
    with pytest.raises(audit.ContractError, match=complaint):
        audit.Document(doc_id="d1", size=size)


def test_a_list_has_no_more_items_than_allowed(audit):
    with pytest.raises(audit.ContractError, match="tags must have 0 to 4 items, got 5"):
        audit.Document(doc_id="d1", size=1, tags=("a",) * 5)


def test_an_open_enum_keeps_an_unknown_member(audit, fields):
    shared = audit.unknown_member(audit.Action, "SHARE")
    assert audit.DocumentUsed(**fields | {"action": shared}).action.name == "SHARE"


def test_an_error_survives_pickling(audit):
    error = pickle.loads(pickle.dumps(audit.ContractError("size", "must be an int", "1.0")))
    assert (error.field, error.rule, error.got) == ("size", "must be an int", "1.0")
    assert str(error) == "size must be an int, got 1.0"


def test_the_context_checks_itself(audit):
    with pytest.raises(audit.ContractError, match="request must match"):
        audit.Context(request="none")
    assert audit.Context().request == "00000000"
