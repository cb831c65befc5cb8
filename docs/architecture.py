"""The picture of the house in docs/architecture.md, drawn from the imports in the sources: `python docs/architecture.py`."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from textwrap import fill

import matplotlib as mpl

mpl.use("agg")

from matplotlib.figure import Figure

DOCS = Path(__file__).parent
PACKAGE = DOCS.parent / "eulerian_mfc"
#: what everything may use; arrows to these would only hide the others
EVERYWHERE = {"_callers", "_frozen", "_names", "_validate", "errors", "version"}


def imports(root: Path = PACKAGE) -> dict[str, set[str]]:
    """By module, the modules of the package that it imports: at the top, inside functions, and for type checkers only."""
    sources = {".".join(p.relative_to(root).with_suffix("").parts): p.read_text() for p in root.rglob("*.py")}
    names = {name.removesuffix(".__init__") for name in sources}
    found: dict[str, set[str]] = {}
    for name, text in sources.items():
        targets = found.setdefault(name.removesuffix(".__init__"), set())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                path = node.module.split(".") if node.module else []
                if node.level:
                    base = [*name.split(".")[: -node.level], *path]
                elif path[0] == "eulerian_mfc":
                    base = path[1:]
                else:
                    continue
                for alias in node.names:
                    longest = ".".join([*base, alias.name])
                    targets.add(longest if longest in names else ".".join(base))
            elif isinstance(node, ast.Import):
                targets |= {
                    a.name.removeprefix("eulerian_mfc.") for a in node.names if a.name.startswith("eulerian_mfc")
                }
    return {name: targets - {name, "", "__init__"} for name, targets in found.items() if name != "__init__"}


def rooms(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """By folder, or module beside the folders, those that it imports from."""
    graph: dict[str, set[str]] = {}
    for name, targets in found.items():
        room = name.partition(".")[0]
        graph.setdefault(room, set()).update({t.partition(".")[0] for t in targets} - {room})
    return graph


def floors(graph: dict[str, set[str]]) -> dict[str, int]:
    """How many rooms lie below a room, one under the other: those that import nothing are on the ground."""

    @cache
    def height(room: str) -> int:
        return 1 + max((height(below) for below in graph[room]), default=-1)

    return {room: height(room) for room in graph}


def direct(graph: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The imports that no others imply: from a room to one that is not reached through a third."""

    @cache
    def reached(room: str) -> frozenset[str]:
        return frozenset(graph[room]).union(*(reached(below) for below in graph[room]))

    return [(a, b) for a, below in graph.items() for b in below if not any(b in reached(c) for c in below)]


def purpose(room: str) -> str:
    """The first sentence of what a room says of itself."""
    folder = PACKAGE / room
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return (
        text.partition("\n\n")[0].partition(". ")[0].partition(": ")[0].rstrip(".").replace("\n", " ").replace("`", "")
    )


def draw() -> Figure:
    """The rooms, each above those that it imports from."""
    graph = {room: targets - EVERYWHERE for room, targets in rooms(imports()).items() if room not in EVERYWHERE}
    level = floors(graph)
    rows = [[room for room in sorted(graph) if level[room] == k] for k in range(max(level.values()) + 1)]
    width = max(map(len, rows))
    figure = Figure((2.5 * width, 1.05 * len(rows) + 0.3), layout="constrained")
    axes = figure.add_subplot(xlim=(-0.55, width - 0.45), ylim=(-0.5, len(rows) - 0.5))
    axes.axis("off")
    places = {r: (i + (width - len(row)) / 2, k) for k, row in enumerate(rows) for i, r in enumerate(row)}
    for above, below in direct(graph):
        arrow = {"arrowstyle": "-|>", "color": "#9aa5b1", "lw": 0.8, "shrinkA": 16, "shrinkB": 19}
        axes.annotate("", places[below], places[above], arrowprops=arrow, zorder=1)
    for room, (x, y) in places.items():
        box = {"boxstyle": "round,pad=0.35", "facecolor": "#eef2f7", "edgecolor": "#52606d", "lw": 0.8}
        text = fill(purpose(room), 30, max_lines=2, placeholder=" ...")
        axes.text(
            x,
            y,
            f"$\\bf{{{room.replace('_', chr(92) + '_')}}}$\n{text}",
            ha="center",
            va="center",
            fontsize=7,
            bbox=box,
        )
    return figure


if __name__ == "__main__":
    draw().savefig(DOCS / "images" / "house.png", dpi=110)
