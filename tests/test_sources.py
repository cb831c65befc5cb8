"""The identity of stored results: what computes them counts, and nothing else of the package."""

import re
import shutil
import subprocess
import sys

import pytest

import eulerian_mfc
from eulerian_mfc.fingerprint.sources import OUTSIDE, SOURCES, Sources

from .conftest import ROOT

JOBS = ["eulerian_mfc.studies.runs"]


@pytest.fixture
def copy(tmp_path):
    """A copy of the package's sources, to be changed."""
    root = tmp_path / "eulerian_mfc"
    shutil.copytree(ROOT / "eulerian_mfc", root, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def move(root, old, new):
    """Move a module, and rewrite the imports of it, as one does by hand."""
    source = root.joinpath(*old.split(".")).with_suffix(".py")
    target = root.joinpath(*new.split(".")).with_suffix(".py")
    target.parent.mkdir(exist_ok=True)
    (target.parent / "__init__.py").touch()
    text = re.sub(r"from \.(\w)", f"from ..{old.partition('.')[0]}.\\1", source.read_text())
    target.write_text(text)
    source.unlink()
    room, _, name = old.partition(".")
    for path in root.rglob("*.py"):
        text = path.read_text()
        dots = "." * len(path.relative_to(root).parts)
        text = re.sub(rf"from \.\.{room}\.{name} import", f"from {dots}{new} import", text)
        if path.parent.name == room:
            text = re.sub(rf"from \.{name} import", f"from {dots}{new} import", text)
        path.write_text(text)


def test_a_copy_has_the_same_identity(copy):
    assert Sources(copy).of_modules(JOBS) == SOURCES.of_modules(JOBS)


def test_moving_a_file_keeps_stored_results(copy):
    move(copy, "solvers.mixing", "acceleration.anderson")
    assert "acceleration.anderson" in (copy / "solvers" / "shooting.py").read_text()
    subprocess.run([sys.executable, "-c", "import eulerian_mfc"], cwd=copy.parent, check=True)  # it was moved properly
    assert Sources(copy).of_modules(JOBS) == SOURCES.of_modules(JOBS)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("views/figures.py", "import", "COLOUR = '#123456'\nimport"),
        ("app/cli.py", "import", "PAUSE = 1\nimport"),
        ("studies/figures.py", "import", "COLOUR = '#123456'\nimport"),
        ("fields/neural.py", "class NeuralField", "# a remark\nclass NeuralField"),
    ],
)
def test_what_only_shows_or_explains_keeps_stored_results(copy, file, old, new):
    path = copy / file
    path.write_text(re.sub(rf"^{old}", new, path.read_text(), count=1, flags=re.M))
    assert path.read_text() != (ROOT / "eulerian_mfc" / file).read_text()
    assert Sources(copy).of_modules(JOBS) == SOURCES.of_modules(JOBS)


@pytest.mark.parametrize(
    "file",
    [
        "solvers/lbfgs.py",
        "fields/neural.py",
        "kernels/weno.py",
        "flow/layer_map.py",
        "studies/runs.py",
        "scales.py",
    ],
)
def test_a_number_that_changes_results_is_seen(copy, file):
    path = copy / file
    path.write_text(path.read_text() + "\nONE_MORE = 1\n")
    assert Sources(copy).of_modules(JOBS) != SOURCES.of_modules(JOBS)


def test_a_name_that_stands_for_something_else_is_seen(copy):
    """Two modules with the same statements, but for where a function comes from."""
    (copy / "one.py").write_text("def f(x):\n    return x\n")
    (copy / "two.py").write_text("def f(x):\n    return 2 * x\n")
    path = copy / "fields" / "neural.py"
    text = path.read_text()
    path.write_text(f"{text}\nfrom ..one import f\n")
    first = Sources(copy).of_modules(JOBS)
    path.write_text(f"{text}\nfrom ..two import f\n")
    assert Sources(copy).of_modules(JOBS) != first


def test_a_name_that_a_folder_hands_on_is_followed():
    handed, defined = (
        SOURCES.of_definition(m, "NeuralField") for m in ("eulerian_mfc.fields", "eulerian_mfc.fields.neural")
    )
    assert handed == defined
    assert defined != SOURCES.of_definition("eulerian_mfc.fields", "AffineField")
    assert SOURCES.of_definition("eulerian_mfc.transport", "FiniteVolume") != SOURCES.of_definition(
        "eulerian_mfc.continuity", "FiniteVolume"
    )


def test_what_computes_imports_nothing_from_outside_at_the_top():
    """Rooms outside the identity may compute nothing: what is in them is files, pictures and the command."""
    assert {path.name for path in (ROOT / "eulerian_mfc").iterdir()} >= OUTSIDE
    assert SOURCES.of_modules(["eulerian_mfc"]) != SOURCES.of_modules(JOBS)
    assert eulerian_mfc.__name__ == SOURCES.root.name
