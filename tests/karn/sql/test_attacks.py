"""No query reads another file, writes anything, changes a setting, or takes more than it may."""

import subprocess
import sys

import pytest

import esper
from esper.leyline.errors import UsageError
from tests.karn.sql.attacks import ENDLESS, EXHAUSTING, REFUSED
from tests.karn.sql.runs import log_of, write_run

duckdb = pytest.importorskip("duckdb", reason="not run without duckdb: pip install duckdb")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run, a secret file next to it, and a folder in which nothing may appear."""
    place = tmp_path_factory.mktemp("attacks")
    write_run(place / "runs", "one")
    (place / "secret.csv").write_text("secret\n42\n")
    (place / "out").mkdir()
    return place


def fill(query, place):
    paths = {
        "{secret}": place / "secret.csv",
        "{log}": log_of(place / "runs" / "one"),
        "{out}": place / "out",
    }
    for name, path in paths.items():
        query = query.replace(name, str(path))
    return query


def contents(place):
    return {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_no_attack_gets_through(place):
    before = contents(place)
    python_frame = [{"secret": 42}]
    with esper.sql(place / "runs" / "one") as database:
        for attack in REFUSED:
            with pytest.raises(UsageError) as raised:
                database.sql(fill(attack, place)).fetchall()
            assert "\n" not in str(raised.value), attack
        assert database.sql("SELECT run, outcome FROM runs").fetchall() == [("one", "COMPLETED")]
    assert contents(place) == before
    assert python_frame


def test_the_connection_itself_is_confined(place):
    """The check of the query is one wall; the settings of the database are another."""
    before = contents(place)
    # A variable gives no access to the file that it names.
    harmless = ("{log}'", "SET VARIABLE")
    unchecked = [one for one in REFUSED if "{" in one and not any(part in one for part in harmless)]
    with esper.sql(place / "runs" / "one") as database:
        connection = database.connection
        for attack in unchecked:
            with pytest.raises((duckdb.Error, UnicodeEncodeError)):
                connection.execute(fill(attack, place)).fetchall()
        for setting in (
            "memory_limit = '9GB'",
            "enable_external_access = true",
            "allowed_paths = ['/']",
        ):
            with pytest.raises(duckdb.Error, match="locked"):
                connection.execute(f"SET {setting}")
    assert contents(place) == before


def test_names_of_tables_in_a_query_may_look_like_files(place):
    with esper.sql(place / "runs" / "one") as database:
        assert database.sql("WITH 'x.csv' AS (SELECT 7 AS n) SELECT n FROM 'x.csv'").fetchall() == [
            (7,)
        ]


@pytest.mark.parametrize(
    "query",
    [
        "FROM runs SELECT run LIMIT 1",
        "WITH x AS MATERIALIZED (SELECT * FROM epochs) SELECT count(*) FROM x GROUP BY ALL HAVING count(*) > 1",
        "SELECT run FROM runs UNION ALL SELECT run FROM seeds",
        "VALUES (1), (2)",
        "TABLE runs",
        "DESCRIBE runs",
        "SUMMARIZE epochs",
        "SELECT unnest(slot_ids) FROM run_started",
        "SELECT * FROM range(3)",
        "SELECT e.epoch, s.slot_id FROM epochs e, unnest(e.seeds) AS u(s)",
        "SELECT epoch, avg(val_loss) OVER (ORDER BY epoch ROWS 2 PRECEDING) FROM epochs",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT max(n) FROM t",
        "SELECT * FROM epochs ASOF JOIN governor USING (run, t_wall_ns)",
        "SELECT columns('val_.*') FROM epochs",
        "SELECT arg_max(epoch, val_accuracy), quantile_cont(val_loss, 0.5) FROM main.epochs",
        "FROM epochs PIVOT (max(val_loss) FOR epoch IN (1, 2) GROUP BY run)",
        "SELECT * FROM epochs USING SAMPLE 2",
    ],
)
def test_ordinary_queries_are_accepted(place, query):
    with esper.sql(place / "runs" / "one") as database:
        assert database.sql(query).fetchall() is not None


@pytest.mark.parametrize("query", EXHAUSTING)
def test_a_query_that_needs_too_much_memory_fails(place, query):
    ran = _query(place, query, "--memory", "200MB", "--timeout", "50")

    assert (ran.returncode, ran.stdout) == (2, ""), ran
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("query", ENDLESS)
def test_a_query_that_does_not_end_is_ended(place, query):
    ran = _query(place, query, "--timeout", "1", "--format", "csv")

    assert ran.returncode == 2, ran.stderr
    assert "a query must end within 1 s, got a longer one" in ran.stderr
    assert "--timeout" in ran.stderr


def _query(place, query, *options):
    command = [sys.executable, "-m", "esper", "query", query, "--run", "one", *options]
    command += ["--run-dir", str(place / "runs"), "--out", str(place / "never")]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
