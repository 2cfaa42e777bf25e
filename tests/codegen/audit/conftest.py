"""Fixtures: the package generated from audit.yaml, and a channel that records what helpers send."""

import importlib
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def audit():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(HERE), *sys.path])
        yield importlib.import_module("audit_events")


class Channel:
    """A channel that records the payloads sent and the events rejected."""

    def __init__(self, context):
        self.listening = True
        self.context = context
        self.sent = []
        self.rejected = []

    def send(self, payload):
        self.sent.append(payload)

    def reject(self, event, error):
        self.rejected.append((event, error))


class Use:
    """A use of a document: the source of DOCUMENT_USED."""

    def __init__(self, document):
        self.user = "ada"
        self.document = document
        self.related = (document,)
        self.scores = {"spam": 0.25}
        self.was_timed = True
        self.wait_ms = 1.5
        self.load = 0.5


@pytest.fixture
def channel(audit):
    return Channel(audit.Context(request="0123abcd", tenant="acme"))


@pytest.fixture
def document(audit):
    return audit.Document(doc_id="d1", size=10, tags=("new",))


@pytest.fixture
def use(document):
    return Use(document)


@pytest.fixture
def used(audit, channel, use):
    """A payload with every field filled."""
    audit.emit_document_used(channel, use, action=audit.Action.READ, outcome=audit.Outcome.DENIED)
    return channel.sent.pop()
