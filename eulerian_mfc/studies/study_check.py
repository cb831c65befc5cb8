"""Checks of a study file; each error shows the line that is wrong."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Mapping
from pathlib import Path

from ..errors import ArgumentError, EulerianError
from ..run.case import Case
from ..tolerance.goal import Goal
from .degrees import checked_degrees
from .references import Reference, as_reference, check_parameters
from .refinement import check_refined
from .runner import GIVEN
from .sources import Built, on_a_mesh
from .study_content import (
    ERRORS,
    KEYS,
    KINDS,
    MEASURES,
    REFERENCES,
    SYMMETRIES,
    TOLERANCES,
    Content,
    points_of,
    reference_of,
)
from .sweep_design import check_parameter


def located(file: Path, text: str, number: int, message: str) -> ArgumentError:
    lines = text.splitlines()
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    return ArgumentError(f"{file}, line {number}: {line}\n{message}")


class Checker:
    """Checks the content of a file; errors show the line that is wrong."""

    def __init__(self, file: Path, text: str, content: Content) -> None:
        self.file, self.text, self.content = file, text, content

    def wrong(self, table: str | None, key: str | None, message: str) -> ArgumentError:
        return located(self.file, self.text, self.line(table, key), message)

    def line(self, table: str | None, key: str | None) -> int:
        """The line of a key in a table (also inline and dotted tables), else of the table's head, else the first line."""
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
                text = f"{key}: got a key that a study of the kind {content['kind']} does not have, expected one of "
                why = f"; it has {GIVEN}" if key in TOLERANCES else ""
                raise self.wrong(head, None if head else key, text + ", ".join(allowed) + why)
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
        """Check what needs the built case, for every run of the study."""
        vary, kind = self.content["vary"], self.content["kind"]
        built: list[Built] = []
        for point in points_of(self.content):
            try:
                built.append(case.with_settings(point).build())
            except Exception as error:
                raise self._of_key(error, "vary", "settings") from error
        tolerant = bool(self._tolerance()) or not all(on_a_mesh(options) for _, options in built)
        if tolerant and (kind not in ("sweep", "penalty") or "parameter" in self.content):
            what = "a parameter" if kind == "sweep" else f"a study of the kind {kind}"
            text = f"tol: got {what} with a tolerance, expected {GIVEN}"
            raise self.wrong(None, "parameter" if kind == "sweep" else "case", text)
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

    def _tolerance(self) -> Content:
        """The keys of a solve to a tolerance, checked."""
        found = {key: self.content[key] for key in TOLERANCES if key in self.content}
        for key, value in found.items():
            try:
                Goal(**{key: value})
            except ArgumentError as error:
                raise self.wrong(None, key, str(error)) from None
        return found

    def _of_key(self, error: Exception, *tables: str) -> ArgumentError:
        """The error with the line of the key that it names in one of the tables; else of the first key of the first table."""
        keys = [(table, key) for table in tables for key in self.content.get(table, {})]
        named = [(table, key) for table, key in keys if re.search(rf"\b{re.escape(key)}: ", str(error))]
        return self.wrong(*(named or keys)[0], _words_of(error))

    def _setting(self, case: Case, table: str, name: str, value: object) -> None:
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
            needed = None  # other settings refine the mesh, such as `refinements` or `width`
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
                text = f"{name}: got {values!r}, expected values of one kind: only lists, or only single values"
                raise self.wrong("vary", name, text)
        if kind in ("samples", "penalty") and len(vary) > 1:
            raise self.wrong("vary", list(vary)[1], f"vary: got {list(vary)}, expected only {needed!r}")
        if kind in ("mesh", "layers") and len({len(v) for v in vary.values()}) > 1:
            text = (
                f"vary: got lists of {[len(v) for v in vary.values()]} values, expected lists of equal length, "
                "since their values vary together"
            )
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
            text = f"parameter: got {content['parameter']!r}, expected the only argument in the table `vary`"
            raise self.wrong(None, "parameter", text)
        for key in ("repeats", "seed", "atoms"):
            if key in content and (type(content[key]) is not int or content[key] < (0 if key == "seed" else 1)):
                raise self.wrong(None, key, f"{key}: got {content[key]!r}, expected an integer >= {int(key != 'seed')}")
        if "degrees" in content:
            try:
                checked_degrees(content["degrees"])
            except (ArgumentError, TypeError) as error:
                text = f"degrees: got {content['degrees']!r}, expected a list of different degrees, such as [0, 1, 2]"
                raise self.wrong(None, "degrees", text) from error
        if isinstance(content.get("reference"), Mapping):
            self._reference_table(content["reference"])

    def _reference_table(self, table: Content) -> None:
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
                    "reference",
                    "entry",
                    "entry: got an entry without a `file`, expected also the `file`, a JSON file that has this entry",
                )
            return
        held = "an object with `cost` or `control` in it"
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

    def _reference_values(self, table: Content, parameters: int) -> None:
        try:
            known = as_reference(reference_of(self.file.parent, table))
            check_parameters(known, parameters)
            if self.content["kind"] == "samples" and isinstance(known, Reference) and known.control is None:
                raise ArgumentError("reference.control: got nothing, expected the law's control")
        except ArgumentError as error:
            raise self._of_key(error, "reference") from None


def _words_of(error: Exception) -> str:
    """The text of a case's error: unchanged for errors of the package, with the place in the code for others."""
    if isinstance(error, EulerianError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error}, in {place.name}, line {place.lineno} of {place.filename}"


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) < 60 else shown[:57] + "..."
