"""An emission helper captures, stamps, checks, builds and sends; an invalid payload is rejected, not raised."""

import dataclasses
import re

import pytest


class Untouchable:
    """A source whose attributes must not be read."""

    def __getattr__(self, name):
        raise AssertionError(f"{name} was read")


def test_a_helper_captures_from_the_source_and_stamps_the_context(audit, channel, use):
    audit.emit_document_used(channel, use, action=audit.Action.WRITE)
    [payload] = channel.sent
    assert payload == audit.DocumentUsed(
        user="ada",
        action=audit.Action.WRITE,
        document=use.document,
        related=(use.document,),
        scores={"spam": 0.25},
        wait_ms=1.5,
        load=0.5,
        request="0123abcd",
    )
    assert type(payload) is audit.DocumentUsed


def test_nothing_is_read_while_nobody_listens(audit, channel):
    channel.listening = False
    audit.emit_document_used(channel, Untouchable(), action=audit.Action.READ)
    assert not channel.sent
    assert not channel.rejected


def test_a_group_is_captured_only_while_its_guard_is_true(audit, channel, use):
    use.was_timed = False
    del use.wait_ms, use.load
    audit.emit_document_used(channel, use, action=audit.Action.READ)
    [payload] = channel.sent
    assert (payload.wait_ms, payload.load) == (0.0, None)


def test_a_carried_record_is_captured_by_the_names_of_its_fields(audit, channel, document):
    audit.emit_document_moved(channel, document, new_tenant=None)
    [payload] = channel.sent
    assert (payload.doc_id, payload.size, payload.new_tenant) == ("d1", 10, None)
    assert not hasattr(payload, "tags")


def test_an_event_without_fields_has_a_helper_without_arguments(audit, channel):
    audit.emit_service_pinged(channel)
    assert channel.sent == [audit.ServicePinged()]


def test_an_invalid_value_is_rejected_with_field_rule_and_value(audit, channel, use):
    use.user = ""
    audit.emit_document_used(channel, use, action=audit.Action.READ)
    [(event, error)] = channel.rejected
    assert event == "DOCUMENT_USED"
    assert (error.field, error.rule, error.got) == ("user", "must have 1 to 64 characters", "0")
    assert not channel.sent


def test_a_source_that_fails_is_rejected(audit, channel, use):
    del use.user
    audit.emit_document_used(channel, use, action=audit.Action.READ)
    [(event, error)] = channel.rejected
    assert event == "DOCUMENT_USED"
    assert isinstance(error, AttributeError)


def test_a_failure_to_send_does_not_reject_the_payload(audit, channel, use):
    def fail(payload):
        raise OSError("full")

    channel.send = fail
    with pytest.raises(OSError, match="full"):
        audit.emit_document_used(channel, use, action=audit.Action.READ)
    assert not channel.rejected


VALUES = {
    "user": ["ada", "", "x" * 65, "\u00e9", "\ud800", 3, None],
    "wait_ms": [0.0, 1, -1.0, float("nan"), float("inf"), True, "1"],
    "load": [None, 0.5, 2, float("nan"), float("-inf"), "x"],
    "related": [(), [], "no", (1,)],
    "scores": [{}, {"a": 1}, {"a": 2.0}, None],
    "document": [None, {}],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in VALUES.items() for v in vs])
def test_a_helper_and_the_constructor_agree(audit, channel, use, name, value):
    setattr(use, name, value)
    audit.emit_document_used(channel, use, action=audit.Action.READ)
    fields = {key: getattr(use, key) for key in vars(use) if key != "was_timed"}

    def construct():
        return audit.DocumentUsed(**fields, action=audit.Action.READ, request="0123abcd")

    if channel.rejected:
        [(_, rejected)] = channel.rejected
        with pytest.raises(audit.ContractError, match=re.escape(str(rejected))):
            construct()
    else:
        assert repr(channel.sent) == repr([construct()])


def test_an_emitted_payload_is_frozen(used):
    with pytest.raises(dataclasses.FrozenInstanceError):
        used.user = "eve"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del used.user


def test_a_draft_becomes_the_payload_that_the_constructor_builds(audit):
    from audit_events.drafts import draft_of

    draft = draft_of(audit.Document)()
    draft.doc_id, draft.size, draft.tags = "d1", 10, ()
    draft.__class__ = audit.Document
    assert type(draft) is audit.Document
    assert draft == audit.Document(doc_id="d1", size=10, tags=())


def test_drafts_of_a_payload_have_one_class(audit):
    from audit_events.drafts import draft_of

    assert draft_of(audit.Document) is draft_of(audit.Document)
