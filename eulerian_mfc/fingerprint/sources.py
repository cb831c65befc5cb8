"""Hashes of the package's own sources, which identify what its modules compute.

The rule: a result depends on the modules of its job's functions and objects, and on all modules that these import, except the
folders that only show, store or order results (`OUTSIDE`). The hash of a module covers its statements, without comments and
docstrings, and the definitions of its imported names; the place of its file does not count. Stored results therefore stay valid
if a file is moved, or a figure changes its colour. They become invalid if a number is changed in any module below a job.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
#: folders whose modules show, store, order or name results, but do not compute them
OUTSIDE = frozenset({"app", "export", "files", "fingerprint", "storage", "views"})

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Sources:
    """The modules of a package, by name.

    Parameters
    ----------
    root : the package's folder.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root

    def of_modules(self, names: Iterable[str]) -> str:
        """A hash of these modules and of all modules that they import.

        Parameters
        ----------
        names : full names such as "eulerian_mfc.fields.neural"; the package's own name stands for all its modules; names of
            other packages are ignored.
        """
        inside = frozenset(name for name in names if self._path(name) is not None)
        if self.root.name in inside:
            inside = self._everything
        return self._of_closure(inside)

    def of_definition(self, module: str, name: str) -> str:
        """A hash of the definition of a name, wherever this definition is.

        Parameters
        ----------
        module : the module in which the name is found, for example a folder that exports it.
        name : its qualified name in that module.
        """
        module, top = self._defined(module, name.partition(".")[0])
        for statement in self._read(module).statements:
            if top in statement.names:
                return _digest(name.encode(), statement.content)
        return _digest(name.encode(), self._content(module).encode())

    @functools.cached_property
    def _everything(self) -> frozenset[str]:
        paths = (path.relative_to(self.root.parent).with_suffix("").parts for path in self.root.rglob("*.py"))
        names = (".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in paths)
        return frozenset(name for name in names if self._room(name) not in OUTSIDE)

    @functools.cache  # noqa: B019  (the instances are few, and live as long as the process)
    def _of_closure(self, names: frozenset[str]) -> str:
        waiting, known = list(names), set(names)
        while waiting:
            for target in self._targets(waiting.pop()):
                if target not in known:
                    known.add(target)
                    waiting.append(target)
        return _digest(*sorted(self._with_imports(name).encode() for name in known))

    def _targets(self, module: str) -> Iterator[str]:
        """The modules from which a module imports, except those in `OUTSIDE`."""
        for found, name, _ in self._imports(module):
            target = self._defined(found, name)[0]
            if self._room(target) not in OUTSIDE:
                yield target

    @functools.cache  # noqa: B019
    def _with_imports(self, module: str) -> str:
        """A hash of a module's statements, and of the definitions of the names that it imports."""
        names = []
        for found, name, local in self._imports(module):
            target, original = self._defined(found, name)
            outside = self._room(target) in OUTSIDE
            names.append(f"{local} {original} {'' if outside else self._content(target)}")
        return _digest(self._content(module).encode(), *(name.encode() for name in sorted(names)))

    @functools.cache  # noqa: B019
    def _content(self, module: str) -> str:
        """A hash of a module's statements, without its imports from this package."""
        return _digest(*(statement.content for statement in self._read(module).statements))

    @functools.cache  # noqa: B019
    def _read(self, module: str) -> _Module:
        path = self._path(module)
        if path is None:
            return _Module([], [])
        return _parsed(self.root.name, module, path.name == "__init__.py", path.read_bytes())

    def _imports(self, module: str) -> list[tuple[str, str, str]]:
        return self._read(module).imports

    def _defined(self, module: str, name: str) -> tuple[str, str]:
        """The module and the name under which an exported name is defined; if the name is a module, that module."""
        if self._path(below := f"{module}.{name}") is not None:
            return below, ""
        for found, original, local in self._imports(module):
            if local == name and (found, original) != (module, name):
                return self._defined(found, original)
        return module, name

    @functools.cache  # noqa: B019
    def _path(self, module: str) -> Path | None:
        first, *rest = module.split(".")
        if first != self.root.name:
            return None
        folder = self.root.joinpath(*rest)
        for path in (folder / "__init__.py", folder.with_suffix(".py")):
            if path.is_file():
                return path
        return None

    def _room(self, module: str) -> str:
        return [*module.split("."), ""][1]


class _Statement(NamedTuple):
    """A statement of a module: the names to which it assigns, and its hash."""

    names: frozenset[str]
    content: bytes


class _Module(NamedTuple):
    """A module without docstrings; its imports from the package: module, name there, name here."""

    statements: list[_Statement]
    imports: list[tuple[str, str, str]]


@functools.cache
def _parsed(package: str, module: str, face: bool, text: bytes) -> _Module:
    imports: list[tuple[str, str, str]] = []
    tree = _Remover(package, module.split("."), face, imports).visit(ast.parse(text))
    return _Module([_Statement(_bound(node), _digest(ast.dump(node).encode()).encode()) for node in tree.body], imports)


class _Remover(ast.NodeTransformer):
    """Removes docstrings and imports from this package from a tree, and lists the imports."""

    def __init__(self, package: str, module: list[str], face: bool, imports: list[tuple[str, str, str]]) -> None:
        self._package, self._imports = package, imports
        self._parent = module if face else module[:-1]

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        return super().generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        base = self._parent[: len(self._parent) - node.level + 1] if node.level else []
        module = ".".join([*base, *(node.module.split(".") if node.module else [])])
        if module.partition(".")[0] != self._package:
            return node
        self._imports += [(module, alias.name, alias.asname or alias.name) for alias in node.names]
        return None


def _bound(node: ast.stmt) -> frozenset[str]:
    """The names to which a statement of a module assigns."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return frozenset({node.name})
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return frozenset(name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:%s" % (len(part), part))
    return digest.hexdigest()


#: the sources of this package
SOURCES = Sources()
