"""An encoded event decodes to the same event; data that breaks the contract is rejected with the reason."""

import json
from dataclasses import replace

import pytest

MOVED = b'{"id":"d1","size":10,"new tenant":null,"request":"0123abcd"}'
USED = {
    "user": "ada",
    "action": "READ",
    "outcome": "DENIED",
    "document": {"id": "d1", "size": 10, "tags": ["new"]},
    "related": [{"id": "d1", "size": 10, "tags": ["new"]}],
    "scores": {"spam": 0.25},
    "wait_ms": 1.5,
    "load": 0.5,
    "request": "0123abcd",
}


@pytest.fixture
def envelope(audit):
    return audit.Envelope(num=3, at_ms=5, tenant="acme", event="DOCUMENT_USED", v=audit.VERSION)


def test_a_payload_is_written_with_names_of_enums_and_keys_of_the_wire(audit, used):
    assert json.loads(audit.encode_payload(used)) == USED


def test_a_line_is_written_in_the_order_of_the_envelope(audit, envelope, used):
    line = audit.encode_line(envelope, used)
    assert line.startswith(
        b'{"num":3,"at":5,"tenant":"acme","event":"DOCUMENT_USED","v":"2.0.0","payload":{"user":'
    )
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1


def test_a_line_reads_back_as_it_was(audit, envelope, used):
    assert audit.decode_line(audit.encode_line(envelope, used)) == (envelope, used)


def test_numbers_that_are_not_finite_are_written_as_texts(audit, used):
    scores = {"a": float("nan"), "b": float("inf"), "c": float("-inf")}
    data = audit.encode_payload(replace(used, scores=scores))
    assert json.loads(data)["scores"] == {"a": "NaN", "b": "Infinity", "c": "-Infinity"}
    assert repr(audit.decode_payload("DOCUMENT_USED", data).scores) == repr(scores)


def test_an_unknown_name_of_an_open_enum_reads_back(audit, used):
    data = json.dumps(USED | {"action": "SHARE"}).encode()
    payload = audit.decode_payload("DOCUMENT_USED", data)
    assert type(payload.action) is audit.Action
    assert payload.action.name == "SHARE"
    assert payload.action not in list(audit.Action)
    assert payload == audit.decode_payload("DOCUMENT_USED", audit.encode_payload(payload))
    other = json.dumps(USED | {"action": "PRINT"}).encode()
    assert payload != audit.decode_payload("DOCUMENT_USED", other)


def test_a_missing_field_gets_the_value_of_the_contract(audit):
    used = USED | {"document": {"id": "d1", "size": 10}}
    del used["outcome"]
    payload = audit.decode_payload("DOCUMENT_USED", json.dumps(used).encode())
    assert payload.outcome is audit.Outcome.ALLOWED
    assert payload.document.tags == ()


