"""Generated files stay below their roots, are written whole or not at all, and follow no links."""

import os

import pytest

from codegen.errors import PathError
from codegen.paths import resolve_below


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


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(project, monkeypatch):
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


def test_a_folder_that_cannot_be_made_is_explained(project):
    project.package.write_text("a file")
    ran = project.codegen()
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert "pings" in ran.err
