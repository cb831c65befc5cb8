"""Cases: Python files with a function `problem(...)` and optionally `numerics(...)`; users can set their keyword arguments.

    def problem(penalty=1.0):            # -> Problem
    def numerics(cells=160, layers=20):  # -> keyword arguments of solve: mesh, layers, control_degree, solver, initial, ...
    def numerics(tol=1e-6):              # or the tolerance to which it is solved: mesh and layers are then chosen

A case file is code: reading a case runs this code.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .._validate import fail, unknown
from ..control.grid import checked_grid, layer_ends
from ..errors import ArgumentError
from ..fingerprint.origins import OWN, file_content, file_of, origin
from ..meshes import CartesianMesh, Mesh
from ..problem import Problem
from ..storage.scheme_specs import CASE_PREFIX
from ..system.options import tolerance_options
from ..tolerance.goal import Goal
from .options import OPTIONS, Options, is_to_tolerance

DEFAULT_CELLS = {1: 160, 2: 96, 3: 40}
DEFAULT_LAYERS = 20
#: a setting of this name may be a list of times even if its default is a number of layers
LAYERS = "layers"


@dataclass(frozen=True)
class Case:
    """A case that was read from a file: its path, text, title (first line of its docstring) and functions."""

    path: str
    text: str
    title: str
    problem: Callable[..., Problem]
    numerics: Callable[..., Options] | None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the file without its suffix."""
        return Path(self.path).stem

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Case:
        """Read a case file by running it.

        Raises
        ------
        ArgumentError
            If there is no such file, if it is not Python in UTF-8, if it has no function `problem`, or if an argument of
            its functions has no default.
        """
        file = Path(path)
        if not file.is_file() or file.suffix != ".py":
            raise fail("FILE", str(path), "an existing Python file whose name ends in .py")
        try:
            text = file.read_text(encoding="utf-8-sig")  # some editors begin UTF-8 files with a byte order mark
        except UnicodeDecodeError as error:
            raise ArgumentError(
                f"{path}: got a file that is not a text in UTF-8 ({error}), expected a case, which is a Python "
                "file in UTF-8"
            ) from None
        module = _run(file, text)
        problem, numerics = (vars(module).get(name) for name in ("problem", "numerics"))
        if problem is None:
            raise ArgumentError(
                f"{path}: got a file without a function `problem`, expected a case, which has a function "
                "problem(...) that returns a Problem"
            )
        settings = _defaults(path, "problem", problem)
        if numerics is not None:
            for name, default in _defaults(path, "numerics", numerics).items():
                if name in settings and not same(settings[name], default):
                    raise ArgumentError(
                        f"{path}: problem and numerics have different defaults for {name!r}: give both functions "
                        "the same default"
                    )
                settings[name] = default
        title = ((module.__doc__ or "").strip() or file.stem).splitlines()[0].rstrip(".")
        return cls(str(path), text, title, problem, numerics, settings)

    def with_settings(self, assignments: Mapping[str, Any]) -> Case:
        """The case with other values of its arguments; a string is read as a Python literal of the default's type."""
        merged = dict(self.settings)
        for name, value in assignments.items():
            if name not in merged:
                known = ", ".join(f"{k}={v!r}" for k, v in merged.items()) or "none"
                raise fail("--set", name, f"a setting of this case ({known})")
            merged[name] = _read(name, value, merged[name]) if isinstance(value, str) else value
        return replace(self, settings=merged)

    def build(self) -> tuple[Problem, Options]:
        """The problem, and the keyword arguments of `solve`.

        If the case has a tolerance, mesh and layers are only among them if the case states them; otherwise they have defaults.

        Raises
        ------
        ArgumentError
            If a function returns an object of another type, or a keyword that `solve` does not have; or if `layers` is neither a
            number nor increasing times from 0 to the problem's horizon.
        """
        problem = self._call("problem", self.problem)
        if not isinstance(problem, Problem):
            raise ArgumentError(f"{self.path}: problem(...) returned {type(problem).__name__}, expected a Problem")
        where = f"{self.path}: numerics"
        options = {} if self.numerics is None else self._call("numerics", self.numerics)
        if not isinstance(options, Mapping):
            expected = "a dict of keyword arguments of solve"
            raise ArgumentError(f"{where}(...) returned {type(options).__name__}, expected {expected}")
        known = ("mesh", "layers", *OPTIONS)  # a case must not set callback and checkpoint: the command sets them
        for name in options:
            if name not in known:
                raise unknown(where, name, known, "help(eulerian_mfc.solve)")
        options = dict(options) if is_to_tolerance(options) else {"layers": DEFAULT_LAYERS, **options}
        try:
            if "layers" in options:
                options["layers"] = checked_grid(options["layers"])
                layer_ends(options["layers"], problem.horizon)
            if is_to_tolerance(options):
                Goal(**tolerance_options(options))
        except ArgumentError as error:
            raise ArgumentError(f"{where}: {error}") from None
        if "mesh" not in options and not is_to_tolerance(options):
            options["mesh"] = CartesianMesh.covering(problem, DEFAULT_CELLS[problem.field.dim])
        if "mesh" in options and not isinstance(options["mesh"], Mesh):
            raise fail(f"{where}: mesh", options["mesh"], "a mesh, such as CartesianMesh(bounds, cells)")
        return problem, options

    def _call(self, name: str, function: Callable[..., Any]) -> Any:
        names = inspect.signature(function).parameters
        with no_exit(f"{self.path}: {name}(...)", "instead of returning a value"):
            return function(**{n: self.settings[n] for n in names})