@pytest.mark.parametrize("alias", ["who", "login"])
def test_an_alias_of_a_key_is_read(audit, used, alias):
    old = {alias if key == "user" else key: value for key, value in USED.items()}
    assert audit.decode_payload("DOCUMENT_USED", json.dumps(old).encode()) == used


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"user": 3}, "user must be a str, got 3"),
        ({"user": ""}, "user must have 1 to 64 characters, got 0"),
        ({"who": "eve"}, "user must be there once, got user and who"),
        ({"extra": 1}, "extra must be a field of the contract, got 'extra'"),
        ({"action": 1}, "action must be one of READ, WRITE, DELETE, got 1"),
        (
            {"action": "share it"},
            "action must be the name of a member of Action, got 'share it'",
        ),
        ({"outcome": "MAYBE"}, "outcome must be one of ALLOWED, DENIED, got 'MAYBE'"),
        ({"outcome": None}, "outcome must be a member of Outcome, got None"),
        ({"document": []}, "Document must be an object"),
        ({"document": {"id": "d1"}}, "size must be there, got Document without it"),
        ({"document": {"id": "d1", "size": 1.0}}, "size must be an int, got 1.0"),
        ({"document": {"id": "d1", "size": 1, "tags": [1]}}, r"tags\[0\] must be a str, got 1"),
        ({"related": {}}, "related must be a tuple"),
        ({"scores": {"spam": 2}}, r"scores\['spam'\] must be in \[0.0, 1.0\], got 2"),
        ({"scores": {"spam": "0.5"}}, r"scores\['spam'\] must be a float, got '0.5'"),
        ({"scores": {"spam": "nan"}}, r"scores\['spam'\] must be a float, got 'nan'"),
        ({"wait_ms": "NaN"}, "wait_ms must be a float, got 'NaN'"),
        ({"wait_ms": None}, "wait_ms must be a float, got None"),
        ({"load": "Infinity"}, "load must be a float"),
        ({"request": "0123ABCD"}, "request must match"),
        ({"request": "0123abcd\n"}, "request must match"),
    ],
)
def test_a_payload_that_breaks_the_contract_is_rejected(audit, change, complaint):
    with pytest.raises(audit.ContractError, match=complaint):
        audit.decode_payload("DOCUMENT_USED", json.dumps(USED | change).encode())


@pytest.mark.parametrize(
    ("event", "data", "complaint"),
    [
        ("DOCUMENT_USED", b"", "a line must be one JSON object"),
        ("DOCUMENT_USED", b"{", "a line must be one JSON object"),
        ("DOCUMENT_USED", b"[]", r"a line must be one JSON object, got \[\]"),
        ("DOCUMENT_USED", b"\xff", "a line must be one JSON object"),
        ("DOCUMENT_USED", b"[" * 100_000, "a line must be one JSON object"),
        ("DOCUMENT_USED", b"{}", "user must be there, got DOCUMENT_USED without it"),
        ("DOCUMENT_LOST", b"{}", "event must be an event of the contract, got 'DOCUMENT_LOST'"),
        ("DOCUMENT_PRINTED", b"{}", "which is retired: Printing is no longer offered."),
        (
            "DOCUMENT_MOVED",
            MOVED[:-1] + b',"reason":"x"}',
            "which is retired: Free text, which held",
        ),
    ],
)
def test_data_that_is_not_a_payload_is_rejected(audit, event, data, complaint):
    with pytest.raises(audit.ContractError, match=complaint):
        audit.decode_payload(event, data)


@pytest.mark.parametrize("data", [MOVED[:-1] + b"," + MOVED[1:], b'{"x":1,"x":1}'])
def test_equal_keys_in_a_payload_are_rejected(audit, data):
    with pytest.raises(audit.ContractError, match="a key must be there once, got "):
        audit.decode_payload("DOCUMENT_MOVED", data)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b'"num":3', b'"num":-1', "num must be in"),
        (b'"num":3,', b"", "num must be there, got a line without it"),
        (b'"num":3', b'"num":3,"x":1', "x must be a field of the contract"),
        (b'"payload"', b'"pay"', "payload must be there"),
        (b'"event":"DOCUMENT_USED"', b'"event":"DOCUMENT_LOST"', "event must be an event"),
        (b'"payload":{', b'"payload":[{', "a line must be one JSON object"),
    ],
)
def test_a_line_that_breaks_the_contract_is_rejected(audit, envelope, used, old, new, complaint):
    line = audit.encode_line(envelope, used)
    assert old in line
    with pytest.raises(audit.ContractError, match=complaint):
        audit.decode_line(line.replace(old, new, 1))


def test_the_quick_reader_and_the_strict_one_agree(audit, envelope, used):
    from audit_events.strict import read_line

    line = audit.encode_line(envelope, used)
    assert read_line(line) == (*audit.decode_line(line), ())


def later(line, version=b"2.7.1"):
    """Return the line as a later minor version would have written it."""
    return line.replace(b'"v":"2.0.0"', b'"v":"%s"' % version)


