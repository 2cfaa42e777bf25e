"""Only the emission helpers construct payloads; no other code in the project does."""

import ast

import pytest

from codegen.output.layout import PROJECT
from esper._generated.registry import EVENTS

PAYLOADS = {payload.__name__ for payload in EVENTS.values()}
GENERATED = PROJECT / "src" / "esper" / "_generated"
SAMPLES = PROJECT / "src" / "esper" / "testing" / "sample_events.py"  # made up, for tests of sinks
ENVELOPES = PROJECT / "src" / "esper" / "nissa" / "numbering.py"  # makes envelopes, no payloads
SOURCES = [
    path
    for folder in ("src", "benchmarks")
    for path in sorted((PROJECT / folder).rglob("*.py"))
    if GENERATED not in path.parents and path not in (SAMPLES, ENVELOPES)
]


def constructions(source):
    """Yield the lines that construct a payload, or that could."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in PAYLOADS:
                yield node.lineno
            case ast.Call(func=ast.Subscript(value=ast.Name(id="EVENTS"))):
                yield node.lineno
            case ast.Call(func=ast.Name(id="replace") | ast.Attribute(attr="replace"), args=[arg]):
                if "payload" in ast.unparse(arg):
                    yield node.lineno
            case (
                ast.alias(name="draft_of")
                | ast.Name(id="draft_of")
                | ast.Attribute(attr="draft_of")
            ):
                yield getattr(node, "lineno", 0)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_nothing_outside_the_generated_code_constructs_a_payload(path):
    lines = list(constructions(path.read_text(encoding="utf-8")))
    assert not lines, f"{path}: emit through the helper instead, on lines {lines}"


@pytest.mark.parametrize(
    "source",
    [
        "SeedPrunedPayload(slot_id='r0c0')",
        "lifecycle.SeedPrunedPayload(slot_id='r0c0')",
        "EVENTS[event](**fields)",
        "dataclasses.replace(payload, slot_id='r0c1')",
        "from esper._generated.drafts import draft_of",
        "drafts.draft_of(SeedPrunedPayload)",
    ],
)
def test_a_construction_is_found(source):
    assert list(constructions(source)) == [1]


@pytest.mark.parametrize(
    "source",
    ["isinstance(it, SeedPrunedPayload)", "{SeedPrunedPayload: 1}", "text.replace('a', 'b')"],
)
def test_another_use_is_not_a_construction(source):
    assert not list(constructions(source))
