"""`esper tag`, and the tags in `esper runs` and `esper summary`."""

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


def output(capsys, *arguments):
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_a_tag_is_added_shown_and_removed(capsys):
    assert output(capsys, "tag", "one", "good", "--note", "best \x1b[31mof all") == (
        "good: best \\x1b[31mof all\n"
    )
    document = json.loads(output(capsys, "tag", "one", "--json"))
    assert document == {"run": "one", "tags": {"good": "best \x1b[31mof all"}}
    assert output(capsys, "tag", "one", "good", "--remove") == "one has no tags\n"


def test_lists_and_summaries_show_tags(capsys):
    output(capsys, "tag", "one", "good", "fast")
    output(capsys, "tag", "two", "good", "--note", "again")

    assert " fast, good\n" in output(capsys, "runs", "--sort", "run")
    listed = json.loads(output(capsys, "runs", "--tag", "good", "--tag", "fast", "--json"))
    assert [(one["id"], one["tags"]) for one in listed["runs"]] == [("one", ["fast", "good"])]
    assert "none as asked for" in output(capsys, "runs", "--tag", "bad")
    assert "good: again\n" in output(capsys, "summary", "two")
    assert json.loads(output(capsys, "summary", "two", "--json"))["tags"] == {"good": "again"}


def test_damaged_tags_do_not_hide_the_list(tmp_path, capsys):
    (tmp_path / "runs" / "one" / "tags.json").write_text("{")

    assert json.loads(output(capsys, "runs", "--json", "--sort", "run"))["runs"][0]["tags"] is None
    assert main(["tag", "one"]) == 2
    assert "correct or remove it" in capsys.readouterr().err
