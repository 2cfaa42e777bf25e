"""A hash of the code that decides the result of a run, so that results are used again only while it is the same."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

import esper.tolaria

_TOLARIA = Path(next(iter(esper.tolaria.__path__)))
_LEAGUE = Path(__file__).parent
_RUNS = ("data", "networks", "trainings", "training")
_GROUPS = {"healthy": ("healthy", "games"), "damaged": ("damages",), "twin": ()}
_GOVERNOR = (
    "governor.py",
    "detection/*.py",
    "probing/*.py",
    "recovery/config.py",
    "recovery/escalation.py",
    "recovery/learning_rate_scaling.py",
    "recovery/recovery.py",
    "recovery/rollback.py",
    "snapshots/finite.py",
    "snapshots/retention.py",
    "snapshots/snapshots_by_age.py",
)
"""The judgement of the governor. How tensors are copied, reported and saved does not decide a run: copies are exact."""


@cache
def code_of(group: str, own_modules: tuple[str, ...] | None, *, is_governor: bool) -> str:
    """Return a short hash of the code that decides a run.

    Comments, docstrings and the layout of the code do not change it.

    Args:
        group: the group of the run, which says which trainings and damages it is made of.
        own_modules: modules of the league that hold the judge; None for a run without one.
        is_governor: whether our governor acts for the judge.
    """
    modules = [*_RUNS, *_GROUPS[group]]
    if own_modules is not None:
        modules += ["judges", *own_modules]
    files = [_LEAGUE / f"{module}.py" for module in modules]
    if is_governor:
        files += sorted(file for pattern in _GOVERNOR for file in _TOLARIA.glob(pattern))
    digest = hashlib.sha256()
    for file in files:
        digest.update(dump_of(file.read_text()).encode())
    return digest.hexdigest()[:12]


def dump_of(source: str) -> str:
    """Return the syntax tree of `source` as text, without strings that stand alone, such as docstrings."""
    return ast.dump(_WithoutDocstrings().visit(ast.parse(source)))


class _WithoutDocstrings(ast.NodeTransformer):
    """Removes statements that consist of a string."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Remove the statement if it is a string."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node
