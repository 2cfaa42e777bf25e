"""A log that lacks a field of the contract gives the same story, with the field marked as missing."""

import json
from io import StringIO

import pytest
from rich.console import Console

from esper._generated.fields import EVENT_FIELDS, RECORD_FIELDS
from esper.karn.run import read_story
from esper.karn.summary import render
from esper.karn.summary_json import as_dict
from esper.nissa.reader import read_run
from tests.karn.example_run import write_example_run
from tests.karn.missing_fields import ALL_FIELDS, SOME_FIELDS, write_without


def is_required(field):
    owner, name = field.split(".")
    declared = EVENT_FIELDS.get(owner) or RECORD_FIELDS[owner]
    return next(one for one in declared if one.name == name).required


@pytest.mark.parametrize("field", SOME_FIELDS)
def test_a_story_stands_without_a_field(field, tmp_path):
    whole = read_story(write_example_run(tmp_path / "whole"))

    story = read_story(write_without(tmp_path / "without", field))

    assert story.counts == whole.counts
    assert (story.num_damaged, story.gaps, len(story.slots) > 0) == (0, (), True)
    # A later version may have added the other fields, so their absence says that they were not measured.
    assert {one.name for one in story.missing} == ({field} if is_required(field) else set())


@pytest.mark.parametrize(
    "field", [*SOME_FIELDS, "RUN_STARTED.task", "GOVERNOR_ROLLBACK.reason", "SeedEvidence.low"]
)
def test_a_summary_stands_without_a_field(field, tmp_path):
    story = read_story(write_without(tmp_path, field))
    printed = StringIO()

    render(story, Console(file=printed, width=200), tags={})

    assert json.dumps(as_dict(story))
    if is_required(field):
        assert f"1 field that the log lacks: {field}" in printed.getvalue()


def test_only_views_read_lines_that_lack_a_field(tmp_path):
    events = read_run(write_without(tmp_path, "SEED_STAGE_CHANGED.alpha"))

    assert all(envelope.event != "SEED_STAGE_CHANGED" for envelope, _ in events)
    assert events.num_damaged > 0


def test_every_field_of_the_contract_is_among_those_that_are_removed():
    assert len(ALL_FIELDS) > 250
    assert set(SOME_FIELDS) < set(ALL_FIELDS)
