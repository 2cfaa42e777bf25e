"""`esper.sql` answers queries over one run or several as the readers see them."""

import json
from collections import Counter

import pytest

import esper
from esper._generated.fields import EVENT_FIELDS
from esper.karn.sql.database import RunDatabase
from esper.karn.sql.view_scripts import load_scripts, public_views
from esper.leyline.errors import LogError, RunNotFoundError, UsageError
from esper.nissa.exporting.dataset import open_dataset
from esper.nissa.exporting.export import export_run
from esper.nissa.exporting.formats import FORMATS
from esper.nissa.tags import add_tags
from tests.karn.sql.runs import log_of, write_every_event, write_run

pytest.importorskip("duckdb", reason="not run without duckdb: pip install duckdb")

SENSITIVE = [
    "RUN_FINISHED.error_message",
    "RUN_FINISHED.error_place",
    "Provenance.host_name",
    "Provenance.command",
    "TELEMETRY_REJECTED.got",
    "SINK_FAILED.message",
]


@pytest.fixture
def root(tmp_path):
    return tmp_path / "runs"


def ask(folders, query, **options):
    with esper.sql(folders, **options) as database:
        return database.sql(query).fetchall()


def counts(folder):
    """The number of events of each kind, as the reader sees the log."""
    return dict(Counter(envelope.event.lower() for envelope, _ in esper.read_run(folder)))


def viewed_counts(folder, **options):
    with esper.sql(folder, **options) as database:
        found = {
            event: database.sql(f'SELECT count(*) FROM "{event.lower()}"').fetchall()[0][0]
            for event in EVENT_FIELDS
        }
    return {event.lower(): number for event, number in found.items() if number}


def test_every_view_can_be_read_and_each_column_is_described(root):
    folder = write_every_event(root, "all")
    add_tags(folder, ["good"])
    with esper.sql(folder) as database:
        for view in public_views():
            assert database.sql(f'SELECT count(*) FROM "{view}"').fetchall()[0][0] > 0, view
            assert [one.name for one in database.columns(view) if not one.doc] == [], view
            assert database.views[view]
        comments = database.connection.execute(
            "SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'main' AND comment IS NOT NULL"
            " AND table_name = 'epochs'"
        ).fetchall()
    assert comments == [(28,)]


def test_views_that_join_events_have_names_of_their_own():
    scripts = load_scripts()
    joined = [name for name in public_views() if name.upper() not in EVENT_FIELDS]

    assert joined == ["runs", "tags", "seeds", "epochs", "governor"]
    assert {"_lifecycle", "_run", "_governor"} <= set(scripts)


def _reason_of(seed):
    return next((step.reason for step in seed.steps if step.reason), None)


def test_a_run_in_the_joined_views(root):
    folder = write_run(root, "one")
    add_tags(folder, ["good"], note="keep it")
    story = esper.read_story(folder)

    with esper.sql("one", run_dir=root) as database:
        (run,) = database.sql(
            "SELECT task, outcome, epochs_completed, val_accuracy, num_germinated, num_fossilized, num_pruned, num_rollbacks,"
            " num_panics, tags FROM runs"
        ).fetchall()
        seeds = database.sql(
            "SELECT slot_id, seed_number, blueprint_id, stage, reason, improvement FROM seeds ORDER BY ALL"
        ).fetchall()
        epochs = database.sql("SELECT epoch, val_accuracy FROM epochs ORDER BY epoch").fetchall()
        panics = database.sql(
            "SELECT followed_by FROM governor WHERE event = 'GOVERNOR_PANIC'"
        ).fetchall()
        tags = database.sql("FROM tags").fetchall()

    assert run == (
        story.started.task, "COMPLETED", story.epochs_completed, story.grown_accuracy, 2, 1, 1, 1, 1, ["good"],
    )  # fmt: skip
    told = [
        (slot.slot_id, number, seed.blueprint_id, seed.stage.name, _reason_of(seed), seed.improvement)
        for slot in story.slots
        for number, seed in enumerate(slot.seeds, start=1)
    ]  # fmt: skip
    assert seeds == sorted(told)
    assert epochs == [(one.epoch, one.payload.val_accuracy) for one in story.epochs]
    assert panics == [("GOVERNOR_ROLLBACK",)]
    assert tags == [("one", "good", "keep it")]


def test_all_runs_of_the_folder_are_the_default(root):
    for name in ("one", "two"):
        write_run(root, name)

    with esper.sql(run_dir=root) as database:
        assert sorted(folder.name for folder in database.runs) == ["one", "two"]
        assert database.sql("SELECT count(DISTINCT run) FROM epochs").fetchall() == [(2,)]
    with esper.sql([], run_dir=root) as database:
        assert database.sql("SELECT count(*) FROM runs, epochs").fetchall() == [(0,)]


def test_answers_that_are_read_in_part_do_not_block_others(root):
    with esper.sql(write_run(root, "one")) as database:
        reader = database.sql("SELECT epoch FROM epochs ORDER BY epoch").to_arrow_reader(1)
        assert reader.read_next_batch().to_pydict() == {"epoch": [1]}
        assert database.sql("SELECT count(*) FROM runs").fetchall() == [(1,)]


def damage_end(folder):
    """Append half a line, and nothing else."""
    with log_of(folder).open("ab") as file:
        file.write(b'{"seq": 99, "event": "SEED_PR')


def leave_out_line_end(folder):
    """Remove the last line end, so that the last line is whole JSON but torn."""
    path = log_of(folder)
    path.write_bytes(path.read_bytes()[:-1])


