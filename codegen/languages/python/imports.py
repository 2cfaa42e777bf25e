"""The imports of a generated module: those that its body uses, in the order of isort."""

import re
import sys
from collections import defaultdict
from collections.abc import Mapping

from .quoting import Python, code, ident, join
from .syntax import read_syntax

_THIRD_PARTY = frozenset(["hypothesis", "msgspec", "pyarrow"])


def names_used(source: str) -> set[str]:
    """Return the names that a piece of source reads.

    Raises:
        SyntaxError: the source is not Python.
    """
    return read_syntax(source).loaded


def import_block(used: set[str], homes: Mapping[str, str]) -> Python:
    """Return the import statements for those of the names `used` that are in `homes`.

    `homes` maps each name to its module; a name that maps to itself is a module.
    """
    plain: set[str] = set()
    members: dict[str, set[str]] = defaultdict(set)
    for name in used & homes.keys():
        if homes[name] == name:
            plain.add(name)
        else:
            members[homes[name]].add(name)
    sections: dict[int, list[Python]] = defaultdict(list)
    for module in sorted(plain):
        sections[_section(module)].append(code("import {module}", module=ident(module)))
    for module in sorted(members, key=str.lower):
        names = join(", ", [ident(name) for name in sorted(members[module], key=import_order)])
        line = code("from {module} import {names}", module=ident(module), names=names)
        sections[_section(module)].append(line)
    return join("\n\n", [join("\n", sections[one]) for one in sorted(sections)])


def import_order(name: str) -> tuple[int, list[tuple[int, str]]]:
    """Return a sort key for the order of isort: constants, then classes, then the rest."""
    if name.isupper() and len(name) > 1:
        return 0, natural_order(name)
    return (1 if name[0].isupper() else 2), natural_order(name)


def natural_order(name: str) -> list[tuple[int, str]]:
    """Return a sort key that compares numbers in names by value: x2 before x10."""
    parts = re.findall("[0-9]+|[^0-9]+", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _section(module: str) -> int:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return 0
    return 1 if top in _THIRD_PARTY else 2
