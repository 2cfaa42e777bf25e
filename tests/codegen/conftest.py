"""A folder with a small contract of another project, in which tests run the command line."""

import importlib
import sys
from dataclasses import dataclass

import pytest
from hypothesis import settings

from codegen.__main__ import main
from tests.codegen.tiny import tiny

settings.register_profile("campaign", max_examples=2000)


@dataclass(frozen=True)
class Ran:
    """The result of a command: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


class Project:
    """A folder with tiny.yaml, from which the package `pings` is generated."""

    def __init__(self, folder, capsys):
        self.folder = folder
        self.spec = folder / "tiny.yaml"
        self.package = folder / "pings"
        self.spec.write_text(tiny(), encoding="utf-8")
        self._capsys = capsys

    def codegen(
        self, *arguments, layout=("--spec", "tiny.yaml", "--out", "pings", "--package", "pings")
    ):
        """Run a command on the contract."""
        self._capsys.readouterr()
        command = [one for one in arguments[:1] if not one.startswith("-")]
        try:
            code = main([*command, *layout, *arguments[len(command) :]])
        except SystemExit as error:
            code = error.code
        return Ran(code, *self._capsys.readouterr())

    def generate(self, text=None, *arguments):
        """Generate the package, from `text` if it is given; the command must succeed."""
        if text is not None:
            self.spec.write_text(text, encoding="utf-8")
        ran = self.codegen(*arguments)
        assert ran.code == 0, ran.err
        return self

    def load(self, module):
        """Import a module of the generated package in its present state."""
        importlib.invalidate_caches()
        return importlib.import_module(f"pings.{module}")

    def edit(self, old, new):
        """Replace a text in the contract, which must contain it."""
        text = self.spec.read_text(encoding="utf-8")
        assert old in text
        self.spec.write_text(text.replace(old, new), encoding="utf-8")

    def files(self):
        """Return the texts of the generated files, by name."""
        return {path.name: path.read_text(encoding="utf-8") for path in self.package.iterdir()}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep rendered texts in a folder of the test run, so that tests neither use nor fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ESPER_CODEGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Project(tmp_path, capsys)
    for name in [name for name in sys.modules if name == "pings" or name.startswith("pings.")]:
        del sys.modules[name]
