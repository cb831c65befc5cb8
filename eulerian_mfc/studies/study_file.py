"""Study files: TOML that names a case, what varies and what is measured.

    kind = "mesh"                       # mesh, layers, samples, penalty or sweep
    case = "../cases/toy_line.py"       # from the study file's folder
    reference = "richardson"            # or finest, particles, or a table [reference]
    measure = ["cost", "control"]
    [settings]                          # of the case
    degree = 3
    [vary]
    cells = [40, 80, 160, 320]          # settings of the case, too; others where its mesh is refined by others

The file is data; the case that it names is code.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import tomllib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, EulerianError
from ..run.case import Case
from .convergence import check_refined, layer_study, mesh_study
from .references import Reference, as_reference, check_parameters
from .samples import sample_study
from .sources import Built, FromCase
from .study import Study
from .sweeps import as_penalty, check_parameter, sweep_study

KINDS = ("mesh", "layers", "samples", "penalty", "sweep")
#: keys that each kind takes beside kind, case, title, settings and vary
KEYS = {
    "mesh": ("reference", "measure"),
    "layers": ("reference", "measure"),
    "samples": ("repeats", "seed", "methods", "symmetry", "atoms", "reference"),
    "penalty": ("measure",),
    "sweep": ("reference", "measure", "parameter"),
}
#: words that a kind takes as its reference beside those of all others
REFERENCES = {"mesh": ("richardson", "finest", "particles"), "samples": ()}
ERRORS = {"cost": "error J", "control": "error theta"}
SYMMETRIES = {"abs": np.abs}


def iterations(solution: Any) -> int:
    """Iterations that the solver made."""
    return len(solution.history) - 1


def duality_drift(solution: Any) -> float:
    """Largest relative change of `sum <psi, m>`."""
    return float(solution.checks.duality_drift)


def most_negative(solution: Any) -> float:
    """Most negative cell of a density, relative to the largest."""
    return float(solution.checks.most_negative)


def mass_near_boundary(solution: Any) -> float:
    """Largest share of mass near the boundary."""
    return float(solution.checks.mass_near_boundary)


MEASURES: dict[str, Callable[[Any], Any]] = {
    f.__name__: f for f in (iterations, duality_drift, most_negative, mass_near_boundary)
}


@dataclass(frozen=True)
class StudyFile:
    """A study file read and checked; `run` runs it."""

    path: Path
    text: str
    content: Mapping[str, Any]
    case: Case

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> StudyFile:
        """Read a file.

        Raises
        ------
        ArgumentError
            With the line that is wrong, what it has and what is expected.
        """
        file = Path(path)
        if not file.is_file() or file.suffix != ".toml":
            raise ArgumentError(f"FILE: got {str(path)!r}, expected a TOML file that exists, ending in .toml")
        try:
            text = file.read_text(encoding="utf-8-sig")  # with the mark that some editors put first, or without
        except UnicodeDecodeError as error:
            raise ArgumentError(f"{file}: a study file is a text in UTF-8: {error}") from None
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"line (\d+)", str(error))
            number = int(found.group(1)) if found else len(text.splitlines())
            raise _located(file, text, number, str(error)) from None
        check = _Checker(file, text, content)
        return cls(file, text, content, check.whole())

    @property
    def kind(self) -> str:
        return str(self.content["kind"])

    def run(self, **run: Any) -> Study:
        """The study; `folder`, `executor`, `workers` and `progress` as for `run_jobs`."""
        found = self._run(run)
        seed = {"seed": self.content.get("seed", 0)} if self.kind == "samples" else {}
        settings = json.loads(json.dumps(dict(self.case.settings), default=repr))
        own = {"study file": self.text, "case": self.case.text, "settings": settings, **seed}
        return replace(found, provenance={**found.provenance, **own})

    def _run(self, run: dict[str, Any]) -> Study:
        content = {"title": self.case.title, **self.content}
        vary, title = dict(content["vary"]), str(content["title"])
        base = FromCase(str((self.path.parent / content["case"]).resolve()), dict(content.get("settings", {})))
        reference = reference_of(self.path.parent, content.get("reference"))
        run = {"folder": None, "executor": None, "workers": None, "progress": None, **run}
        measure = content.get("measure")
        if self.kind in ("mesh", "layers"):
            sources = [FromCase(base.path, {**base.settings, **point}) for point in points_of(content)]
            found = (mesh_study if self.kind == "mesh" else layer_study)(sources, reference or "richardson", title, run)
            kept = tuple(e for e in found.errors if measure is None or e.name in [ERRORS[m] for m in measure])
            left_out = {e.name for e in found.errors} - {e.name for e in kept}
            columns = tuple(c for c in found.columns if c.name not in left_out)
            return replace(found, errors=kept, columns=columns)
        if self.kind == "samples":
            symmetry = SYMMETRIES[content["symmetry"]] if "symmetry" in content else None
            methods, repeats = content.get("methods", ["mesh", "particles"]), content.get("repeats", 8)
            more = (content.get("seed", 0), methods, symmetry, content.get("atoms", 4000), reference)
            return sample_study(base, vary["samples"], repeats, *more, title, run)
        measures = {name: MEASURES[name] for name in measure or ()}
        study = sweep_study(base, vary, measures, content.get("parameter"), reference or "finest", title, run)
        return as_penalty(study) if self.kind == "penalty" else study


def points_of(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings that vary, of each run: together where they refine, in all combinations in sweeps, none of samples."""
    kind, vary = content["kind"], content["vary"]
    if kind == "samples":
        return [{}]
    combined = zip(*vary.values(), strict=True) if kind in ("mesh", "layers") else itertools.product(*vary.values())
    return [dict(zip(vary, values, strict=True)) for values in combined]


