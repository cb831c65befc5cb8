"""The gallery: every file of cases/ with its text, its picture, and how to run it."""

import warnings
from pathlib import Path

DOCS = Path(__file__).parents[1]
CASES = DOCS.parent / "cases"
#: settings with which cases without a committed picture are solved while the site is built
SMALL = {"cells": "48", "layers": "10", "refinements": "3", "degree": "3"}
#: and others, for cases in space
SMALLER = {"bimodal_3d": {"cells": "32", "layers": "5"}}


def picture(path, folder):
    """The committed picture of a case, or one made of a small solution."""
    committed = DOCS / "images" / f"{path.stem}.png"
    if committed.exists():
        return f"images/{path.stem}.png"
    import matplotlib

    matplotlib.use("agg")
    import eulerian_mfc as emfc
    from eulerian_mfc.run.case import Case

    case = Case.load(path)
    small = {**SMALL, **SMALLER.get(path.stem, {})}
    problem, options = case.with_settings({k: v for k, v in small.items() if k in case.settings}).build()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", emfc.errors.BoundaryMassWarning)  # of meshes this coarse
        solution = emfc.solve(problem, **options)
    solution.plot().savefig(folder / f"{path.stem}.png", dpi=80)
    return f"_generated/{path.stem}.png"


def write(app):
    folder = DOCS / "_generated"
    folder.mkdir(exist_ok=True)
    parts = ["# Gallery\n\nThe cases of the repository, made into this page by the build.\n"]
    for path in sorted(CASES.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        title, _, rest = text.split('"""')[1].partition("\n")
        story = rest.strip().replace("|", "\\|").replace("*", "\\*")
        parts.append(
            f"## {title.rstrip('.')}\n\n![{title}]({picture(path, folder)})\n\n{story}\n\n"
            f"```console\nemfc run cases/{path.name} --out results/{path.stem}\n```\n\n"
            f":::{{dropdown}} {path.name}\n```{{literalinclude}} ../cases/{path.name}\n:language: python\n```\n:::\n"
        )
    page = DOCS / "gallery.md"
    content = "\n".join(parts)
    if not page.exists() or page.read_text(encoding="utf-8") != content:
        page.write_text(content, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
