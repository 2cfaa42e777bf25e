"""The cache makes runs faster and never decides what is right: it holds only what is rendered for the same input."""

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from codegen.compile import compile_contract
from codegen.contract.users import Users
from codegen.diagnostics.findings import Findings
from codegen.output import cache, finish, formatting
from codegen.output.layout import Settings, foreign_layout
from codegen.output.render import render
from tests.codegen.random_contracts import contracts, to_yaml
from tests.codegen.tiny import tiny


@pytest.fixture
def folder(tmp_path_factory, monkeypatch):
    """Use an empty cache, and return its folder."""
    folder = tmp_path_factory.mktemp("empty") / "cache"
    monkeypatch.setenv(cache.VARIABLE, str(folder))
    return folder


@pytest.fixture
def formatted(monkeypatch):
    """Return the list of texts that black formats."""
    texts = []

    def count(source):
        texts.append(source)
        return formatting.format_source(source)

    monkeypatch.setattr(finish, "format_source", count)
    return texts


def test_an_unchanged_contract_is_not_formatted_again(project, folder, formatted):
    project.generate()
    assert formatted
    formatted.clear()
    assert project.codegen("check").code == 0
    shutil.rmtree(project.package)
    project.generate()
    assert not formatted


def test_without_the_cache_everything_is_formatted(project, folder, formatted):
    project.generate()
    num_parts = len(formatted)
    formatted.clear()
    assert project.codegen("check", "--no-cache").code == 0
    assert len(formatted) == num_parts


def test_the_cache_is_private_and_outside_the_project(project, folder):
    project.generate()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir())
    assert not [path for path in project.folder.rglob("*") if "cache" in path.name]


@pytest.mark.parametrize("where", [".", "build/cache"])
def test_a_cache_inside_the_project_is_refused(project, monkeypatch, where):
    """A commit could fill it with texts that make a check green."""
    (project.folder / "pyproject.toml").write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(project.folder / where))
    ran = project.codegen("check")
    assert ran.code == 2
    assert "ESPER_CODEGEN_CACHE must name a folder outside" in ran.err
    assert project.codegen("check", "--no-cache").code == 3


def test_a_default_folder_inside_the_project_is_not_used(project, monkeypatch):
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.folder / "cache"))
    (project.folder / "pyproject.toml").write_text("")
    project.generate()
    assert not (project.folder / "cache").exists()


def test_the_default_folder_is_that_of_the_user(project, tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("home")
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    project.generate()
    assert list((home / "esper-codegen").iterdir())


def test_the_cache_can_be_switched_off(project, tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setenv(cache.VARIABLE, "off")
    project.generate()
    assert not list(home.iterdir())


def hash_first(content):
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data.replace(b"A ping.", b"A pong."),
        lambda data: data.partition(b"\n")[2],
        lambda data: b"\xff" * 100,
        lambda data: hash_first(b"{}"),
        lambda data: hash_first(b'["key", "formatting", [["path", "spec", [["part"]]]]]'),
    ],
)
def test_a_damaged_entry_is_rendered_again(project, folder, damage):
    project.generate()
    for path in folder.iterdir():
        path.write_bytes(damage(path.read_bytes()))
    assert project.codegen("check").code == 0


def forge(folder):
    """Put another text into every entry, as somebody who can write to the cache and knows its form."""
    store = cache.Cache(folder)
    for target in ("python", "sql"):
        slot = f"pings {target} True"
        found = store.load(slot)
        changed = repr(found).replace("A ping.", "A pong.")
        names = {name: getattr(cache, name) for name in ("Rendering", "CachedFile", "CachedPart")}
        store.store(slot, eval(changed, names))


def test_entries_that_others_could_have_written_are_ignored(project, folder):
    project.generate()
    forge(folder)
    assert project.codegen("check").code == 3, "the forgery itself works"
    for path in folder.iterdir():
        path.chmod(0o666)
    assert project.codegen("check").code == 0
    forge(folder)
    folder.chmod(0o777)
    assert project.codegen("check").code == 0
    folder.chmod(0o700)


