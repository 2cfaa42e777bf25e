"""`esper.read` opens a run: its events, tables and data frames."""

import importlib.util

import pytest

import esper
from esper._generated.lifecycle import emit_seed_pruned
from esper.karn import run_view
from esper.leyline.errors import RunNotFoundError, UsageError
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.tags import add_tags
from tests.nissa.sample_events import Seed, emit_whole_run


@pytest.fixture
def view(tmp_path):
    with Hub("a-run") as hub:
        hub.attach(RunLog(tmp_path / "runs" / "a-run"))
        emit_whole_run(hub.channel(env_id=0))
    return esper.read("latest", run_dir=tmp_path / "runs")


def epochs(view):
    return [one for one in esper.read_run(view.folder) if one[0].event == "EPOCH_COMPLETED"]


def test_a_run_is_found_by_id_and_by_path(view):
    root = view.folder.parent
    assert (
        esper.read("a-r", run_dir=root) == esper.read(view.folder) == esper.read(str(view.folder))
    )
    with pytest.raises(RunNotFoundError, match="a-run"):
        esper.read("a-rum", run_dir=root)
    with pytest.raises(UsageError, match="run must be a path or an id, got None"):
        esper.read(None)


def test_events_counts_tags_and_story(view):
    add_tags(view.folder, ["good"], note="n")

    assert list(view.events("EPOCH_COMPLETED")) == epochs(view)
    assert view.count()["EPOCH_COMPLETED"] == len(epochs(view))
    assert sum(view.count().values()) == view.story().num_events
    assert view.tags == {"good": "n"}
    with pytest.raises(AttributeError):
        view.folder = None


def test_a_table_has_a_row_for_each_event(view):
    rows = view.table("EPOCH_COMPLETED").to_pylist()

    assert [row["val_accuracy"] for row in rows] == [one.val_accuracy for _, one in epochs(view)]
    assert view.table("HOST_REJUVENATED").num_rows == 0


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_data_frame_has_a_row_for_each_event(view, library):
    pytest.importorskip(library, reason=f"not run without {library}: pip install {library}")

    frame = view.frame("EPOCH_COMPLETED", library=library)

    assert list(frame["val_accuracy"]) == [one.val_accuracy for _, one in epochs(view)]
    assert list(frame["seq"]) == [one.seq for one, _ in epochs(view)]


@pytest.mark.parametrize("call", ["events", "table", "frame"])
def test_an_unknown_event_is_refused_with_a_suggestion(view, call):
    with pytest.raises(
        UsageError, match=r'no event "EPOCH_COMPLETE"; did you mean EPOCH_COMPLETED\?'
    ):
        getattr(view, call)("EPOCH_COMPLETE")


def test_without_a_data_frame_library_the_error_names_both(view, monkeypatch):
    found = importlib.util.find_spec
    missing = ("polars", "pandas")
    monkeypatch.setattr(
        run_view.importlib.util, "find_spec", lambda name: None if name in missing else found(name)
    )

    with pytest.raises(UsageError, match=r"needs polars or pandas, .* pip install polars, or use"):
        view.frame("EPOCH_COMPLETED")
    with pytest.raises(UsageError, match="needs pandas, which is not installed"):
        view.frame("EPOCH_COMPLETED", library="pandas")
    with pytest.raises(UsageError, match="library must be polars or pandas, got 'excel'"):
        view.frame("EPOCH_COMPLETED", library="excel")


def test_a_notebook_shows_outcome_and_seeds_of_a_run(view):
    shown = view._repr_html_()

    assert shown.startswith("<table>")
    assert '<th scope="row">outcome</th><td>completed</td>' in shown
    assert "<td>r0c0</td><td>conv_small</td><td>FOSSILIZED</td>" in shown


def test_hostile_texts_in_a_log_do_not_become_html(tmp_path):
    hostile = "<script>alert(1)</script>\u202e\x1b[31m"
    with Hub("a-run") as hub:
        hub.attach(RunLog(tmp_path / "runs" / "a-run"))
        emit_seed_pruned(
            hub.channel(env_id=0),
            Seed(slot_id=hostile),
            reason=hostile,
            initiator="policy",
            auto_pruned=False,
        )
    shown = esper.read("latest", run_dir=tmp_path / "runs")._repr_html_()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e\\x1b[31m" in shown
    assert "<script" not in shown
    assert shown.isprintable()


def test_a_run_without_events_is_shown_as_that(tmp_path):
    (tmp_path / "runs" / "<b>" / "log").mkdir(parents=True)
    shown = esper.read("latest", run_dir=tmp_path / "runs")._repr_html_()

    assert shown.startswith("<p><b>&lt;b&gt;</b>: ")
