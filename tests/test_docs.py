"""README and docs: their code runs, their tables are what the scripts made, their links lead somewhere."""

import inspect
import re
import types

import pytest

import eulerian_mfc as emfc

from .conftest import ROOT
from .test_transport import script

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [p for folder in ("theory", "tutorials", "howto") for p in sorted((ROOT / "docs" / folder).glob("*.md"))]
PAGES = [p for p in PAGES if p.name != "gallery.md"]  # made by the build
BLOCK = re.compile(r"^```(?:python|\{code-cell\} ipython3)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [p for p in PAGES if BLOCK.search(p.read_text())], ids=lambda p: p.name)
def test_code_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if page.parent.name == "tutorials":
        pytest.importorskip("IPython", reason="the tutorials are notebooks")
    names = {}
    for block in BLOCK.findall(page.read_text()):
        exec(compile(block, page.name, "exec"), names)
    if page.name == "README.md":
        assert names["solution"].converged
        assert abs(names["solution"].cost - 0.37938947649292637) <= 1e-9
        assert (tmp_path / "out" / "toy_line" / "solution.pvd").is_file()
    if page.name == "guide.md":
        assert names["solution"].converged


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_tables_are_those_of_the_scripts(page):
    text = page.read_text()
    assert script("insert_tables").inserted(text) == text


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_every_page_is_in_the_site():
    """In a table of contents of the index, which the build checks too."""
    index = (ROOT / "docs" / "index.md").read_text().splitlines()
    for page in PAGES:
        if page.parent != ROOT and page.name not in ("index.md", "gallery.md"):
            assert str(page.relative_to(ROOT / "docs").with_suffix("")) in index, page


def test_the_reference_has_every_public_module():
    """Every name of the package's public list is documented: its module is in docs/api.md, and it has a docstring."""
    text = (ROOT / "docs" / "api.md").read_text()
    for name in emfc.__all__:
        found = getattr(emfc, name)
        module = getattr(
            found, "__name__" if isinstance(found, types.ModuleType) else "__module__", "eulerian_mfc.version"
        )
        if name != "__version__":
            root = ".".join(module.split(".")[:2])
            assert f"automodule:: {root}\n" in text, name
            assert found.__doc__, name


def test_the_readme_names_every_case():
    text = (ROOT / "README.md").read_text()
    for path in (ROOT / "cases").glob("*.py"):
        assert f"`{path.stem}`" in text


def public_names():
    """Every class and function of the public lists, by its name."""
    modules, found = [emfc], {}
    while modules:
        module = modules.pop()
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if isinstance(value, types.ModuleType):
                modules.append(value)
            elif inspect.isclass(value) or inspect.isfunction(value):
                found[f"{module.__name__}.{name}"] = value
    return found


def undocumented():
    """Public names and methods without a docstring of their own or of a base, or whose arrays have no shape in it."""

    def unwrapped(member):
        return next((f for k in ("fget", "__func__", "func") if (f := getattr(member, k, None))), member)

    def told(kind, name):
        return next((d for b in kind.__mro__ if (d := unwrapped(vars(b).get(name)).__doc__) and name in vars(b)), "")

    for where, value in public_names().items():
        if not value.__doc__:
            yield where
        bases = [b for b in getattr(value, "__mro__", ()) if b.__module__.startswith("eulerian_mfc")]
        attributes = {"largest_courant_number", "positive", "reference"}  # of every scheme: CONTRIBUTING.md
        attributes |= {name for base in bases for name in vars(base).get("__annotations__", ())}  # documented as such
        for base in bases:
            for name, member in vars(base).items():
                function = unwrapped(member)
                if name.startswith("_") or name in attributes or not inspect.isfunction(function):
                    continue
                text, arrays = told(value, name), "ndarray" in str(inspect.signature(function))
                if not text or (arrays and "(" not in text):
                    yield f"{where}.{name}"


def test_public_names_have_docstrings_with_shapes():
    assert len(public_names()) > 80
    assert not list(undocumented())