def test_unknown_fields_of_a_later_minor_version_are_left_out_and_named(audit, envelope, used):
    line = later(audit.encode_line(envelope, used))
    line = line.replace(b'{"num":3', b'{"shard":1,"num":3').replace(b'"user"', b'"mood":[],"user"')
    line = line.replace(b'"tags":["new"]', b'"tags":["new"],"color":"red"')

    read, payload, unknown = audit.inspect_line(line)

    assert (read, payload) == (replace(envelope, v="2.7.1"), used)
    assert [tuple(name) for name in unknown] == [
        ("field", "line.shard"),
        ("field", "Document.color"),
        ("field", "Document.color"),
        ("field", "DOCUMENT_USED.mood"),
    ]
    with pytest.raises(audit.ContractError, match="must be a field of the contract"):
        audit.decode_line(later(line, b"2.0.0").replace(b"2.7.1", b"2.0.0"))


def test_an_unknown_event_of_a_later_minor_version_is_kept_aside(audit, envelope, used):
    line = later(audit.encode_line(envelope, used)).replace(b"DOCUMENT_USED", b"DOCUMENT_LOST")

    read, payload, unknown = audit.inspect_line(line)

    assert payload == audit.UnknownPayload(event="DOCUMENT_LOST", data=USED)
    assert (read.event, unknown) == ("DOCUMENT_LOST", (("event", "DOCUMENT_LOST"),))
    assert audit.decode_line(line) == (read, payload)


def test_an_event_with_an_unknown_member_of_a_later_minor_version_is_kept_aside(
    audit, envelope, used
):
    line = later(audit.encode_line(envelope, used)).replace(b"DENIED", b"ASKED")
    line = line.replace(b'"user"', b'"mood":1,"user"')

    _, payload, unknown = audit.inspect_line(line)

    assert (payload.event, payload.data["outcome"]) == ("DOCUMENT_USED", "ASKED")
    assert unknown == (("member", "Outcome.ASKED"), ("field", "DOCUMENT_USED.mood"))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b'"v":"2.0.0"', b'"v":"3.0.0"', "v must be of contract 2 or an older one, got '?3.0.0"),
        (b'"num":3', b'"num":3,"num":4', "a key must be there once, got num 2 times"),
        (b'"size":10', b'"size":10,"size":10', "a key must be there once, got size 2 times"),
    ],
)
def test_a_later_major_version_and_repeated_keys_are_rejected(
    audit, envelope, used, old, new, complaint
):
    line = audit.encode_line(envelope, used).replace(old, new, 1)
    for one in (line, later(line)):
        with pytest.raises(audit.ContractError, match=complaint):
            audit.decode_line(one)


@pytest.mark.parametrize("again", [b'"size":10', b'"size" : 9', b'"new tenant":null', b'"id":":"'])
def test_a_repeated_key_of_a_payload_without_records_is_rejected(audit, again):
    data = MOVED[:-1] + b"," + again + b"}"
    with pytest.raises(audit.ContractError, match="a key must be there once"):
        audit.decode_payload("DOCUMENT_MOVED", data)


def test_spaces_and_another_order_of_the_keys_are_accepted(audit, envelope, used):
    plain = json.loads(audit.encode_line(envelope, used))
    line = json.dumps(dict(reversed(plain.items())), indent=1).encode()

    assert audit.decode_line(line) == (envelope, used)


def test_the_registry_knows_every_event_record_enum_and_field(audit):
    assert set(audit.EVENTS) == {"DOCUMENT_USED", "DOCUMENT_MOVED", "SERVICE_PINGED"}
    assert {"Document": audit.Document} == audit.RECORDS
    assert set(audit.ENUMS) == {"Action", "Outcome"}
    wait = next(one for one in audit.EVENT_FIELDS["DOCUMENT_USED"] if one.name == "wait_ms")
    assert (wait.type, wait.unit, wait.low, wait.doc) == ("float", "ms", 0, "Time in the queue.")