def _run(file: Path, text: str) -> ModuleType:
    """The module of a case, made by running its text as `python FILE` does.

    Only this text is run, never cached byte code. The file's folder is searched for imports; it stays in the search path, because
    functions of the case may import when they are called.
    """
    spec = importlib.util.spec_from_file_location(f"{CASE_PREFIX}{file.stem}", file)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look a class's module up there
    _search(str(file.parent.resolve()))
    try:
        with no_exit(f"{file}: the case", "while it was read"):
            exec(compile(text, str(file), "exec", dont_inherit=True), vars(module))
    except SyntaxError as error:
        raise ArgumentError(f"{file}: {error}") from None
    return module


#: modules that cases have imported from their own folders, by name: the file, and its content when it was first seen
_beside: dict[str, tuple[str, str]] = {}
#: the case's folder that is searched now, and the modules that were loaded before
_searched: list[str] = []
_older: set[str] = set()


def _search(folder: str) -> None:
    """Search a case's folder first for imports, and no longer the folder of the case before.

    Modules from another case's folder, and all such modules if one of their files has changed, are removed from `sys.modules`.
    A process that reads several cases, such as a worker of a cluster, would otherwise use the `helpers` module of another case,
    or an old version of it.
    """
    see_modules()
    if _searched != [folder] or any(_content(file) != content for file, content in _beside.values()):
        for name in _beside:
            sys.modules.pop(name, None)
        _beside.clear()
        importlib.invalidate_caches()
    for other in set(_searched) & set(sys.path):
        sys.path.remove(other)
    if _searched != [folder]:
        _older.update(sys.modules)
    _searched[:] = [folder]
    sys.path.insert(0, folder)


def see_modules() -> None:
    """Add the modules that a case has imported from its folder to `_beside`."""
    for name in set(sys.modules) - _older - set(_beside):
        module = sys.modules.get(name)
        file = file_of(module) if isinstance(module, ModuleType) else None
        if name.startswith(CASE_PREFIX) or file is None or origin(name, file) != OWN:
            continue
        if any(file.startswith(folder + os.sep) for folder in _searched):
            _beside[name] = file, _content(file)


def _content(file: str) -> str:
    try:
        return file_content(file)
    except OSError:
        return ""


@contextmanager
def no_exit(who: str, when: str) -> Iterator[None]:
    """Turn a `sys.exit(...)` in the user's code into an error; otherwise its exit status would become that of the command.

    Examples
    --------
    >>> with no_exit("the case", "while it was read"):
    ...     sys.exit(3)
    Traceback (most recent call last):
    ...
    eulerian_mfc.errors.ArgumentError: the case ended Python (exit status 3) while it was read
    """
    try:
        yield
    except SystemExit as error:
        raise ArgumentError(f"{who} ended Python (exit status {error.code}) {when}") from None


def _defaults(path: str | os.PathLike[str], name: str, function: Any) -> dict[str, Any]:
    """The argument names of a function of a case, with their defaults."""
    try:
        signature = None if inspect.iscoroutinefunction(function) else inspect.signature(function)
    except (TypeError, ValueError):
        signature = None
    if signature is None:
        kind = "an async function" if inspect.iscoroutinefunction(function) else f"a {type(function).__name__}"
        returned = "a Problem" if name == "problem" else "a dict of keyword arguments of solve"
        raise ArgumentError(f"{path}: {name} is {kind}, expected a function that returns {returned}")
    parameters = signature.parameters.values()
    for parameter in parameters:
        if parameter.default is parameter.empty:
            raise ArgumentError(
                f"{path}: the argument {parameter.name!r} of {name} has no default value: add one, since the "
                "arguments are the settings of the case"
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise ArgumentError(
                f"{path}: the argument {parameter.name!r} of {name} is positional-only: remove the `/`, since "
                "settings are passed by name"
            )
    return {p.name: p.default for p in parameters}


def same(one: object, other: object) -> bool:
    """Whether two values of settings or options are equal; arrays are if all of their entries are."""
    try:
        return bool(one == other)
    except ValueError:  # the truth value of an array of comparisons is not defined
        return np.array_equal(np.asarray(one), np.asarray(other))


def _read(name: str, text: str, default: object) -> object:
    """`text` as a value of the default's type; strings need no quotes."""
    if isinstance(default, str):
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if default is None:
            return text
        raise fail(f"--set {name}", text, f"a Python value like the default {default!r}") from None
    if default is None:
        return value
    entries = value if isinstance(value, list | tuple) and not isinstance(default, bool) else [value]
    samples = default if isinstance(default, list | tuple) else [default]
    times = name == LAYERS and isinstance(value, list | tuple)
    kinds = {int, float} if times or any(type(v) is float for v in samples) else {type(v) for v in samples}
    if not all(type(v) in kinds for v in entries):
        raise fail(
            f"--set {name}", text, f"a value of the same type as the default {default!r}, or a list of such values"
        )
    return value
