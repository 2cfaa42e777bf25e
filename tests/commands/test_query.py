"""`esper query`, called as a command."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from esper.cli import main
from tests.karn.sql.runs import write_every_event, write_run

pytest.importorskip("duckdb", reason="not run without duckdb: pip install duckdb")

HOSTILE = (
    "SELECT '=1+1' AS \"a\x1b[31m\", chr(27) || ']0;x' AS b, chr(8238) AS c, '\n' AS d, '@x' AS b"
)


@pytest.fixture(autouse=True)
def _runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        write_run(tmp_path / "runs", name)


def ask(capsys, *arguments, code=0):
    assert main(["query", *arguments]) == code
    printed = capsys.readouterr()
    assert not printed.err
    return printed.out


def test_a_table_is_aligned_and_says_whether_there_is_more(capsys):
    query = "SELECT run, epoch, val_loss, epoch = 1 AS first FROM epochs ORDER BY ALL"

    assert ask(capsys, query, "--limit", "2") == (
        "run  epoch  val_loss  first\n"
        "---  -----  --------  -----\n"
        "one      1       0.3  true\n"
        "one      2       0.3  false\n"
        "(2 rows, and more: --limit 0)\n"
    )
    assert ask(capsys, query).endswith("(16 rows)\n")


def test_a_row_that_is_wider_than_the_terminal_becomes_lines(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    lines = ask(capsys, "SELECT * FROM runs", "--run", "one").splitlines()

    assert lines[:2] == ["row 1", "  run                     one"]
    assert lines[-1] == "(1 row)"


def test_csv(capsys):
    query = "SELECT run, NULL AS n, 'x,\"y' AS t, [1, 2] AS l, {'a': 'NaN'::DOUBLE} AS s FROM runs ORDER BY run"

    assert ask(capsys, query, "--format", "csv", "--run", "one") == (
        'run,n,t,l,s\none,,"x,""y","[1, 2]","{""a"": ""NaN""}"\n'
    )


def test_json_rows_conform_to_the_schema_of_the_view(capsys, tmp_path):
    write_every_event(tmp_path / "runs", "every")
    schemas = json.loads(ask(capsys, "--schema", "--json"))
    for view, schema in schemas.items():
        document = json.loads(ask(capsys, f'SELECT * FROM "{view}"', "--json"))
        for row in document["rows"]:
            Draft202012Validator(schema).validate(row)
        for column in document["columns"]:
            declared = schema["properties"][column["name"]]
            assert column["description"].startswith(declared["description"])
    assert schemas["epochs"]["properties"]["val_loss"] == {
        "type": ["number", "string", "null"],
        "description": "Loss on the validation set after the epoch.",
        "unit": "nats",
    }


@pytest.mark.parametrize("format_", ["table", "csv", "json"])
def test_hostile_texts_do_not_reach_the_terminal(capsys, format_):
    printed = ask(capsys, HOSTILE, "--format", format_)

    assert all(character.isprintable() or character == "\n" for character in printed)
    if format_ == "csv":
        assert printed.splitlines()[1] == "'=1+1,\\x1b]0;x,\\u202e,'\\n,'@x"
    if format_ == "json":
        assert [*json.loads(printed)["rows"][0].values()] == [
            "=1+1",
            "\x1b]0;x",
            "\u202e",
            "\n",
            "@x",
        ]


def test_parquet_and_other_files(capsys, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="not run without pyarrow")
    query = "SELECT run, epoch, now() AS t FROM epochs ORDER BY ALL"
    for name in ("parquet", "csv", "json"):
        ask(capsys, query, "--format", name, "--out", f"answer.{name}")

    assert parquet.read_table("answer.parquet").num_rows == 16
    assert len((tmp_path / "answer.csv").read_text().splitlines()) == 17
    assert len(json.loads((tmp_path / "answer.json").read_text())["rows"]) == 16


def test_views_are_listed_and_described(capsys):
    listed = ask(capsys, "--list")
    described = ask(capsys, "--schema", "seeds")

    assert listed.splitlines()[0].startswith("runs ")
    assert "governor_rollback  " in listed
    assert "[parameters]" in described
    assert json.loads(ask(capsys, "--list", "--json"))["views"]["seeds"] in described


def test_an_export_is_queried_like_the_logs(capsys):
    pytest.importorskip("pyarrow", reason="not run without pyarrow")
    query = ["SELECT * FROM epochs ORDER BY run, epoch", "--format", "json"]
    main(["export", "--all", "--to", "parquet"])
    capsys.readouterr()

    assert ask(capsys, *query, "--parquet", "export/parquet") == ask(capsys, *query)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of a query, --list and --schema, got none of them"),
        (["SELECT 1", "--list"], "got several"),
        (["SELECT 1", "--format", "parquet"], "add: --out FILE"),
        (["SELECT 1", "--json", "--format", "csv"], "give one format, got --json and --format csv"),
        (["--list", "--format", "csv"], "leave --format and --out out"),
        (["--schema", "seed"], 'no view "seed"; did you mean seeds?'),
        (["SELECT 1", "--memory", "all"], "--memory must be a size"),
        (["SELECT 1", "--run", "onw"], 'no run "onw"'),
        (
            ["SELECT 1", "--parquet", "runs"],
            "an export must be a folder that esper export has made",
        ),
        (["SELECT x FROM runs"], 'no column "x"'),
        (["SELECT 1 / 'a'"], "Could not convert string 'a'"),
        (["SELECT 1", "--out", "runs"], "runs"),
    ],
)
def test_mistakes_are_named_in_one_line(capsys, arguments, message):
    assert main(["query", *arguments]) == 2

    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out


@pytest.mark.parametrize("options", [["--timeout", "0"], ["--timeout", "x"], ["--limit", "-1"]])
def test_numbers_that_cannot_be_used_are_refused(capsys, options):
    with pytest.raises(SystemExit):
        main(["query", "SELECT 1", *options])
    assert "must be" in capsys.readouterr().err


def test_a_run_that_cannot_be_read_is_named(capsys, tmp_path):
    (log,) = (tmp_path / "runs" / "two" / "log").iterdir()
    log.write_text(log.read_text().replace('"v":"1.', '"v":"9.'))

    assert main(["query", "SELECT run FROM runs"]) == 0

    printed = capsys.readouterr()
    assert printed.err.startswith("esper query: left out two: ")
    assert "one" in printed.out


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc")
def test_ctrl_c_ends_a_query(tmp_path):
    endless = (
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"
    )
    command = [sys.executable, "-m", "esper", "query", endless]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as ran:
        # The command handles signals before it loads DuckDB; one before the query runs ends the process as well.
        deadline = time.monotonic() + 120
        while "duckdb" not in Path(f"/proc/{ran.pid}/maps").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1)
        ran.send_signal(signal.SIGINT)
        out, err = ran.communicate(timeout=120)

    assert (ran.returncode, out, err.count("\n")) == (130, "", 1)
    assert err.endswith(": ended by SIGINT\n")


def test_a_query_that_does_not_notice_its_interruption_is_ended_with_the_process(tmp_path):
    stuck = "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))"
    command = [sys.executable, "-m", "esper", "query", stuck, "--timeout", "0.5"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert "a query must end within 0.5 s" in ran.stderr
