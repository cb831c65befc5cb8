"""The pictures of README and docs, made by the package: `python docs/pictures.py`."""

from pathlib import Path

import eulerian_mfc as emfc
from eulerian_mfc.run.case import Case

ROOT = Path(__file__).parents[1]


def solve(name):
    problem, options = Case.load(ROOT / "cases" / f"{name}.py").build()
    return emfc.solve(problem, options.pop("mesh"), options.pop("layers"), **options)


if __name__ == "__main__":
    for name in ("bimodal_2d", "toy_line"):
        solve(name).plot().savefig(ROOT / "docs" / "images" / f"{name}.png", dpi=90, bbox_inches="tight")
