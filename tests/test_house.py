"""The structure of the package, read from its sources."""

import ast
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .conftest import ROOT

PACKAGE = ROOT / "eulerian_mfc"
#: circles that are still there; the list may only become shorter
CIRCLES = {
    ("continuity.finite_volume", "continuity.transpose"),
    (
        "diagnostics.error_budget", "diagnostics.warnings_of", "solution", "storage.solution_file", "views.figures",
        "views.grid_sampling", "views.vtk", "views.vtk_simplices",
    ),
    ("meshes.nodes", "meshes.simplex"),
    ("solvers.base", "solvers.kinks"),
    ("studies.figures", "studies.render", "studies.study"),
    ("system.controlled", "system.hamiltonian", "system.hessian", "system.optimality"),
    ("continuity", "transport"),
    ("diagnostics", "export", "solution", "storage", "views"),
}  # fmt: skip
#: modules beside the folders; the rooms are for everything else
LOOSE = 12


def module_name(path: Path) -> str:
    """`room.module` of a file of the package; the room alone for its `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(root: Path = PACKAGE) -> dict[str, set[str]]:
    """By module, the modules of the package that it imports: at the top, inside functions, and for type checkers only."""
    sources = {".".join(p.relative_to(root).with_suffix("").parts): p.read_text() for p in root.rglob("*.py")}
    names = {name.removesuffix(".__init__"): name for name in sources}
    found: dict[str, set[str]] = {}
    for name, text in sources.items():
        targets = found.setdefault(name.removesuffix(".__init__"), set())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                package = name.split(".")[: -node.level] if node.level else None
                if package is None and (node.module or "").partition(".")[0] != "eulerian_mfc":
                    continue
                path = node.module.split(".") if node.module else []
                base = path[1:] if package is None else package + path
                for alias in node.names:
                    longest = ".".join([*base, alias.name])
                    targets.add(longest if longest in names else ".".join(base))
            elif isinstance(node, ast.Import):
                targets |= {
                    a.name.removeprefix("eulerian_mfc.") for a in node.names if a.name.startswith("eulerian_mfc")
                }
    return {name: targets - {name, ""} for name, targets in found.items()}


def circles(graph: dict[str, set[str]]) -> set[tuple[str, ...]]:
    """The sets of nodes that reach each other."""
    names = sorted(graph)
    edges = [(names.index(a), names.index(b)) for a in names for b in graph[a] if b in graph]
    if not edges:
        return set()
    rows, columns = np.transpose(edges)
    matrix = coo_array((np.ones(len(edges)), (rows, columns)), (len(names), len(names)))
    count, labels = connected_components(matrix, connection="strong")
    groups = [tuple(n for n, label in zip(names, labels, strict=True) if label == k) for k in range(count)]
    return {group for group in groups if len(group) > 1}


def file_circles(found: dict[str, set[str]]) -> set[tuple[str, ...]]:
    """Circles between files. A folder's `__init__` only hands names on, and is left out."""
    faces = {module_name(p) for p in PACKAGE.rglob("__init__.py")}
    return circles({name: targets - faces for name, targets in found.items() if name not in faces})


def room_circles(found: dict[str, set[str]]) -> set[tuple[str, ...]]:
    """Circles between folders, and the modules beside them."""
    graph: dict[str, set[str]] = {}
    for name, targets in found.items():
        if name:
            room = name.partition(".")[0]
            graph.setdefault(room, set()).update(t.partition(".")[0] for t in targets)
    return circles({room: targets - {room} for room, targets in graph.items()})


def test_imports_run_in_one_direction():
    found = imports()
    assert "system.optimality" in found["solvers.base"]  # the test reads what it means to read
    assert file_circles(found) | room_circles(found) <= CIRCLES


def test_no_exception_outlives_its_circle():
    found = imports()
    assert file_circles(found) | room_circles(found) >= CIRCLES


@pytest.mark.parametrize(
    "text", ["from .b import x", "def f():\n    from .b import x", "if TYPE_CHECKING:\n    from . import b"]
)
def test_lazy_imports_count(tmp_path, text):
    (tmp_path / "a.py").write_text(text)
    (tmp_path / "b.py").write_text("from .a import y")
    assert circles(imports(tmp_path)) == {("a", "b")}


def test_few_modules_stand_beside_the_rooms():
    assert len([p for p in PACKAGE.glob("*.py") if p.name != "__init__.py"]) <= LOOSE


@pytest.mark.parametrize("face", sorted(PACKAGE.glob("*/__init__.py")), ids=lambda p: p.parent.name)
def test_every_room_says_what_it_is_for(face):
    assert len((ast.get_docstring(ast.parse(face.read_text())) or "").split()) >= 8