def reference_of(folder: Path, value: Any) -> Any:
    """A word, or a table: values, or `file` and `entry` of a JSON file that holds them."""
    if not isinstance(value, Mapping) or "file" not in value:
        return value
    rest = {k: v for k, v in value.items() if k not in ("file", "entry")}
    known = json.loads((folder / value["file"]).read_text(encoding="utf-8-sig"))
    found = known[value["entry"]] if "entry" in value else known
    return {"source": str(value.get("entry", "the reference")), **found, **rest}


def _located(file: Path, text: str, number: int, message: str) -> ArgumentError:
    lines = text.splitlines()
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    return ArgumentError(f"{file}, line {number}: {line}\n{message}")


class _Checker:
    """Checks the content of a file, and shows the line of what is wrong."""

    def __init__(self, file: Path, text: str, content: Mapping[str, Any]) -> None:
        self.file, self.text, self.content = file, text, content

    def wrong(self, table: str | None, key: str | None, message: str) -> ArgumentError:
        return _located(self.file, self.text, self.line(table, key), message)

    def line(self, table: str | None, key: str | None) -> int:
        """Where a key of a table stands (inline and dotted tables too), or the table's head, or the first line."""
        current, head = None, 1
        for number, line in enumerate(self.text.splitlines(), start=1):
            if found := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
                current = found.group(1).strip("\"'")
                head = number if current == table else head
            name = re.match(r"""\s*["']?([\w .-]+?)["']?\s*=""", line)
            if name and current == table and name.group(1) == key:
                return number
            if name and current is None and table is not None and name.group(1) in (table, f"{table}.{key}"):
                return number
        return head

    def whole(self) -> Case:
        content = self.content
        for key in ("kind", "case", "vary"):
            if key not in content:
                raise self.wrong(None, None, f"{key}: got nothing, expected a line `{key} = ...`")
        if content["kind"] not in KINDS:
            raise self.wrong(None, "kind", f"kind: got {content['kind']!r}, expected one of {', '.join(KINDS)}")
        allowed = ("kind", "case", "title", "settings", "vary", *KEYS[content["kind"]])
        for key in content:
            if key not in allowed:
                head = key if isinstance(content[key], dict) else None
                text = f"{key}: got a key that a {content['kind']} study does not take, expected one of "
                raise self.wrong(head, None if head else key, text + ", ".join(allowed))
        if not isinstance(content["case"], str):
            raise self.wrong(None, "case", f"case: got {content['case']!r}, expected the path of a case file")
        try:
            case = Case.load(self.file.parent / content["case"])
        except Exception as error:
            raise self.wrong(None, "case", _words_of(error)) from error
        if not isinstance(content.get("title", ""), str):
            raise self.wrong(None, "title", f"title: got {content['title']!r}, expected a text")
        self._settings(case)
        self._vary(case)
        self._words()
        case = case.with_settings(content.get("settings", {}))
        self._built(case)
        return case

    def _settings(self, case: Case) -> None:
        settings = self.content.get("settings", {})
        if not isinstance(settings, Mapping):
            raise self.wrong(None, "settings", f"settings: got {settings!r}, expected a table of settings of the case")
        for name, value in settings.items():
            self._setting(case, "settings", name, value)

    def _built(self, case: Case) -> None:
        """What only shows when the case is built, for every run that the study will make."""
        vary, kind = self.content["vary"], self.content["kind"]
        built: list[Built] = []
        for point in points_of(self.content):
            try:
                built.append(case.with_settings(point).build())
            except Exception as error:
                raise self._of_key(error, "vary", "settings") from error
        try:
            if kind in ("mesh", "layers"):
                check_refined(kind, built)
            elif "parameter" in self.content:
                against = reference_of(self.file.parent, self.content.get("reference", "finest"))
                check_parameter(vary, self.content["parameter"], against)
        except ArgumentError as error:
            raise self._of_key(error, "vary") from None
        if isinstance(self.content.get("reference"), Mapping):
            self._reference_values(self.content["reference"], built[0][0].parameters)

    def _of_key(self, error: Exception, *tables: str) -> ArgumentError:
        """An error at the line of the key of a table that it names; else of the first key of the first table."""
        keys = [(table, key) for table in tables for key in self.content.get(table, {})]
        named = [(table, key) for table, key in keys if re.search(rf"\b{re.escape(key)}: ", str(error))]
        return self.wrong(*(named or keys)[0], _words_of(error))

    def _setting(self, case: Case, table: str, name: str, value: Any) -> None:
        try:
            if name in case.settings and isinstance(case.settings[name], str) != isinstance(value, str):
                raise ArgumentError(f"{name}: got {value!r}, expected a value like {case.settings[name]!r}")
            case.with_settings({name: value if isinstance(value, str) else repr(value)})
        except ArgumentError as error:
            raise self.wrong(table, name, str(error).replace("--set ", "").replace("--set", table)) from None

    def _vary(self, case: Case) -> None:
        vary, kind = self.content["vary"], self.content["kind"]
        needed = {"mesh": "cells", "layers": "layers", "samples": "samples", "penalty": "penalty"}.get(kind)
        if kind == "mesh" and "cells" not in case.settings:
            needed = None  # meshes that are refined by other settings, such as `refinements` or `width`
        given = isinstance(vary, Mapping) and set(vary) - ({"layers"} if kind == "mesh" else set())
        if not given or (needed is not None and needed not in vary):
            others = f" of a setting that refines the mesh: {', '.join(case.settings)}" if kind == "mesh" else ""
            text = f"vary: got {vary!r}, expected a table with a list `{needed or 'SETTING'} = [...]`"
            raise self.wrong("vary", None, text + ("" if needed else others))
        least = 1 if kind in ("samples", "sweep") else 2
        for name, values in vary.items():
            if not isinstance(values, list) or len(values) < least:
                text = f"{name}: got {values!r}, expected a list of {least} or more values"
                raise self.wrong("vary", name, text)
            if name == "samples" and kind == "samples":
                if not all(type(v) is int and v > 0 for v in values):
                    raise self.wrong("vary", name, f"samples: got {values!r}, expected integers >= 1")
                continue
            for value in values:
                self._setting(case, "vary", name, value)
            if len({isinstance(v, list) for v in values}) > 1:
                text = f"{name}: got {values!r}, expected values of one kind: a list in each place, or none"
                raise self.wrong("vary", name, text)
        if kind in ("samples", "penalty") and len(vary) > 1:
            raise self.wrong("vary", list(vary)[1], f"vary: got {list(vary)}, expected {needed!r} alone")
        if kind in ("mesh", "layers") and len({len(v) for v in vary.values()}) > 1:
            text = f"vary: got lists of {[len(v) for v in vary.values()]} values, expected as many each: they vary together"
            raise self.wrong("vary", list(vary)[-1], text)

    def _words(self) -> None:
        content, kind = self.content, self.content["kind"]
        choices = {"methods": ("mesh", "particles"), "symmetry": tuple(SYMMETRIES)}
        choices["measure"] = tuple(ERRORS if kind in ("mesh", "layers") else MEASURES)
        choices["reference"] = REFERENCES.get(kind, ("richardson", "finest"))
        choices["parameter"] = tuple(content["vary"])
        for key, known in choices.items():
            value = content.get(key)
            if value is None or (key == "reference" and isinstance(value, Mapping)):
                continue
            listed = value if isinstance(value, list) else [value]
            several = key in ("measure", "methods")
            if several != isinstance(value, list) or any(v not in known or listed.count(v) > 1 for v in listed):
                text = f"{key}: got {value!r}, expected {'a list of ' if several else 'one of ' if known else ''}"
                others = ["a table [reference]"] if key == "reference" else []
                raise self.wrong(None, key, text + ", ".join([*map(repr, known), *others]))
        if content.get("methods") == []:
            raise self.wrong(None, "methods", "methods: got [], expected one or both of 'mesh', 'particles'")
        if "parameter" in content and len(content["vary"]) > 1:
            text = f"parameter: got {content['parameter']!r}, expected the one argument that varies"
            raise self.wrong(None, "parameter", text)
        for key in ("repeats", "seed", "atoms"):
            if key in content and (type(content[key]) is not int or content[key] < (0 if key == "seed" else 1)):
                raise self.wrong(None, key, f"{key}: got {content[key]!r}, expected an integer >= {int(key != 'seed')}")
        if isinstance(content.get("reference"), Mapping):
            self._reference_table(content["reference"])

    def _reference_table(self, table: Mapping[str, Any]) -> None:
        known = ("cost", "control", "cost_floor", "control_floor", "source", "file", "entry")
        for key in table:
            if key not in known:
                raise self.wrong("reference", key, f"{key}: got an unknown key, expected one of {', '.join(known)}")
        for key in ("file", "entry"):
            if not isinstance(table.get(key, ""), str):
                raise self.wrong("reference", key, f"{key}: got {table[key]!r}, expected a text")
        if "file" not in table:
            if "entry" in table:
                raise self.wrong(
                    "reference", "entry", "entry: got no `file` beside it, expected the JSON file that has it"
                )
            return
        held = "an object, with `cost` or `control` in it"
        try:
            found = json.loads((self.file.parent / table["file"]).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            text = f"file: got {table['file']!r}, expected a JSON file: {error}"
            raise self.wrong("reference", "file", text) from None
        if not isinstance(found, Mapping):
            raise self.wrong("reference", "file", f"file: got {_short(found)} in it, expected {held}")
        if "entry" not in table:
            return
        if table["entry"] not in found:
            text = f"entry: got {table['entry']!r}, expected one of {', '.join(map(repr, found))}"
            raise self.wrong("reference", "entry", text)
        if not isinstance(entry := found[table["entry"]], Mapping):
            raise self.wrong("reference", "entry", f"entry: got {_short(entry)} in the file, expected {held}")

    def _reference_values(self, table: Mapping[str, Any], parameters: int) -> None:
        try:
            known = as_reference(reference_of(self.file.parent, table))
            check_parameters(known, parameters)
            if self.content["kind"] == "samples" and isinstance(known, Reference) and known.control is None:
                raise ArgumentError("reference.control: got nothing, expected the law's control")
        except ArgumentError as error:
            raise self._of_key(error, "reference") from None


def _words_of(error: Exception) -> str:
    """An error of a case: the package's own as it is, others with the place."""
    if isinstance(error, EulerianError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error}, in {place.name}, line {place.lineno} of {place.filename}"


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) < 60 else shown[:57] + "..."
