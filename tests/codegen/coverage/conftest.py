"""Fixtures: a shop with a contract, code that uses it, and the package generated for it."""

import contextlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from codegen.__main__ import main

HERE = Path(__file__).parent


@dataclass
class Shop:
    """A project folder with a contract, code, and the generated package."""

    folder: Path

    def codegen(self, command, *arguments, spec="shop.yaml"):
        """Run `python -m codegen` in the folder; return its exit code, output and errors."""
        layout = ["--spec", str(spec), "--out", "shop/_generated", "--package", "shop._generated"]
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main([command, *layout, *arguments])
        return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """Return a shop whose package can be imported."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(HERE / "shop", folder / "shop")
    shutil.copy(HERE / "shop.yaml", folder)
    # Every floor that the file leaves out is 100.
    (folder / "coverage.yaml").write_text("floors: {emitted: 100}\n")
    # A virtual environment, which is not code of the shop.
    (folder / ".venv").mkdir()
    (folder / ".venv" / "library.py").write_text("def broken(:")
    shop = Shop(folder)
    code, _, err = shop.codegen("generate", "--target", "python", "--no-format")
    assert code == 0, err
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield shop


@pytest.fixture(scope="session")
def text(shop):
    """Return the text report of the coverage by the code of the shop."""
    return shop.codegen("coverage")[1]


@pytest.fixture(scope="session")
def points(shop):
    """Return every point of the coverage by the code of the shop, by measure and name."""
    code, out, err = shop.codegen("coverage", "--format", "json")
    assert (code, err) == (1, "")
    return {(one["measure"], one["name"]): one for one in json.loads(out)["points"]}
