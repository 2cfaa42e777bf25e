"""Commands work on the contracts of the table: each with its own places, package and history."""

import json
import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from codegen.commands import options as command_options
from codegen.output.layout import PROJECT
from tests.codegen.configuration.conftest import ONE, TWO


@pytest.fixture
def pair(shop):
    """The project with both contracts generated."""
    shop.configure(TWO)
    assert shop.run().code == 0
    return shop


def test_every_target_is_written_to_its_place(pair):
    files = pair.files()

    assert {
        "src/shop/pings/main.py",
        "src/shop/pings/writer.py",
        "src/shop/pings/views.sql",
        "docs/pings.md",
        "tests/ping_strategies.py",
        "contracts/contract.schema.json",
        "src/shop/pongs/main.py",
        "src/shop/pongs/arrow_schemas.py",
        "docs/pongs.md",
        "tests/strategies.py",
        "web/src/telemetry.ts",
    } <= files
    assert "src/shop/pongs/views.sql" not in files
    assert "src/shop/pongs/telemetry.ts" not in files


def test_generating_twice_changes_nothing_and_the_check_agrees(pair):
    before = pair.files()

    assert pair.run().out == ""
    assert pair.run("check").code == 0
    assert pair.files() == before


@pytest.mark.parametrize(
    "file",
    [
        "docs/pings.md",
        "tests/ping_strategies.py",
        "src/shop/pongs/arrow_schemas.py",
        "web/src/telemetry.ts",
        "src/shop/pings/writer.py",
        "contracts/contract.schema.json",
    ],
)
def test_the_check_covers_the_files_of_every_target(pair, file):
    path = pair.folder / file
    path.write_text(path.read_text(encoding="utf-8").replace("e", "E"), encoding="utf-8")

    ran = pair.run("check")

    assert ran.code == 3
    assert file in ran.out


@pytest.mark.parametrize("place", ['"web/b"', "false"])
def test_a_target_outside_the_package_that_is_moved_or_switched_off_leaves_nothing(shop, place):
    targets = "\n[tool.esper-codegen.targets]\n"
    places = {"typescript": "web/a", "markdown": "docs/pings.md", "json_schema": "web/a"}
    table = ONE + targets + "".join(f'{key} = "{one}"\n' for key, one in places.items())
    assert shop.configure(table).run().code == 0
    moved = [f"web/a/{name}" for name in ("telemetry.ts", "telemetry.schema.json")]
    edited = shop.folder / "docs/pings.md"
    edited.write_text(edited.read_text() + "mine\n")

    ran = shop.configure(table.replace('"web/a"', place).replace('"docs/pings.md"', "false")).run()

    assert all(f"removed {name}\n" in ran.out for name in moved)
    assert (ran.code, "kept docs/pings.md\n" in ran.out) == (1, True)
    assert ran.err == (
        "docs/pings.md is not a file of the contract any more, and was changed after codegen wrote it;"
        " move or remove it\n"
    )
    assert not shop.files() & set(moved)


def test_a_target_that_is_switched_off_takes_its_file_with_it(pair):
    pair.configure(TWO.replace("arrow = true", "arrow = false"))

    assert "removed src/shop/pongs/arrow_schemas.py\n" in pair.run().out
    assert "docs/pings.md" in pair.files()


def test_the_generated_files_do_not_depend_on_the_folder_in_which_the_command_runs(
    pair, monkeypatch
):
    monkeypatch.chdir(pair.folder / "src")

    assert pair.run("check").code == 0


