"""Tags of a run are stored in its folder in one step, and their names can be typed and shown."""

import json
import threading

import pytest

from esper.leyline.errors import LogError, UsageError
from esper.nissa.tags import add_tags, read_tags, remove_tags


def test_tags_are_added_changed_and_removed(tmp_path):
    assert read_tags(tmp_path) == {}
    assert add_tags(tmp_path, ["good", "a.b:1"], note="best of all") == {
        "a.b:1": "best of all",
        "good": "best of all",
    }
    assert add_tags(tmp_path, ["good"])["good"] == "best of all"
    assert add_tags(tmp_path, ["good"], note="ü\n2")["good"] == "ü\n2"
    assert remove_tags(tmp_path, ["a.b:1"]) == read_tags(tmp_path) == {"good": "ü\n2"}

    remove_tags(tmp_path, ["good"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "-x", "a b", "a,b", "a/b", "a" * 65, "\x1b[31m", "x\n", None])
def test_a_name_that_cannot_be_shown_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="a tag must have 1 to 64"):
        add_tags(tmp_path, ["good", name])
    assert read_tags(tmp_path) == {}


@pytest.mark.parametrize("note", ["", "  ", "n" * 2001, "\ud800"])
def test_a_note_that_cannot_be_stored_is_refused(tmp_path, note):
    with pytest.raises(UsageError, match="a note must be a text of 1 to 2000 characters"):
        add_tags(tmp_path, ["good"], note=note)


def test_a_tag_that_is_not_there_cannot_be_removed(tmp_path):
    with pytest.raises(UsageError, match=r'has no tag "bad"; it has no tags'):
        remove_tags(tmp_path, ["bad"])
    add_tags(tmp_path, ["good"])
    with pytest.raises(UsageError, match=r'has no tag "bad"; it has: good'):
        remove_tags(tmp_path, ["good", "bad"])
    assert read_tags(tmp_path) == {"good": None}


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"tags": 3}', '{"tags": {"a b": {"note": null}}}', '{"tags": {"a": null}}', "\xff"],
)
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "tags.json").write_bytes(content.encode("latin-1"))

    with pytest.raises(LogError, match="correct or remove it"):
        read_tags(tmp_path)


def test_none_of_two_changes_at_once_is_lost(tmp_path):
    names = [f"t{number}" for number in range(20)]
    threads = [threading.Thread(target=add_tags, args=(tmp_path, [name])) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(read_tags(tmp_path)) == set(names)
    assert json.loads((tmp_path / "tags.json").read_text())["tags"]["t3"] == {"note": None}
