"""A project with two contracts, which a table in its pyproject.toml configures."""

from pathlib import Path

import pytest

from codegen.__main__ import main
from tests.codegen.conftest import Ran
from tests.codegen.tiny import tiny

ONE = """\
[tool.esper-codegen]
contract = "contracts/pings.yaml"
out = "src/shop/pings"
package = "shop.pings"
"""
TWO = """\
[project]
name = "shop"

[tool.esper-codegen]
formatter = "none"

[[tool.esper-codegen.contracts]]
contract = "contracts/pings.yaml"
out = "src/shop/pings"
package = "shop.pings"
targets = {markdown = "docs/pings.md", strategies = "tests/ping_strategies.py", contract_schema = "contracts"}

[[tool.esper-codegen.contracts]]
contract = "contracts/pongs.yaml"
out = "src/shop/pongs"
package = "shop.pongs"

[tool.esper-codegen.contracts.targets]
markdown = "docs/pongs.md"
arrow = true
strategies = "tests"
typescript = "web/src"
sql = false
"""


class Shop:
    """The folder of the project, in which the command line runs."""

    def __init__(self, folder: Path, capsys):
        self.folder = folder
        self._capsys = capsys
        (folder / "contracts").mkdir()
        for name in ("pings", "pongs"):
            (folder / "contracts" / f"{name}.yaml").write_text(tiny(), encoding="utf-8")

    def configure(self, text: str) -> "Shop":
        (self.folder / "pyproject.toml").write_text(text, encoding="utf-8")
        return self

    def run(self, *arguments: str) -> Ran:
        self._capsys.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as error:
            code = error.code
        return Ran(code, *self._capsys.readouterr())

    def files(self) -> set[str]:
        """Return the paths of all files whose names do not begin with a dot."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)) for path in found if path.name[0] != "."}


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys) -> Shop:
    monkeypatch.chdir(tmp_path)
    return Shop(tmp_path, capsys)