def test_a_link_in_the_place_of_the_cache_or_an_entry_is_not_followed(project, folder):
    project.generate()
    forge(folder)
    moved = folder.with_name("moved")
    folder.rename(moved)
    folder.symlink_to(moved)
    assert project.codegen("check").code == 0
    folder.unlink()
    folder.mkdir(mode=0o700)
    for path in moved.iterdir():
        (folder / path.name).symlink_to(path)
    assert project.codegen("check").code == 0


def test_the_folder_does_not_grow_without_bound(folder, monkeypatch):
    monkeypatch.setattr(cache, "_NUM_ENTRIES", 3)
    store = cache.Cache(folder)
    for number in range(6):
        store.store(str(number), cache.Rendering(str(number), "", ()))
        os.utime(next(iter(folder.glob("*.json"))), None)
    assert len(list(folder.glob("*.json"))) == 3
    assert store.load("5") == cache.Rendering("5", "", ())


def test_an_entry_that_is_too_large_is_not_stored(folder, monkeypatch):
    monkeypatch.setattr(cache, "_ENTRY_BYTES", 100)
    store = cache.Cache(folder)
    store.store("slot", cache.Rendering("x" * 200, "", ()))
    assert store.load("slot") is None


@pytest.mark.parametrize(
    "change", ["contract", "package", "users", "target", "formatter", "generator", "library"]
)
def test_everything_that_decides_a_text_is_part_of_the_key(project, monkeypatch, change):
    def key(target="python", package="pings", is_formatted=True, users=None):
        contract = compile_contract(project.spec, "tiny.yaml", Findings())
        contract = replace(contract, users=users or Users())
        found = cache.hash_contract(contract)
        return cache.hash_rendering(found, package, target, is_formatted=is_formatted)

    before = key()
    assert key() == before
    if change == "contract":
        project.edit("A note.", "A nose.")
    elif change == "generator":
        monkeypatch.setattr(cache, "_hash_sources", lambda ends: "other")
    elif change == "library":
        monkeypatch.setattr(cache, "_versions", lambda: ("3.99",))
    options = {
        "package": {"package": "pongs"},
        "users": {"users": Users(readers={"PING.note": ("app.main",)})},
        "target": {"target": "sql"},
        "formatter": {"is_formatted": False},
    }
    assert key(**options.get(change, {})) != before


def test_every_source_and_template_of_the_generator_is_part_of_the_key(tmp_path, monkeypatch):
    copy = tmp_path / "codegen"
    shutil.copytree(Path(cache.__file__).parents[1], copy)
    monkeypatch.setattr(cache, "_GENERATOR", copy)
    seen = {hash_sources()}
    for name in ("templates/sql/view.sql.j2", "languages/sql/quoting.py", "output/cache.py"):
        with (copy / name).open("a") as file:
            file.write("\n")
        seen.add(hash_sources())
    (copy / "targets" / "new.py").write_text("")
    seen.add(hash_sources())
    assert len(seen) == 5


def hash_sources():
    return cache._hash_sources.__wrapped__(cache._SOURCES)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(contract=contracts())
def test_a_run_with_the_cache_renders_the_same_as_one_without(folder, tmp_path, contract):
    """All contracts share the slots of one package, so each finds the entries of the one before."""
    spec = tmp_path / "random.yaml"
    for version in (to_yaml(contract), tiny(), to_yaml(contract)):
        spec.write_text(version, encoding="utf-8")
        compiled = compile_contract(spec, "random.yaml", Findings())
        layout = foreign_layout(spec, tmp_path / "out", "out", program="python -m codegen")
        with_cache = Settings(is_formatted=False, cache=cache.Cache(folder))
        assert render(compiled, layout, with_cache) == render(
            compiled, layout, Settings(is_formatted=False)
        )
