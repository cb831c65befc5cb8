"""Settings of a case that have no effect on a run to a tolerance."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from ..run.case import Case, same
from ..run.options import Options, solved_to


def ignored_settings(case: Case, tolerance: Mapping[str, object]) -> list[str]:
    """The names of changed settings that only concern what a run to a tolerance chooses by itself.

    Parameters
    ----------
    case : the case with its settings.
    tolerance : what the command asks for, as for `run.options.solved_to`.
    """
    if case.numerics is None:
        return []
    numerics, of_problem = inspect.signature(case.numerics).parameters, inspect.signature(case.problem).parameters
    settings = {name: case.settings[name] for name in numerics}

    def kept(values: Mapping[str, object]) -> Options:
        return solved_to(case.numerics(**values), tolerance)[0] if case.numerics is not None else {}

    changed = [n for n, p in numerics.items() if n not in of_problem and not same(settings[n], p.default)]
    used = kept(settings) if changed else {}
    return [name for name in changed if _equal(used, kept({**settings, name: numerics[name].default}))]


def _equal(one: Options, other: Options) -> bool:
    return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
