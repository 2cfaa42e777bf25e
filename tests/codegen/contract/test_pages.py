"""The examples on the page about the contract language are valid, and do what the page says."""

import json
import re
from types import SimpleNamespace

import pytest
import yaml

from codegen.contract.patterns import PatternError, parse_pattern
from codegen.output.layout import PROJECT

LANGUAGE = (PROJECT / "docs" / "reference" / "contract_language.md").read_text(encoding="utf-8")
GUIDE = (PROJECT / "docs" / "howto" / "own_contract.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def block(page, language, start):
    """Return the block of a page in a language that starts with a text."""
    blocks = [text for found, text in BLOCK.findall(page) if found == language]
    return next(text for text in blocks if text.startswith(start))


@pytest.fixture
def shop(project):
    """The package that is generated from the contract of the guide with the addition of the page."""
    contract = yaml.safe_load(block(GUIDE, "yaml", "version:"))
    for section, more in yaml.safe_load(block(LANGUAGE, "yaml", "units:")).items():
        contract.setdefault(section, {}).update(more)
    project.generate(json.dumps(contract), "--no-format")
    return project.load("__init__")


def test_the_example_with_records_lists_maps_and_groups_works(shop, project):
    writer = project.load("writer")
    cup = shop.Item(name="cup", weight=200)
    own = SimpleNamespace(name="cup", weight=200)
    packed = SimpleNamespace(city="Ulm", items=[cup], is_measured=True, sides=[10, 20])
    with writer.JsonLinesChannel("log.jsonl", strict=True) as channel:
        shop.emit_order_packed(channel, packed, counts={"cup": 1})
        packed.is_measured = False
        shop.emit_order_packed(channel, packed, tags={"kind": ["fragile"]})
        packed.items = [own]
        with pytest.raises(shop.ContractError, match=r"items\[0\] must be of class Item"):
            shop.emit_order_packed(channel, packed)

    first, second = (payload for _, payload in writer.read_lines("log.jsonl"))
    assert (first.city, first.items, first.sides) == ("Ulm", (cup,), (10, 20))
    assert (second.sides, second.tags) == ((), {"kind": ("fragile",)})


def test_the_code_for_members_of_later_versions_works(shop, capsys):
    members = [shop.Payment.CARD, shop.unknown_member(shop.Payment, "BARTER")]
    for payment in members:
        names = {"payload": SimpleNamespace(payment=payment), "Payment": shop.Payment}
        exec(block(LANGUAGE, "python", "if payload"), names)

    assert capsys.readouterr().out == "paid by BARTER\n"


def test_the_page_describes_the_patterns_as_they_are_read():
    for allowed in ("[a-z0-9_-]+", "[^/]*", "a?b{3}c{2,8}", "on|off", r"1\.0", r"a\/b\-c"):
        parse_pattern(allowed)
    for refused in (r"\d", r"\w", "(a)", "^a", "a$", ".", "(?i)a"):
        with pytest.raises(PatternError):
            parse_pattern(refused)
