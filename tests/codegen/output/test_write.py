"""Generated files stay below their roots, are written completely or not at all, and follow no links."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from codegen.diagnostics.errors import PathError
from codegen.output import render
from codegen.output.layout import PROJECT, resolve_below
from codegen.targets.table import load_targets
from codegen.targets.target import Chunk, Output


def test_a_target_renders_exactly_the_files_that_it_declares(project, monkeypatch):
    python, *_ = load_targets()

    def render_more(contract, package):
        yield from python.render(contract, package)
        yield Output("more.py", (Chunk("", "MORE = 1\n"),))

    def render_less(contract, package):
        yield from list(python.render(contract, package))[1:]

    for altered, complaint in (
        (render_more, "target python rendered more.py twice, or does not declare it"),
        (render_less, "target python did not render checks.py"),
    ):
        target = replace(python, render=altered)
        monkeypatch.setattr(render, "load_targets", lambda wanted, target=target: [target])
        assert complaint in project.codegen("--no-cache").err
        assert not project.package.exists()


def test_several_processes_can_generate_at_once(project):
    command = [sys.executable, "-m", "codegen", "--no-format"]
    layout = ["--spec", str(project.spec), "--out", str(project.package), "--package", "pings"]
    running = [subprocess.Popen([*command, *layout], cwd=PROJECT) for _ in range(3)]
    assert [one.wait() for one in running] == [0, 0, 0]
    assert all(path.suffix in (".py", ".ts", ".sql", ".json") for path in project.package.iterdir())


@pytest.mark.parametrize("path", ["../outside.py", "a/../../outside.py", "/etc/outside.py"])
def test_a_path_that_leads_out_of_its_root_is_refused(tmp_path, path):
    with pytest.raises(PathError, match="a generated file stays below"):
        resolve_below(tmp_path / "root", path)


def test_a_link_in_the_place_of_a_file_is_refused(project):
    outside = project.folder / "outside.py"
    outside.write_text("# mine\n")
    project.package.mkdir()
    (project.package / "main.py").symlink_to(outside)
    ran = project.codegen()
    assert ran.code == 2
    assert "main.py is a symbolic link, which generated files do not follow; remove it" in ran.err
    assert outside.read_text() == "# mine\n"


def test_a_link_in_the_place_of_the_folder_is_refused(project):
    (project.folder / "elsewhere").mkdir()
    project.package.symlink_to(project.folder / "elsewhere")
    ran = project.codegen()
    assert ran.code == 2
    assert "pings is a symbolic link" in ran.err
    assert not list((project.folder / "elsewhere").iterdir())


def test_a_write_that_fails_leaves_the_old_file_and_no_temporary_one(project, monkeypatch):
    project.generate()
    before = project.files()
    project.edit("A note.", "A word.")

    def fail(source, target):
        raise OSError(28, "No space left on device", target)

    monkeypatch.setattr(os, "replace", fail)
    ran = project.codegen()
    assert ran.code == 2
    assert "No space left on device" in ran.err
    assert project.files() == before


def test_a_folder_that_cannot_be_created_is_reported(project):
    project.package.write_text("a file")
    ran = project.codegen()
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert "pings" in ran.err
