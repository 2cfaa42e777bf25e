"""Sources and helpers take sequences and mappings of any kind; the payload holds tuples and frozen mappings."""

import subprocess
import sys
from collections import deque

import pytest

from tests.codegen.tiny import tiny

READING = "records: {Reading: {doc: R., fields: {at: {type: str, doc: A.}}}}\n"
FIELDS = """\
readings: {type: "Reading[]", from: readings, doc: R.}
grid: {type: "int[][]", unit: "1", arg: true, doc: G.}
tags: {type: "str[]{}", arg: true, default: {}, doc: T.}
"""
CODE = """\
from pings import Reading, emit_ping
from pings.writer import JsonLinesChannel


class Own:
    readings: list[Reading] = [Reading(at="a")]


numbers: list[list[int]] = [[1], []]
channel = JsonLinesChannel("x", seq=0)
emit_ping(channel, Own(), grid=numbers, tags={"a": ["b"]})
emit_ping(channel, Own(), grid=())
"""


@pytest.fixture
def pings(project):
    project.generate(tiny(FIELDS, event="source: Thing", more=READING), "--no-format")
    return project.load("__init__")


def test_lists_of_a_program_satisfy_the_types(pings, project):
    (project.folder / "check.py").write_text(CODE)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", "cache"]

    ran = subprocess.run([*command, "check.py"], cwd=project.folder, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stdout


def test_every_sequence_but_a_text_becomes_a_tuple(pings, project):
    writer = project.load("writer")
    source = type("Thing", (), {"readings": deque([pings.Reading(at="a")])})()
    with writer.JsonLinesChannel("log.jsonl", seq=0, strict=True) as channel:
        pings.emit_ping(channel, source, grid=deque([range(2)]))
        for wrong in ("ab", {1}, 3):
            with pytest.raises(pings.ContractError, match="grid must be a tuple"):
                pings.emit_ping(channel, source, grid=wrong)

    ((_, payload),) = writer.read_lines("log.jsonl")
    assert (payload.grid, payload.readings) == (((0, 1),), (pings.Reading(at="a"),))
