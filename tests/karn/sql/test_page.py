"""The queries of the page on SQL run, over logs with every event."""

import re
from pathlib import Path

import pytest

import esper
from tests.karn.sql.runs import write_every_event, write_run

pytest.importorskip("duckdb", reason="not run without duckdb: pip install duckdb")

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "query_runs.md"
TEXT = PAGE.read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL) + re.findall(
    r'esper query [^"\n]*"([^"\n]+)"', TEXT
)


def test_every_query_has_an_answer(tmp_path):
    write_every_event(tmp_path, "every")
    write_run(tmp_path, "whole")
    assert len(QUERIES) > 10
    with esper.sql(run_dir=tmp_path) as database:
        for query in QUERIES:
            database.sql(query).fetchall()
        assert len(database.sql(QUERIES[0]).fetchall()) > 0
