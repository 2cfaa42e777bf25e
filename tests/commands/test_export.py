"""`esper export`, called as a command."""

import json

import pytest

from esper.cli import main
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from tests.nissa.sample_events import emit_whole_run


@pytest.fixture(autouse=True)
def _runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        with Hub(name) as hub:
            hub.attach(RunLog(tmp_path / "runs" / name))
            emit_whole_run(hub.channel(env_id=0))


def test_runs_are_exported_and_counted(tmp_path, capsys):
    assert main(["export", "one", "one", "--to", "csv"]) == 0
    assert capsys.readouterr().out == "one: 24 new events in export/csv, 24 in all\n"

    assert main(["export", "--all", "--to", "csv", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["folder"] == "export/csv"
    assert {one["run"]: one["added"] for one in document["runs"]} == {"one": 0, "two": 24}
    assert (tmp_path / "export/csv/event=RUN_STARTED/run=two/rank=0/part-000000.csv").is_file()


def test_one_of_several_runs_that_cannot_be_exported_stops_no_other(tmp_path, capsys):
    (log,) = (tmp_path / "runs" / "one" / "log").iterdir()
    log.write_text(log.read_text().replace('"v":"1.', '"v":"9.'))

    assert main(["export", "--all", "--to", "csv"]) == 1

    printed = capsys.readouterr()
    assert "two: 24 new events" in printed.out
    assert printed.err.startswith("esper export: one: ")
    assert "update Esper" in printed.err
    assert main(["export", "one", "--to", "csv"]) == 2


def test_damaged_and_unknown_lines_are_named(tmp_path, capsys):
    (log,) = (tmp_path / "runs" / "one" / "log").iterdir()
    *lines, last = log.read_text().splitlines()
    later = json.loads(last) | {"v": "1.99.0", "event": "SEED_SLEPT"}
    log.write_text("\n".join([*lines, "damaged", json.dumps(later)]) + "\n")

    main(["export", "one", "--to", "csv"])

    printed = capsys.readouterr().out
    assert (
        "1 damaged line left out; left out, because only a later version of Esper knows them: SEED_SLEPT"
        in printed
    )
