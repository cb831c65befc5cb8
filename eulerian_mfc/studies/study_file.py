"""Study files: TOML that names a case, what varies and what is measured.

    kind = "mesh"                       # mesh, layers, samples, penalty or sweep
    case = "../cases/toy_line.py"       # from the study file's folder
    reference = "richardson"            # or finest, particles, or a table [reference]
    measure = ["cost", "control"]
    degrees = [0, 1, 2]                 # for layers: degrees of the control in time, a column of errors for each
    tol = 1e-6                          # for penalty and sweep: solve to a tolerance; or atol, tol_control
    [settings]                          # of the case
    degree = 3
    [vary]
    cells = [40, 80, 160, 320]          # settings of the case too; use the settings that refine its mesh

The file is data; the case that it names is code.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ArgumentError
from ..run.case import Case
from .convergence import layer_study, mesh_study
from .degrees import checked_degrees, degree_study
from .progress import Progress
from .references import ReferenceLike
from .runner import Runner
from .sample_design import Distances, SampleDesign
from .samples import sample_study
from .sources import FromCase
from .study import Study
from .study_check import Checker, located
from .study_content import ERRORS, MEASURES, SYMMETRIES, TOLERANCES, Content, points_of, reference_of
from .sweep_design import SweepDesign
from .sweeps import as_penalty, sweep_study


@dataclass(frozen=True)
class StudyFile:
    """A study file read and checked; `run` runs it."""

    path: Path
    text: str
    content: Content
    case: Case

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> StudyFile:
        """Read a file.

        Raises
        ------
        ArgumentError
            With the line that is wrong, its content, and the expected content.
        """
        file = Path(path)
        if not file.is_file() or file.suffix != ".toml":
            raise ArgumentError(f"FILE: got {str(path)!r}, expected an existing TOML file whose name ends in .toml")
        try:
            text = file.read_text(encoding="utf-8-sig")  # with or without the byte order mark of some editors
        except UnicodeDecodeError as error:
            raise ArgumentError(
                f"{file}: got a file that is not a text in UTF-8 ({error}), expected a study file, which is a "
                "TOML file in UTF-8"
            ) from None
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"line (\d+)", str(error))
            number = int(found.group(1)) if found else len(text.splitlines())
            raise located(file, text, number, str(error)) from None
        check = Checker(file, text, content)
        return cls(file, text, content, check.whole())

    @property
    def kind(self) -> str:
        return str(self.content["kind"])

    def run(
        self,
        folder: str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> Study:
        """Run the study; `folder`, `executor`, `workers` and `progress` are as for `run_jobs`."""
        found = self._run(Runner(folder, executor, workers, progress))
        seed = {"seed": self.content.get("seed", 0)} if self.kind == "samples" else {}
        settings = json.loads(json.dumps(dict(self.case.settings), default=repr))
        own = {"study file": self.text, "case": self.case.text, "settings": settings, **seed}
        return replace(found, provenance={**found.provenance, **own})

    def _run(self, runner: Runner) -> Study:
        content = {"title": self.case.title, **self.content}
        vary, title = dict(content["vary"]), str(content["title"])
        base = FromCase(str((self.path.parent / content["case"]).resolve()), dict(content.get("settings", {})))
        reference = content.get("reference")
        reference = None if reference is None else reference_of(self.path.parent, reference)
        measure = content.get("measure")
        if "degrees" in content:
            return self._degrees(base, content, reference or "finest", title, runner)
        if self.kind in ("mesh", "layers"):
            sources = [FromCase(base.path, {**base.settings, **point}) for point in points_of(content)]
            make = mesh_study if self.kind == "mesh" else layer_study
            return _measured(make(sources, reference or "richardson", title, runner), measure)
        if self.kind == "samples":
            known = {k: content[k] for k in ("repeats", "seed", "methods") if k in content}
            symmetry = SYMMETRIES[content["symmetry"]] if "symmetry" in content else None
            distances = Distances(symmetry, content.get("atoms", Distances.atoms))
            design = SampleDesign(vary["samples"], distances=distances, reference=reference, **known)
            return sample_study(base, design, title, runner)
        measures = {name: MEASURES[name] for name in measure or ()}
        base = replace(base, tolerance={key: content[key] for key in TOLERANCES if key in content})
        swept = SweepDesign(vary, measures, content.get("parameter"), reference or "finest")
        study = sweep_study(base, swept, title, runner)
        return as_penalty(study) if self.kind == "penalty" else study

    def _degrees(self, base: FromCase, content: Content, reference: ReferenceLike, title: str, runner: Runner) -> Study:
        """The study of layers for several degrees of the control."""
        layers = [replace(base, settings={**base.settings, **point}) for point in points_of(content)]
        degrees = checked_degrees(content["degrees"])
        sources = {k: [replace(s, others={"control_degree": k}) for s in layers] for k in degrees}
        return degree_study(sources, reference, title, runner)


def _measured(study: Study, measure: list[str] | None) -> Study:
    """A refinement study with only the errors in `measure`; with all errors if `measure` is None."""
    kept = tuple(e for e in study.errors if measure is None or e.name in [ERRORS[m] for m in measure])
    left_out = {e.name for e in study.errors} - {e.name for e in kept}
    return replace(study, errors=kept, columns=tuple(c for c in study.columns if c.name not in left_out))
