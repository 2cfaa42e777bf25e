"""The reference, read by a Markdown parser, describes every field as the contract does."""

from dataclasses import replace
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt

from codegen.contract.model import FromSource
from codegen.contract.users import Users
from codegen.targets.markdown import render

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def read_text(inline):
    """Return the visible text of an inline token."""
    ours = ("text", "text_special", "code_inline")
    return "".join(one.content for one in inline.children if one.type in ours)


def read_tables(text):
    """Return the tables under every heading, each a list of rows; the first row has the names of the columns."""
    tables: dict[str, list[list[list[str]]]] = {}
    heading, kind = "", ""
    for token in PARSER.parse(text):
        kind = token.type if token.type.endswith("_open") else kind
        if token.type == "table_open":
            tables.setdefault(heading, []).append([])
        elif token.type == "tr_open":
            tables[heading][-1].append([])
        elif token.type == "inline" and kind == "heading_open":
            heading = token.content
        elif token.type == "inline" and kind in ("th_open", "td_open"):
            tables[heading][-1][-1].append(read_text(token))
    return tables


def read_rows(table):
    """Return the rows of a table of fields by the name of the field; each maps columns to cells."""
    head, *rows = table
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def test_every_field_has_a_row(generated):
    tables = read_tables(generated.reference)
    for owner in (*generated.contract.events, *generated.contract.records):
        rows = tables[owner.name][0][1:] if owner.fields else []
        assert [row[0] for row in rows] == [one.name for one in owner.fields]


def test_every_field_has_its_origin(ours):
    tables = read_tables(ours.reference)
    for event in ours.contract.events:
        rows = read_rows(tables[event.name][0])
        for one in event.fields:
            origin = rows[one.name]["from"]
            if isinstance(one.capture, FromSource):
                assert origin.startswith(f"source.{one.capture.attribute}")
            else:
                assert origin.partition(",")[0] in ("argument", "context")


def test_every_link_has_its_heading(generated):
    tokens = PARSER.parse(generated.reference)
    inlines = [one for one in tokens if one.type == "inline"]
    headings = {
        inline.content.lower()
        for opening, inline in pairwise(tokens)
        if opening.type == "heading_open"
    }
    links = [
        str(child.attrs["href"])
        for one in inlines
        for child in one.children or []
        if child.type == "link_open"
    ]
    assert links
    assert {link.removeprefix("#") for link in links} <= headings


@pytest.mark.parametrize(
    ("field", "column", "expected"),
    [
        ("odd", "key", "odd key *"),
        ("old", "key", "formerly older, o~l/d"),
        ("odd", "unit", "%"),
        ("odd", "range", "-5"),
        ("width", "range", "-1.5 to 1000.0"),
        ("old", "range", "NaN becomes null"),
        ("grown", "range", "0 to 2 items"),
        ("event", "range", "1 or more characters"),
        ("grown", "default", '[]; ["a\\"\'b"] when missing'),
        ("grown", "since", "2.1.0"),
        ("odd", "from", "source.odd, before lunch, summed up"),
        ("width", "from", "source.width, while source.is_measured"),
        ("count", "from", "argument"),
        ("where", "from", "context"),
        ("path", "type", "Point or null"),
        ("path", "meaning", "Deprecated: Use lines. A point."),
        ("width", "meaning", "<b>Width</b> & more."),
    ],
)
def test_a_cell_has_the_text_of_the_contract(everything, field, column, expected):
    assert read_rows(read_tables(everything.reference)["ALL_SAID"][0])[field][column] == expected


def test_retired_names_are_listed(everything):
    tables = read_tables(everything.reference)
    head = ["retired", "until", "meaning"]
    assert tables["Retired events"] == [[head, ["LOST_TOO", "1.0.0", "Was lost | as well."]]]
    assert tables["ALL_SAID"][1] == [head, ["lost", "2.0.0", "Was lost."]]
    assert ["0", "NOTHING", "Was never used."] in tables["Level"][0]


def test_the_facts_of_an_event_are_listed(everything):
    text = everything.reference
    for expected in (
        "- Helper: `emit_nothing_said(channel)`\n",
        "from a `ThingSource`\n",
        "- How often: Once in a while.\n",
        "- Since: 2.0.0\n",
        "- Deprecated: Too much is said.\n",
        "- Owner: somebody else\n",
        "- Changed meaning: Numbers doubled.\n",
        "- `width`: How big; 1. not a list, \\$x\\$ no formula.\n",
    ):
        assert expected in text
    # Nobody has recorded which modules emit it.
    assert "Emitted by" not in text


def test_emitters_and_readers_are_listed(everything):
    event = next(one for one in everything.contract.events if one.fields)
    field = event.fields[0]
    users = Users(
        emitters={event.name: ("pings.a", "pings.b")},
        readers={f"{event.name}.{field.name}": ("pings.c",)},
    )

    (output,) = render(replace(everything.contract, users=users), "pings._generated")
    text = "".join(chunk.text for chunk in output.chunks)

    assert "- Emitted by: `a`, `b`\n" in text
    assert read_rows(read_tables(text)[event.name][0])[field.name]["read by"] == "c"


def test_a_retired_event_has_no_helper(everything):
    assert "- Not emitted since: 2.0.0\n" in everything.reference
    assert "emit_once_said" not in everything.reference


def test_an_empty_column_is_left_out(everything):
    assert read_tables(everything.reference)["Line2"][0][0] == ["field", "type", "range", "meaning"]


def test_no_text_of_the_contract_is_markup(everything):
    tokens = PARSER.parse(everything.reference)
    inside = [child for token in tokens for child in token.children or []]
    assert {one.content for one in inside if one.type == "html_inline"} <= {"<code>", "</code>"}
    assert not [one for one in inside if one.type in ("em_open", "image")]
    blocks = [one.content for one in tokens if one.type == "html_block"]
    assert all(line.startswith("<!-- ") for block in blocks for line in block.splitlines())
    contract = everything.contract
    parts = [*contract.events, *contract.records, *contract.enums, *contract.families]
    always = ["Telemetry", "A line of the log", "Context", "Records", "Enums", "Retired events"]
    headings = [one for one in tokens if one.type == "heading_open"]
    assert len(headings) == len(parts) + len(always)
