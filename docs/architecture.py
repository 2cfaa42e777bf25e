"""Draws the rooms of the project and the imports between them, from the source files.

python docs/architecture.py docs/architecture.svg

A room is drawn above the rooms that it imports. An arrow that others imply is left out: where `a` imports `b` and `b`
imports `c`, an import of `c` by `a` is not drawn.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "esper": ROOT / "src" / "esper",
    "esper.tolaria": ROOT / "src" / "esper" / "tolaria",
    "codegen": ROOT / "codegen",
}
NOT_DRAWN = {"__init__", "__main__", "version"}
"""Files without a room of their own: entry points, and a constant."""

BEND = ">"
"""Marks the name of a bend, a point through which a long arrow runs; no room's name contains it."""

Graph = Mapping[str, set[str]]
"""The rooms that each room imports."""

BOX_HEIGHT, ROW_HEIGHT, GAP, LETTER_WIDTH, MARGIN = 34, 84, 26, 8.4, 24


def read_graph(package: str) -> dict[str, set[str]]:
    """Return the rooms of `package`, by folder or file, and the rooms that each imports."""
    folder = PACKAGES[package]
    files = {
        path: path.relative_to(folder).parts[0].removesuffix(".py") for path in folder.rglob("*.py")
    }
    graph: dict[str, set[str]] = {room: set() for room in files.values() if room not in NOT_DRAWN}
    for path, room in files.items():
        if room in graph:
            graph[room] |= set(_imported_rooms(path, package)) & set(graph) - {room}
    return graph


def _imported_rooms(path: Path, package: str) -> Iterator[str]:
    """Yield the rooms of `package` that a file imports, absolutely or relatively."""
    base = ROOT / "src" if package.startswith("esper") else ROOT
    parents = path.relative_to(base).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [start, node.module]))
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.startswith(f"{package}."):
                yield name.removeprefix(f"{package}.").partition(".")[0]


def levels(graph: Graph) -> dict[str, int]:
    """Return the row of each room, counted from the bottom: above every room that it imports."""
    known: dict[str, int] = {}

    def level(room: str) -> int:
        if room not in known:
            known[room] = 1 + max((level(other) for other in graph[room]), default=-1)
        return known[room]

    for room in graph:
        level(room)
    return known


def reduced(graph: Graph) -> dict[str, set[str]]:
    """Return the graph without the imports that others imply."""

    def reachable(room: str) -> set[str]:
        return {room}.union(*(reachable(other) for other in graph[room]))

    return {
        room: {
            target
            for target in targets
            if not any(target in reachable(other) for other in targets - {target})
        }
        for room, targets in graph.items()
    }


def _with_bends(graph: Graph) -> tuple[dict[str, set[str]], dict[str, int]]:
    """Return the graph with a bend in every row that an arrow crosses, and the row of each room and bend."""
    heights = levels(graph)
    bent: dict[str, set[str]] = {room: set() for room in graph}
    for room, targets in graph.items():
        for target in sorted(targets):
            last = room
            for height in range(heights[room] - 1, heights[target], -1):
                bend = f"{room}{BEND}{target}{BEND}{height}"
                bent[last].add(bend)
                bent[bend], heights[bend], last = set(), height, bend
            bent[last].add(target)
    return bent, heights


def _rows(graph: Graph, heights: Mapping[str, int]) -> list[list[str]]:
    """Return rooms and bends row by row, the highest first; within a row, near the rooms that import them."""
    places: dict[str, float] = {}

    def middle(room: str) -> float:
        importers = [place for other, place in places.items() if room in graph[other]]
        return sum(importers) / len(importers) if importers else 0.5

    rows = []
    for height in range(max(heights.values()), -1, -1):
        row = sorted(sorted(room for room in graph if heights[room] == height), key=middle)
        places |= {room: (index + 0.5) / len(row) for index, room in enumerate(row)}
        rows.append(row)
    return rows


def _width(room: str) -> float:
    return 8.0 if BEND in room else len(room) * LETTER_WIDTH + 28


def _row_width(row: list[str]) -> float:
    return sum(map(_width, row)) + GAP * (len(row) - 1)


def _curve(start: tuple[float, float], end: tuple[float, float], *, has_tip: bool) -> str:
    """Return an arrow, or a part of one, from the foot of a box or bend to the head of another."""
    (x, y), (to_x, to_y) = start, end
    middle = (y + to_y) / 2
    tip = ' class="tip"' if has_tip else ""
    return f'<path{tip} d="M{x:.0f} {y:.0f} C{x:.0f} {middle:.0f} {to_x:.0f} {middle:.0f} {to_x:.0f} {to_y:.0f}"/>'


def _draw(package: str, top: float, total_width: float) -> tuple[list[str], float]:
    """Return the shapes of one package, and where they end."""
    graph, heights = _with_bends(reduced(read_graph(package)))
    shapes = [f'<text class="title" x="{MARGIN}" y="{top + 16}">{escape(package)}</text>']
    centers: dict[str, tuple[float, float]] = {}
    top += 40
    for row in _rows(graph, heights):
        x = (total_width - _row_width(row)) / 2
        for room in row:
            centers[room] = (x + _width(room) / 2, top)
            x += _width(room) + GAP
        top += ROW_HEIGHT
    for room, targets in graph.items():
        x, y = centers[room]
        if BEND in room:
            shapes.append(f'<path d="M{x:.0f} {y:.0f} V{y + BOX_HEIGHT:.0f}"/>')
        for target in sorted(targets):
            to_x, to_y = centers[target]
            is_room = BEND not in target
            end = (to_x, to_y - 5 if is_room else to_y)
            shapes.append(_curve((x, y + BOX_HEIGHT), end, has_tip=is_room))
    for room, (x, y) in centers.items():
        if BEND in room:
            continue
        width = _width(room)
        shapes.append(
            f'<rect x="{x - width / 2:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX_HEIGHT}"/>'
        )
        shapes.append(
            f'<text x="{x:.0f}" y="{y + 22:.0f}" text-anchor="middle">{escape(room)}</text>'
        )
    return shapes, top


def draw() -> str:
    """Return the drawing of all packages, one below the other."""
    total_width = 2 * MARGIN + max(
        _row_width(row)
        for package in PACKAGES
        for row in _rows(*_with_bends(reduced(read_graph(package))))
    )
    shapes: list[str] = []
    top: float = MARGIN
    for package in PACKAGES:
        drawn, top = _draw(package, top, total_width)
        shapes += drawn
    size = f'width="{total_width:.0f}" height="{top:.0f}" viewBox="0 0 {total_width:.0f} {top:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            "<style>text{font:14px ui-monospace,monospace;fill:#1f2937}.title{font-weight:bold}",
            "rect{fill:#eef2ff;stroke:#6366f1;rx:6}",
            "path{fill:none;stroke:#94a3b8;stroke-width:1.5}.tip{marker-end:url(#tip)}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"',
            ' orient="auto"><path d="M0 0 8 4 0 8Z" style="fill:#94a3b8;stroke:none"/></marker></defs>',
            '<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>',
            *shapes,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(), encoding="utf-8")