def resume_earlier(folder):
    """Add a writer that continues before the end of the first one, whose later events no longer count."""
    path = log_of(folder)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    later = [
        line | {"boot": "beef", "t_wall_ns": line["t_wall_ns"] + 10**9} for line in lines[10:15]
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in later)
    path.with_name("0-beef-0001.jsonl").write_text(text)


def add_foreign_line(folder):
    """Let the log start with a line of another run."""
    path = log_of(folder)
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(first.replace('"run":"one"', '"run":"two"') + "".join(rest))


@pytest.mark.parametrize(
    "change", [damage_end, leave_out_line_end, resume_earlier, add_foreign_line]
)
def test_lines_that_do_not_count_are_in_no_view(root, change):
    folder = write_run(root, "one")
    change(folder)

    assert viewed_counts(folder) == counts(folder)


def test_an_old_version_that_needs_conversion_goes_through_the_reader(root, monkeypatch):
    folder = write_every_event(root, "one")
    direct = ask(folder, "SELECT * FROM seed_pruned ORDER BY seq")
    merged = ask(folder, "SELECT * FROM governor ORDER BY seq")
    monkeypatch.setattr("esper.karn.sql.log_files.needs_no_upcast", lambda version: False)

    assert viewed_counts(folder) == counts(folder)
    assert ask(folder, "SELECT * FROM seed_pruned ORDER BY seq") == direct
    assert repr(ask(folder, "SELECT * FROM governor ORDER BY seq")) == repr(merged)


def test_an_export_gives_the_same_rows_as_the_logs(root, tmp_path):
    folders = [write_every_event(root, "every = event"), write_run(root, "two")]
    dataset = open_dataset(tmp_path / "lake", FORMATS["parquet"])
    for folder in folders:
        export_run(folder, dataset, reveal=tuple(SENSITIVE))
    with (
        esper.sql(folders) as logs,
        esper.sql(["every = event", "two"], parquet=tmp_path / "lake") as exported,
    ):
        for view in public_views():
            query = f'SELECT * FROM "{view}" ORDER BY ALL'
            assert repr(exported.sql(query).fetchall()) == repr(logs.sql(query).fetchall()), view
            assert exported.columns(view) == logs.columns(view), view
    with pytest.raises(RunNotFoundError, match='no run "twoo" in the export'):
        esper.sql("twoo", parquet=tmp_path / "lake")
    with pytest.raises(UsageError, match="an export must be a folder that esper export has made"):
        esper.sql(parquet=root)


def test_a_log_that_cannot_be_read_is_left_out_unless_it_is_the_only_one(root):
    write_run(root, "good")
    path = log_of(write_run(root, "later"))
    path.write_text(path.read_text().replace('"v":"1.', '"v":"9.'))

    with esper.sql(run_dir=root) as database:
        assert [folder.name for folder in database.runs] == ["good"]
        (problem,) = database.problems
    assert "update Esper" in problem
    with pytest.raises(LogError, match="update Esper"):
        esper.sql("later", run_dir=root)


def test_a_link_out_of_the_log_is_refused(root, tmp_path):
    folder = write_run(root, "one")
    secret = tmp_path / "secret.txt"
    secret.write_text('{"seq": 1}\n')
    (folder / "log" / "0-abcd-0009.jsonl").symlink_to(secret)

    with pytest.raises(LogError, match="must be in the folder of its log, got a link"):
        esper.sql(folder)


def test_two_runs_with_one_id_are_refused(root):
    one, two = write_run(root, "one"), root / "copy"
    (two / "log").mkdir(parents=True)
    (two / "log" / log_of(one).name).write_bytes(log_of(one).read_bytes())

    with pytest.raises(UsageError, match="runs must have different ids, but one is both"):
        esper.sql(run_dir=root)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT val_acc FROM epochs", 'no column "val_acc"; did you mean val_accuracy?'),
        ("SELECT e.vall_loss FROM epochs e", 'no column "vall_loss"; did you mean val_loss?'),
        ("FROM epoch", 'no view "epoch"; did you mean epochs?'),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT 1; SELECT 2", "got 2 statements"),
        ("PIVOT epochs ON epoch", "got MULTI; write: FROM"),
        ("", "got an empty one"),
        (None, "a query must be a text, got None"),
    ],
)
def test_a_mistake_is_named_in_one_line(root, query, message):
    with esper.sql([], run_dir=root) as database, pytest.raises(UsageError) as raised:
        database.sql(query)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": "much"}, '`memory` must be a size such as "512MB"'),
        ({"runs": [1]}, "a run must be a path or an id, got 1"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        esper.sql(**options)


def test_a_notebook_shows_the_views(root):
    with esper.sql([], run_dir=root) as database:
        shown = database._repr_html_()
    assert shown.startswith("<table><caption>0 runs</caption>")
    assert '<th scope="row">seeds</th>' in shown


def test_the_database_is_public():
    assert esper.RunDatabase is RunDatabase


def test_folders_whose_names_are_not_text_in_utf_8_are_read(root):
    write_every_event(root, "all")
    odd = root / "b\udcff"
    try:
        (root / "all").rename(odd)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")

    assert viewed_counts(odd) == counts(odd)
    assert ask(odd, "select folder from runs") == [(str(root / r"b\udcff"),)]
    with pytest.raises(UsageError, match=r"a name that UTF-8 can encode, got .*; rename it"):
        esper.sql(parquet=odd)
