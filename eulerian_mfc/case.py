"""Cases: a Python file with a function `problem(...)`, and optionally `numerics(...)`, whose keyword defaults are settable.

    def problem(penalty=1.0):            # -> Problem
    def numerics(cells=160, layers=20):  # -> keyword arguments of solve: mesh, layers, transport, solver, initial, ...

A case file is code: running it runs whatever is in it.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._validate import fail
from .errors import ArgumentError
from .meshes import CartesianMesh
from .problem import Problem
from .solving import solve

DEFAULT_CELLS = {1: 160, 2: 96, 3: 40}
DEFAULT_LAYERS = 20


@dataclass(frozen=True)
class Case:
    """A case file read: its name, text, title (first line of its docstring) and functions."""

    name: str
    text: str
    title: str
    problem: Callable[..., Problem]
    numerics: Callable[..., dict[str, Any]] | None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Case:
        """Read a case file by running it.

        Raises
        ------
        ArgumentError
            If there is no such file, it is no Python in UTF-8, or it has no function `problem` whose arguments all have
            defaults.
        """
        file = Path(path)
        if not file.is_file() or file.suffix != ".py":
            raise fail("FILE", str(path), "a Python file that exists, ending in .py")
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ArgumentError(f"{path}: a case is a text in UTF-8: {error}") from None
        spec = importlib.util.spec_from_file_location(f"emfc_case_{file.stem}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # As `python FILE` does it: the file's folder is searched for imports, and the module can find itself.
        sys.modules[spec.name] = module
        sys.path.insert(0, str(file.parent.resolve()))
        try:
            spec.loader.exec_module(module)
        except SyntaxError as error:
            raise ArgumentError(f"{path}: {error}") from None
        except SystemExit as error:
            raise ArgumentError(f"{path}: the case ended Python (exit status {error.code}) while it was read") from None
        finally:
            sys.path.remove(str(file.parent.resolve()))
        functions = [getattr(module, name, None) for name in ("problem", "numerics")]
        if not callable(functions[0]):
            raise ArgumentError(f"{path}: a case needs a function problem(...) that returns a Problem")
        settings: dict[str, Any] = {}
        for function in filter(callable, functions):
            for parameter in inspect.signature(function).parameters.values():
                if parameter.default is parameter.empty:
                    raise ArgumentError(
                        f"{path}: the argument {parameter.name!r} of {function.__name__} has no default"
                    )
                if parameter.name in settings and settings[parameter.name] != parameter.default:
                    raise ArgumentError(
                        f"{path}: problem and numerics disagree about the default of {parameter.name!r}"
                    )
                settings[parameter.name] = parameter.default
        title = (module.__doc__ or file.stem).strip().splitlines()[0].rstrip(".")
        return cls(file.stem, text, title, functions[0], functions[1], settings)

    def with_settings(self, assignments: Mapping[str, Any]) -> Case:
        """The case with other values; texts are read as Python literals of the default's kind."""
        merged = dict(self.settings)
        for name, value in assignments.items():
            if name not in merged:
                known = ", ".join(f"{k}={v!r}" for k, v in merged.items()) or "none"
                raise fail("--set", name, f"a setting of this case ({known})")
            merged[name] = _read(name, value, merged[name]) if isinstance(value, str) else value
        return Case(self.name, self.text, self.title, self.problem, self.numerics, merged)

    def build(self) -> tuple[Problem, dict[str, Any]]:
        """The problem, and the keyword arguments of `solve`."""
        problem = self._call(self.problem)
        if not isinstance(problem, Problem):
            raise ArgumentError(f"{self.name}: problem(...) returned {type(problem).__name__}, expected a Problem")
        options = {} if self.numerics is None else dict(self._call(self.numerics))
        # What the command gives itself is none of the case's.
        known = [n for n in inspect.signature(solve).parameters if n not in ("problem", "callback", "checkpoint")]
        for name in options:
            if name not in known:
                raise fail("numerics", name, "a keyword of solve: " + ", ".join(known))
        options.setdefault("layers", DEFAULT_LAYERS)
        if "mesh" not in options:
            options["mesh"] = CartesianMesh.covering(problem, DEFAULT_CELLS[problem.field.dim])
        return problem, options

    def _call(self, function: Callable[..., Any]) -> Any:
        names = inspect.signature(function).parameters
        return function(**{name: self.settings[name] for name in names})


def _read(name: str, text: str, default: Any) -> Any:
    """`text` as a value of the default's kind; names of things (strings) need no quotes."""
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
    kinds = {int, float} if any(type(v) is float for v in samples) else {type(v) for v in samples}
    if not all(type(v) in kinds for v in entries):
        raise fail(f"--set {name}", text, f"a value of the kind of the default {default!r}, or a list of such")
    return value
