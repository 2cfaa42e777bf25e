"""The table in pyproject.toml is read, and every mistake in it is found with its line."""

import os

import pytest

from codegen.configuration.table import (
    DEFAULT_TARGETS,
    FILE_NAMES,
    TARGETS,
    find_configuration,
    read_configuration,
)
from codegen.diagnostics.errors import UsageError
from codegen.targets.table import NAMES, load_targets
from tests.codegen.configuration.conftest import ONE, TWO


def test_a_contract_gets_its_history_and_the_targets_of_its_package(shop):
    shop.configure(ONE)

    (one,) = read_configuration(shop.folder / "pyproject.toml").contracts

    assert str(one.history) == "contracts/history/pings"
    assert {str(place) for place in one.places.values()} == {"src/shop/pings"}
    assert set(one.places) == set(DEFAULT_TARGETS)


def test_the_table_is_found_from_a_folder_below(shop):
    shop.configure(ONE)
    below = shop.folder / "contracts"
    (below / "pyproject.toml").write_text("[project]\nname = 'other'\n", encoding="utf-8")

    assert find_configuration(below) == shop.folder / "pyproject.toml"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("out =", "outt =", '3: unknown key "outt" in [tool.esper-codegen]; did you mean "out"?'),
        ("shop.pings", "a b", "4: package must be a dotted name like shop.events, got 'a b'"),
        ("shop.pings", "shop.class", "4: package must be a dotted name like shop.events, got 'shop.class'"),
        ("package", "targets.json_schema = 'web/a.json'\npackage", "4: json_schema must be a folder, got 'web/a.json'"),
        ("package", "targets.sql = 'web/a.SQL'\npackage", "4: sql must be a folder, or a file that ends with .sql, got 'web/a.SQL'"),
        ("src/shop/pings", "../x", "3: out must be a path inside the folder of pyproject.toml"),
        ("src/shop/pings", "/x", "3: out must be a path inside the folder of pyproject.toml"),
        ("src/shop/pings", "", "3: out must be a path of plain characters, got ''"),
        ("pings.yaml", "a\u2028b.yaml", r"2: contract must be a path of plain characters, got 'contracts/a\u2028b.yaml'"),
        ("src/shop/pings", ".", "3: out must be a path inside the folder of pyproject.toml"),
        ("src/shop/pings", "src/pings", "3: out must end with shop/pings, as package does, got src/pings"),
        ("package", "formatter = 'ruff'\npackage", "4: formatter must be one of none, black"),
        ("package", "targets = {sq = true}\npackage", '4: unknown key "sq" in [tool.esper-codegen.targets]; did you mean "sql"?'),
        ("package", "targets.channel = 'x'\npackage", "4: channel must be true or false"),
        ("package", "targets = 3\npackage", "4: targets must be a table of places"),
        ("package", "contracts = []\npackage", "2: contract belongs into a table of contracts"),
        ("package", "contracts = []\npackage", "4: contracts must be tables, [[tool.esper-codegen.contracts]]"),
        ("[tool.esper-codegen]", "[tool]\nesper-codegen = 3\n[x]", "2: [tool.esper-codegen] must be a table"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_line(shop, old, new, message):
    shop.configure(ONE.replace(old, new, 1))

    ran = shop.run("check")

    assert ran.code == 2
    assert f"codegen: pyproject.toml:{message}" in ran.err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("src/shop/pongs", "src/shop/pings", "15: out src/shop/pings belongs to contracts/pings.yaml already"),
        ("shop.pongs", "shop.pings", "16: package shop.pings belongs to contracts/pings.yaml already"),
        ("docs/pongs", "docs/pings", "19: markdown docs/pings.md belongs to contracts/pings.yaml already"),
        ("arrow = true", "arrow = 'tests/ping_strategies.py'", "20: arrow tests/ping_strategies.py belongs to contracts/pings.yaml already"),
        ("arrow = true", "arrow = 'tests/strategies.py'", "20: arrow tests/strategies.py belongs to strategies already"),
        ("arrow = true", "json_schema = 'src/shop/pings'", "20: json_schema src/shop/pings/telemetry.schema.json belongs to contracts/pings.yaml already"),
        ("arrow = true", "contract_schema = 'contracts'", "20: contract_schema contracts/contract.schema.json belongs to contracts/pings.yaml already; it is the same for all contracts"),
        ("sql = false", "sql = 'views.txt'", "23: sql must be a folder, or a file that ends with .sql, got 'views.txt'"),
        ("sql = false", "sql = 'true'", "23: sql must be a path, true or false; remove the quotes"),
        ("sql = false", "json_schema = 'a.json'", "23: json_schema must be a folder, got 'a.json'"),
        ("sql = false", "sqll = false", '23: unknown key "sqll" in [tool.esper-codegen.contracts.targets]; did you mean "sql"?'),
    ],
)  # fmt: skip
def test_a_mistake_in_one_of_several_contracts_is_reported_with_its_line(shop, old, new, message):
    shop.configure(TWO.replace(old, new, 1))

    ran = shop.run("check")

    assert ran.code == 2
    assert f"codegen: pyproject.toml:{message}" in ran.err


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("strategies = 'src/shop/pings/main.py'", "target strategies would write src/shop/pings/main.py, which is a file of target python"),
        ("contract_schema = 'src/shop/pings/generated.json'", "src/shop/pings/generated.json, which is a file of the list of generated files"),
        ("contract_schema = 'src/shop/pings/telemetry.reader.schema.json'", "which is a file of target"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("options", [[], ["--target", "strategies", "--target", "contract_schema"]])
def test_a_target_does_not_replace_a_file_of_another_one(shop, place, message, options):
    shop.configure(f"{ONE}[tool.esper-codegen.targets]\n{place}\n")

    ran = shop.run("generate", *options)

    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert not (shop.folder / "src").exists()


def test_a_family_may_be_called_like_the_file_of_a_target_if_it_is_elsewhere(shop):
    spec = shop.folder / "contracts" / "pings.yaml"
    text = spec.read_text(encoding="utf-8")
    spec.write_text(
        text.replace("{main:", "{strategies:").replace("family: main", "family: strategies"),
        encoding="utf-8",
    )
    shop.configure(f"{ONE}targets = {{strategies = true}}\n")
    assert "which is a file of target" in shop.run().err

    shop.configure(f"{ONE}targets = {{strategies = 'tests'}}\n")
    assert shop.run().code == 0


@pytest.mark.parametrize("source", ["/dev/zero", "pipe"])
def test_a_configuration_that_never_ends_is_not_read(shop, source):
    os.mkfifo(shop.folder / "pipe")

    ran = shop.run("check", "--config", source)

    assert (ran.code, ran.err) == (2, f"codegen: {source}: only a regular file is read\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"[tool", "pyproject.toml is not TOML: "), (b"\xff", "pyproject.toml must be UTF-8")],
)
def test_a_file_that_is_not_toml_is_one_sentence(shop, content, message):
    (shop.folder / "pyproject.toml").write_bytes(content)

    ran = shop.run("check")

    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert message in ran.err


def test_a_file_without_the_table_says_what_adds_it(shop):
    shop.configure("[project]\nname = 'x'\n")

    with pytest.raises(
        UsageError, match=r"has no table \[tool.esper-codegen\]; `esper-codegen init`"
    ):
        read_configuration(shop.folder / "pyproject.toml")


def test_every_target_can_be_configured():
    assert set(NAMES) == {"python", *TARGETS}


def test_targets_with_one_file_call_it_as_the_table_says(shop):
    for target in load_targets(FILE_NAMES):
        assert list(target.outputs(None)) == [FILE_NAMES[target.name]]


@pytest.mark.parametrize(("old", "new"), [("out =", "outt ="), ("package =", "pakage =")])
def test_a_misspelt_key_is_not_also_reported_as_missing(shop, old, new):
    ran = shop.configure(ONE.replace(old, new)).run("check")

    assert ran.err.count("\n") == 1
