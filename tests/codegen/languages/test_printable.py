"""Compiled templates are kept between runs where that is possible, and rendering never depends on it."""

import tempfile

import pytest
from jinja2 import DictLoader, Environment

from codegen.languages.printable import BytecodeCache


def render(folder):
    """Render a template in an environment that keeps compiled templates in `folder`."""
    loader = DictLoader({"greeting": "Hello, {{ name }}."})
    cached = Environment(loader=loader, bytecode_cache=BytecodeCache(str(folder)), autoescape=True)
    return cached.get_template("greeting").render(name="reader")


def test_a_compiled_template_is_kept_and_used_again(tmp_path):
    folder = tmp_path / "__pycache__"

    assert render(folder) == "Hello, reader."
    [kept] = folder.iterdir()
    written = kept.stat().st_mtime_ns
    assert render(folder) == "Hello, reader."
    assert [one.stat().st_mtime_ns for one in folder.iterdir()] == [written]


def test_a_folder_that_cannot_be_made_does_no_harm(tmp_path):
    folder = tmp_path / "missing" / "__pycache__"

    assert render(folder) == "Hello, reader."
    assert not folder.exists()


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(28, "No space left")]
)
def test_a_file_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", fail)

    assert render(tmp_path) == "Hello, reader."
    assert not list(tmp_path.iterdir())
