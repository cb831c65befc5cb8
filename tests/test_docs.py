"""README and docs: their code runs, their tables are what the scripts made, their links lead somewhere."""

import re

import pytest

from .conftest import ROOT
from .test_transport import script

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [p for p in PAGES if BLOCK.search(p.read_text())], ids=lambda p: p.name)
def test_code_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
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


def test_the_readme_names_every_case():
    text = (ROOT / "README.md").read_text()
    for path in (ROOT / "cases").glob("*.py"):
        assert f"`{path.stem}`" in text
