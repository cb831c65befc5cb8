"""The structure of the package, read from its sources."""

import ast
import itertools
from functools import cache

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .conftest import ROOT, script

PACKAGE = ROOT / "eulerian_mfc"
#: the script that draws the house, and reads its imports for that
HOUSE = script("architecture")
READ = HOUSE.imports
#: circles that are still there; the list may only become shorter
CIRCLES: set[tuple[str, ...]] = set()
#: modules beside the folders; the rooms are for everything else
LOOSE = 12


@cache
def package_imports() -> dict[str, set[str]]:
    """Of every file of the package what it imports; read once, and not changed by the tests."""
    return READ()


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


def file_circles() -> set[tuple[str, ...]]:
    """Circles between files. A folder's `__init__` only hands names on, and is left out."""
    faces = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return circles({name: below - faces for name, below in package_imports().items() if name not in faces})


def all_circles() -> set[tuple[str, ...]]:
    """Those between files, and those between folders and the modules beside them."""
    return file_circles() | circles(HOUSE.rooms(package_imports()))


def test_imports_run_in_one_direction():
    assert {"fields", "laws", "losses"} <= package_imports()["problem"]  # the test reads what it means to read
    assert all_circles() <= CIRCLES


def test_no_exception_outlives_its_circle():
    assert all_circles() >= CIRCLES


@pytest.mark.parametrize(
    "text", ["from .b import x", "def f():\n    from .b import x", "if TYPE_CHECKING:\n    from . import b"]
)
def test_lazy_imports_count(tmp_path, text):
    (tmp_path / "a.py").write_text(text)
    (tmp_path / "b.py").write_text("from .a import y")
    assert circles(HOUSE.imports(tmp_path)) == {("a", "b")}


def test_few_modules_stand_beside_the_rooms():
    assert len([p for p in PACKAGE.glob("*.py") if p.name != "__init__.py"]) <= LOOSE


@pytest.mark.parametrize("face", sorted(PACKAGE.glob("*/__init__.py")), ids=lambda p: p.parent.name)
def test_every_room_says_what_it_is_for(face):
    assert len((ast.get_docstring(ast.parse(face.read_text())) or "").split()) >= 8


def test_the_picture_shows_every_room(monkeypatch):
    """Rooms that import each other have no floors: they are taken apart here until there are none of them left."""
    graph = HOUSE.rooms(package_imports())
    for room in graph:
        assert HOUSE.purpose(room), room
    for circle in circles(graph):
        for a, b in itertools.combinations(circle, 2):
            graph[a].discard(b)
    monkeypatch.setattr(HOUSE, "rooms", lambda found: graph)
    monkeypatch.setattr(HOUSE, "imports", package_imports)
    text = " ".join(t.get_text() for t in HOUSE.draw().axes[0].texts)
    assert all(room.replace("_", "\\_") in text for room in set(graph) - HOUSE.EVERYWHERE)


@cache
def trees():
    """The package's files, parsed once; the tests only look at them."""
    return {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def test_files_and_classes_are_small():
    """Kernels aside: a kernel and its parts stand together."""
    long = {
        p.name for p in PACKAGE.rglob("*.py") if p.parent.name != "kernels" and len(p.read_text().splitlines()) > 300
    }
    classes = [node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    methods = {c.name: sum(isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef) for m in c.body) for c in classes}
    assert not long
    assert {name for name, count in methods.items() if count > 20} == set()


def test_types_are_named():
    """`Any` only where other packages have no types."""
    names = [n.id for tree in trees().values() for n in ast.walk(tree) if isinstance(n, ast.Name)]
    assert names.count("Any") <= 150


#: where attributes are read by names that only come at run time: of users' objects, and of the classes made from protocols
PROBES = {"fingerprint/attributes.py", "storage/journalled.py"}


def test_objects_are_not_probed():
    """Classes, protocols and tables say what an object has; none of the files that know schemes asks for it."""
    calls = {path: [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)] for path, tree in trees().items()}
    found = {
        str(path.relative_to(PACKAGE))
        for path, functions in calls.items()
        if any(isinstance(f, ast.Name) and f.id in ("getattr", "hasattr") for f in functions)
    }
    assert found == PROBES


#: functions of more than nine arguments: estimators, whose parameters scikit-learn reads there
LONG_SIGNATURES = {"MeanFieldClassifier.__init__", "MeanFieldEstimator.__init__"}


def test_few_functions_take_many_arguments():
    found = set()
    for tree in trees().values():
        for parent in ast.walk(tree):
            if not isinstance(parent, ast.Module | ast.ClassDef):
                continue
            for node in parent.body:
                compiled = isinstance(node, ast.FunctionDef) and any(
                    word in ast.unparse(d) for d in node.decorator_list for word in ("njit", "pointed", "intrinsic")
                )
                if not isinstance(node, ast.FunctionDef) or compiled:
                    continue
                if len(node.args.args) + len(node.args.kwonlyargs) + len(node.args.posonlyargs) > 9:
                    found.add(f"{parent.name}.{node.name}" if isinstance(parent, ast.ClassDef) else node.name)
    assert found == LONG_SIGNATURES
