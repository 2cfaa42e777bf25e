"""A file that never ends, and a machine that lacks something, are reported in one sentence."""

import os
import subprocess
import sys

import pytest

from codegen.commands import validate
from codegen.output.layout import PROJECT
from codegen.reading import TooLargeError, read_bounded


@pytest.fixture
def places(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", 1 << 40)
    (tmp_path / "link").symlink_to("/dev/zero")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("/dev/zero", "cannot read the contract: only a regular file is read"),
        ("link", "cannot read the contract: only a regular file is read"),
        ("/dev/stdin", "cannot read the contract: "),
        ("pipe", "cannot read the contract: only a regular file is read"),
        ("folder", "cannot read the contract: Is a directory"),
        ("missing", "cannot read the contract: No such file or directory"),
        ("huge", "a contract has at most 1048576 bytes, got 1099511627776"),
    ],
)
@pytest.mark.parametrize("command", ["validate", "generate", "compat"])
def test_an_input_without_an_end_is_refused(project, places, command, name, complaint):
    path = str(places / name)
    arguments = {
        "validate": ["validate", path],
        "generate": ["--spec", path, "--out", "out", "--package", "out", "--no-format"],
        "compat": ["compat", path, str(project.spec)],
    }
    ran = project.codegen(*arguments[command], layout=())
    assert ran.code == 2
    assert complaint in ran.out + ran.err


@pytest.mark.parametrize("name", ["pipe", "folder", "huge"])
def test_a_baseline_without_an_end_is_refused(project, places, name):
    path = places / f"{name}.json"
    (places / name).rename(path)
    ran = project.codegen("compat", str(path), str(project.spec), layout=())
    assert ran.code == 2
    assert "HIS001 cannot read the baseline" in ran.err


def test_a_file_of_exactly_the_limit_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert read_bounded(path, 3) == b"abc"
    with pytest.raises(TooLargeError, match="at most 2 bytes are read, got 3"):
        read_bounded(path, 2)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "codegen: there is not enough memory for the input\n"),
        (RecursionError(), "codegen: the input is nested too deeply\n"),
        (OSError(28, "No space left on device"), "codegen: No space left on device\n"),
        (OSError(5, "Input/output error", "a.py"), "codegen: a.py: Input/output error\n"),
        (ModuleNotFoundError(name="black"), "codegen: the package black is missing; run: pip install black\n"),
    ],
)  # fmt: skip
def test_a_failure_of_the_machine_is_one_sentence(project, monkeypatch, error, sentence):
    def fail(*_):
        raise error

    monkeypatch.setattr(validate, "compile_contract", fail)
    ran = project.codegen("validate", "tiny.yaml", layout=())
    assert (ran.code, ran.err) == (2, sentence)


@pytest.mark.parametrize(("package", "name"), [("jinja2", "jinja2"), ("yaml", "PyYAML")])
def test_a_missing_package_is_one_sentence(package, name):
    program = f"import runpy, sys; sys.modules['{package}'] = None; sys.argv[1:] = ['check']; runpy.run_module('codegen', run_name='__main__')"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr == f"codegen: the package {package} is missing; run: pip install {name}\n"