def test_each_contract_has_its_own_history(pair):
    for name in ("pings", "pongs"):
        assert pair.run("release", "--contract", name).code == 0

    assert {file for file in pair.files() if "history" in file} == {
        f"contracts/history/{name}/1.2.0.{suffix}"
        for name in ("pings", "pongs")
        for suffix in ("json", "jsonl")
    }
    assert pair.run("compat").out.count("nothing has changed since 1.2.0") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["release"], "release is for one contract; select it with --contract: pings, pongs"),
        (["compat", "--format", "json"], "compat is for one contract; select it with --contract"),
        (["check", "--contract", "ping"], 'no contract "ping" in the table; did you mean "pings"?'),
        (["check", "--out", "x"], "--out and --package are for one contract; select it with"),
        (["compat", "--history", "x"], "--history is for one contract; select it with --contract"),
        (["check", "--spec", "x.yaml"], "--spec, --out and --package belong together"),
        (["check", "--spec", "x", "--contract", "pings"], "--contract and --config are about a table"),
        (["check", "--config", "nowhere.toml"], "nowhere.toml: No such file or directory"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_the_table_are_refused(pair, arguments, message):
    ran = pair.run(*arguments)

    assert ran.code == 2
    assert f"codegen: {message}" in ran.err


def test_the_command_line_replaces_what_the_table_says(shop):
    shop.configure(ONE)

    assert shop.run("generate", "--out", "lib/pings", "--package", "pings").code == 0

    assert "lib/pings/views.sql" in shop.files()
    text = (shop.folder / "lib/pings/codec.py").read_text(encoding="utf-8")
    assert "from pings.channel import Payload" in text


def test_package_and_folder_on_the_command_line_agree(shop):
    shop.configure(ONE)

    ran = shop.run("generate", "--package", "pongs")

    assert ran.code == 2
    assert "the folder of package pongs must be called pongs, got src/shop/pings" in ran.err


def test_black_formats_if_the_table_says_so(shop):
    shop.configure(ONE + 'formatter = "black"\n')
    assert shop.run().code == 0
    formatted = (shop.folder / "src/shop/pings/__init__.py").read_text(encoding="utf-8")
    shop.configure(ONE)
    assert shop.run().code == 0
    plain = (shop.folder / "src/shop/pings/__init__.py").read_text(encoding="utf-8")

    assert len(formatted.splitlines()) > len(plain.splitlines())


def test_two_contracts_in_a_folder_without_a_table_do_not_share_their_releases(shop):
    for name in ("pings", "pongs"):
        layout = ["--spec", f"contracts/{name}.yaml", "--out", name, "--package", name]
        layout.append("--no-format")
        assert shop.run("generate", *layout).code == 0
        assert shop.run("release", *layout).code == 0

    releases = {file for file in shop.files() if file.endswith("1.2.0.json")}
    assert releases == {"contracts/history/1.2.0.json", "contracts/history/pongs/1.2.0.json"}


def test_the_history_of_a_contract_that_was_renamed_is_not_forgotten(shop):
    old, new = (
        ["--spec", f"contracts/{name}.yaml", "--out", "pings", "--package", "pings"]
        for name in ("pings", "pangs")
    )
    assert shop.run("generate", *old).code == 0
    assert shop.run("release", *old).code == 0
    contracts = shop.folder / "contracts"
    (contracts / "pings.yaml").rename(contracts / "pangs.yaml")

    ran = shop.run("compat", *new)

    assert ran.code == 2
    assert (
        "history holds the releases of pings.yaml, which does not exist; if pangs.yaml" in ran.err
    )
    assert shop.run("compat", *new, "--history", "contracts/history").code == 0


def test_without_any_contract_the_command_says_how_to_begin(shop, monkeypatch):
    layout = command_options.our_layout()
    missing = shop.folder / "specs" / "telemetry.yaml"
    monkeypatch.setattr(command_options, "our_layout", lambda: replace_spec(layout, missing))

    ran = shop.run("check")

    assert ran.code == 2
    assert "no pyproject.toml here or above has a table [tool.esper-codegen]; `python -m" in ran.err


def replace_spec(layout, spec):
    return type(layout)(**{**vars(layout), "spec": spec})


def test_init_writes_a_contract_that_is_valid_and_generates(shop):
    shutil.rmtree(shop.folder / "contracts")
    shop.configure("[project]\nname = 'shop'\n")

    ran = shop.run("init", "shop.events")

    assert ran.code == 0
    assert ran.out.startswith(
        "wrote contracts/events.yaml\nadded the table to pyproject.toml\nedit contracts/events.yaml"
    )
    assert (shop.folder / "pyproject.toml").read_text().startswith("[project]\nname = 'shop'\n\n[")
    assert shop.run("validate").code == 0
    assert shop.run().code == 0
    assert "shop/events/jobs.py" in shop.files()


@pytest.mark.parametrize(
    ("arguments", "table", "message"),
    [
        (["init", "a b"], "", "a package must be a dotted name like shop.events, got 'a b'"),
        (["init"], ONE, "pyproject.toml has a table [tool.esper-codegen] already"),
    ],
)
def test_init_changes_nothing_that_is_there(shop, arguments, table, message):
    shop.configure(table)
    before = shop.files()

    ran = shop.run(*arguments)

    assert ran.code == 2
    assert message in ran.err
    assert shop.files() == before


def test_init_keeps_a_contract_that_is_there(shop):
    path = shop.folder / "contracts" / "events.yaml"
    path.write_text("mine", encoding="utf-8")

    assert "contracts/events.yaml exists already" in shop.run("init").err
    assert path.read_text(encoding="utf-8") == "mine"


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def committed(shop):
    """The project with one contract, committed on the branch main."""
    shop.configure(ONE)
    git(shop.folder, "init", "--initial-branch=main")
    git(shop.folder, "add", ".")
    git(shop.folder, "commit", "-m", "first")
    return shop


def test_compat_compares_with_a_commit(committed):
    path = committed.folder / "contracts" / "pings.yaml"
    text = path.read_text(encoding="utf-8")
    more = "      more: {type: str, default: '', missing: '', arg: true, doc: More.}\n"

    path.write_text(text + more, encoding="utf-8")
    added = committed.run("compat", "--against", "git:main")
    path.write_text(text.replace("note:", "word:"), encoding="utf-8")
    renamed = committed.run("compat", "--against", "git:HEAD")

    assert (added.code, renamed.code) == (0, 1)
    assert "PING.more: a new field" in added.out
    assert "PING.word" in renamed.out


def test_compat_compares_a_contract_behind_a_link_with_a_commit(committed):
    path = committed.folder / "contracts" / "pings.yaml"
    path.rename(path.with_name("shared.yaml"))
    path.symlink_to("shared.yaml")
    git(committed.folder, "add", ".")
    git(committed.folder, "commit", "-m", "second")

    assert committed.run("compat", "--against", "git:main").code == 0


@pytest.mark.parametrize(
    ("against", "message"),
    [
        ("main", "--against must look like git:main, got 'main'"),
        ("git:--output=x", "--against must look like git:main"),
        ("git:main:x", "--against must look like git:main"),
        ("git:nowhere", "; fetch it (in CI, with fetch-depth: 0), or commit the contract first"),
        ("git:nowhere", "Git cannot show pings.yaml at nowhere: "),
        ("git:HEAD..HEAD", "Git cannot show pings.yaml at HEAD..HEAD: "),
        ("git:^HEAD", "Git cannot show pings.yaml at ^HEAD: "),
        ("git:refs/heads/*", "Git cannot show pings.yaml at refs/heads/*: "),
        ("git:HEAD\nx", "--against must look like git:main, got 'git:HEAD\\nx'"),
    ],
)
def test_a_commit_that_cannot_be_read_is_one_sentence(committed, against, message):
    ran = committed.run("compat", "--against", against)

    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert message in ran.err


@pytest.mark.parametrize("kind", ["folder", "large"])
def test_what_is_no_contract_at_that_commit_is_one_sentence(committed, kind):
    spec = committed.folder / "contracts" / "pings.yaml"
    text = spec.read_text(encoding="utf-8")
    spec.unlink()
    if kind == "folder":
        spec.mkdir()
        (spec / "x").write_text("", encoding="utf-8")
    else:
        spec.write_text("#" * 2**21, encoding="utf-8")
    git(committed.folder, "add", "-A")
    git(committed.folder, "commit", "-m", "odd")
    shutil.rmtree(spec) if kind == "folder" else spec.unlink()
    spec.write_text(text, encoding="utf-8")

    ran = committed.run("compat", "--against", "git:HEAD")

    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert (
        "Git cannot show pings.yaml" if kind == "folder" else "at most 1048576 bytes"
    ) in ran.err


def test_a_file_whose_target_was_moved_in_the_table_is_removed(shop):
    shop.configure(f"{ONE}targets = {{sql = 'views/a.sql'}}\n")
    assert shop.run().code == 0
    shop.configure(f"{ONE}targets = {{sql = 'other/a.sql'}}\n")

    ran = shop.run()

    assert (ran.code, "removed views/a.sql\n" in ran.out) == (0, True)
    assert not (shop.folder / "views" / "a.sql").exists()
    assert shop.run("check").code == 0


@pytest.mark.parametrize("command", ["check", "compat"])
@pytest.mark.parametrize("form", ["json", "gitlab", "sarif", "junit", "github"])
def test_an_invalid_contract_is_a_finding_in_every_format(shop, command, form):
    shop.configure(ONE)
    spec = shop.folder / "contracts" / "pings.yaml"
    spec.write_text(spec.read_text(encoding="utf-8").replace("owner", "ownr"), encoding="utf-8")

    ran = shop.run(command, "--format", form)

    assert (ran.code, ran.err) == (2, "")
    assert "contracts/pings.yaml" in ran.out
    assert "unknown key" in ran.out
    if form == "junit":
        assert ElementTree.fromstring(ran.out).get("failures") != "0"
    elif form != "github":
        assert json.loads(ran.out)


@pytest.mark.parametrize("command", ["compat", "release"])
def test_a_history_that_is_no_folder_is_refused(shop, command):
    shop.configure(ONE)
    (shop.folder / "notes").write_text("", encoding="utf-8")

    ran = shop.run(command, "--history", "notes")

    assert (ran.code, ran.err) == (2, "codegen: the history must be a folder, got notes\n")


def test_the_versions_of_compiler_and_library_agree():
    from codegen.version import VERSION
    from esper.version import VERSION as LIBRARY

    assert VERSION == LIBRARY


def test_the_extra_of_the_distribution_pins_the_same_black_as_the_project():
    texts = [
        (PROJECT / file).read_text(encoding="utf-8")
        for file in ("pyproject.toml", "packaging/esper-codegen/pyproject.toml")
    ]

    pins = [line for text in texts for line in text.split('"') if line.startswith("black==")]
    assert len(pins) == 2
    assert len(set(pins)) == 1


def test_a_second_init_prints_the_table_to_add(shop):
    shop.configure(ONE)

    ran = shop.run("init", "shop.jobs")

    assert ran.out.startswith(
        "[[tool.esper-codegen.contracts]]\n"
        'contract = "contracts/jobs.yaml"\nout = "shop/jobs"\npackage = "shop.jobs"\n'
    )
    assert "add the table above by hand" in ran.err


def test_init_warns_of_a_name_that_hides_the_standard_library(shop):
    ran = shop.run("init", "json.events")

    assert ran.code == 0
    assert "warning: json is a module of Python's standard library" in ran.err


def test_compat_of_several_contracts_names_them(pair):
    lines = pair.configure(TWO).run("compat").out.splitlines()

    assert [one.partition(":")[0] for one in lines if "finding" in one and "released" in one] == []
    assert [one for one in lines if one.startswith("contracts/pings.yaml: 1 finding;")]
    assert [one for one in lines if one.startswith("contracts/pongs.yaml: 1 finding;")]


def test_recording_users_is_the_remedy_for_stale_users(shop):
    shop.configure(ONE + '[tool.esper-codegen.targets]\nmarkdown = "docs"\n')
    assert shop.run().code == 0
    emitted = (
        "from shop.pings import emit_ping\n\ndef ping(channel):\n    emit_ping(channel, note='a')\n"
    )
    (shop.folder / "src/shop/use.py").write_text(emitted)
    users = shop.folder / "contracts" / "pings.users.json"
    first = shop.run("coverage")
    assert (first.code, "COV018" in first.out) == (0, False)
    assert "nothing is required, because there is no contracts/coverage.yaml" in first.out
    assert "read by" not in (shop.folder / "docs/telemetry.md").read_text()

    users.write_text('{"emitters": {}, "readers": {}}\n')
    stale = shop.run("coverage")
    assert "run: python -m codegen coverage --record" in stale.out
    assert shop.run("coverage", "--record").code == 0
    assert "COV018" not in shop.run("coverage").out
