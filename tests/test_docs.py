"""README and docs: their code runs, their tables are what the scripts made, their links lead somewhere."""

import dataclasses
import enum
import importlib
import inspect
import re
import shlex
import types
import warnings
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Protocol

import pytest
from click.testing import CliRunner

import eulerian_mfc as emfc
from eulerian_mfc.app.cli import main
from eulerian_mfc.continuity import limiters
from eulerian_mfc.fields import activations
from eulerian_mfc.studies.study_file import StudyFile

from .conftest import CONTINUOUS, ROOT, script

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [p for folder in ("theory", "tutorials", "howto") for p in sorted((ROOT / "docs" / folder).glob("*.md"))]
PAGES = [p for p in PAGES if p.name != "gallery.md"]  # made by the build
FENCE = re.compile(r"^```(\S+)[^\n]*\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
#: blocks that tests below run, beside those of the site's own markup
RUN = {"python", "{code-cell}", "toml", "console"}
MARKUP = {"{eval-rst}", "{toctree}"}
#: commands of console blocks that no test runs, and why
NOT_RUN = {"pip": "installs from the network, into the environment that runs the tests", "tox": "runs these tests"}
#: the address in the docs, in whose place there is a cluster on this machine
SCHEDULER = "tcp://scheduler.example:8786"
#: what pages add their own parts to, for themselves only
REGISTRIES = [
    (emfc.fields, "REGISTRY"), (emfc.losses, "REGISTRY"), (activations, "_REGISTERED"), (limiters, "_REGISTERED"),
]  # fmt: skip
COARSE = ["--set", "cells=32", "--set", "layers=4"]
BLOCK = re.compile(r"^```(?:python|\{code-cell\} ipython3)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


@contextmanager
def scheduler():
    distributed = pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # the cluster's own
        with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
            yield cluster.scheduler_address


@pytest.mark.parametrize("page", [p for p in PAGES if BLOCK.search(p.read_text())], ids=lambda p: p.name)
def test_code_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for module, name in REGISTRIES:
        monkeypatch.setattr(module, name, dict(getattr(module, name)))
    if page.parent.name == "tutorials":
        pytest.importorskip("IPython", reason="the tutorials are notebooks")
    names = {}
    for block in BLOCK.findall(page.read_text()):
        with scheduler() if SCHEDULER in block else nullcontext(SCHEDULER) as address:
            exec(compile(block.replace(SCHEDULER, address), page.name, "exec"), names)
    if page.name == "README.md":
        assert names["solution"].converged
        assert abs(names["network"].cost - 0.37938947649292637) <= 1e-9
        error = names["solution"].error
        assert error.met
        assert abs(names["solution"].cost - CONTINUOUS["toy_line_nobias_1"]["cost"]) <= error.cost <= error.tolerance
        assert (tmp_path / "out" / "toy_line" / "solution.pvd").is_file()
    if page.name == "guide.md":
        assert names["solution"].converged


def fenced(page, language):
    """The blocks of a page in a language."""
    return [text for found, text in FENCE.findall(page.read_text()) if found == language]


def pages(language):
    return pytest.mark.parametrize("page", [p for p in PAGES if fenced(p, language)], ids=lambda p: p.name)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_block_is_run(page):
    """In a language that one of these tests runs, or markup of the site."""
    assert {language for language, _ in FENCE.findall(page.read_text())} <= RUN | MARKUP


def coarse(study_file):
    return re.sub(r"cells = \[.*\]", "cells = [32, 48, 64]", study_file)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of what the commands of the docs read, with coarse studies, as the working folder."""
    monkeypatch.chdir(tmp_path)
    for path in [*ROOT.glob("cases/*.py"), *ROOT.glob("studies/*.toml"), ROOT / "tests" / "reference.json"]:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(coarse(path.read_text()))
    return tmp_path


@pages("toml")
def test_study_files_run(page, checkout):
    """As those in studies/."""
    for text in fenced(page, "toml"):
        file = checkout / "studies" / "of_the_docs.toml"
        file.write_text(coarse(text))
        study = StudyFile.load(file).run()
        assert not study.failures
        assert all(record["converged"] for record in study.records)


class Killed(BaseException):
    """In place of SIGKILL."""


def killed(*arguments, callback, **options):
    """A solve that does not come to its third iteration."""

    def die(row):
        callback(row)
        if row.iteration == 2:
            raise Killed

    return emfc.solve(*arguments, callback=die, **options)


@pages("console")
@pytest.mark.usefixtures("checkout")
def test_commands_run_in_order(page, monkeypatch):
    """With coarse settings; a run whose next line resumes it is killed."""
    lines = [line for text in fenced(page, "console") for line in text.splitlines()]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if completion := re.search(r"_EMFC_COMPLETE=(\w+) emfc", line):
            told = CliRunner().invoke(main, [], prog_name="emfc", env={"_EMFC_COMPLETE": completion[1]})
            assert "_EMFC_COMPLETE" in told.output, line
            continue
        for words in map(shlex.split, re.sub(r"\s# .*", "", line).split("&&")):
            if words[0] in NOT_RUN:
                continue
            assert words[0] == "emfc", line
            run = partial(CliRunner().invoke, main, [*words[1:], *(COARSE if words[1] == "run" else [])])
            if following.startswith("emfc resume"):
                with monkeypatch.context() as patch:
                    patch.setattr("eulerian_mfc.app.run_case.solve", killed)
                    with pytest.raises(Killed):
                        run()
            else:
                done = run()
                assert done.exit_code == 0, (line, done.output)


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
            room = module.rpartition(".")[0]
            assert {f".. automodule:: {module}", f".. automodule:: {room}"} & set(text.splitlines()), name
            assert found.__doc__, name


def test_the_readme_names_every_case():
    text = (ROOT / "README.md").read_text()
    for path in (ROOT / "cases").glob("*.py"):
        assert f"`{path.stem}`" in text


def public_names():
    """Every class and function of the public lists and of the modules in docs/api.md, by its name."""
    modules = re.findall(r"automodule:: (\S+)", (ROOT / "docs" / "api.md").read_text())
    modules, found, seen = [emfc, *map(importlib.import_module, modules)], {}, set()
    while modules:
        module = modules.pop()
        seen.add(module)
        names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
        for value in (getattr(module, name) for name in names):
            if isinstance(value, types.ModuleType):
                modules += [value] * (hasattr(module, "__all__") and value not in seen)
            elif getattr(value, "__module__", "").startswith(module.__name__) and callable(value):
                found[f"{value.__module__}.{value.__qualname__}"] = value
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
    assert len(public_names()) > 150
    assert not list(undocumented())


#: what checks none of its arguments: inner functions, of arguments that the package has made, and texts for people
UNCHECKED = {
    "constraints.held": {"in_words"},
    "control.horizon": {"price_of"},
    "diagnostics.error_budget": {"at_the_control", "box_contribution"},
    "diagnostics.warnings_of": {"of_the_densities", "of_the_layer_map", "of_the_mesh", "of_second_order", "tell"},
    "diagnostics.certificate": {"Energies"},
    "losses.density_cost": {"density_costs"},
    "noise.intensity": {"Noise"},
    "noise.on_boxes": {"HeatOnBoxes"},
    "noise.on_simplices": {"HeatOnSimplices"},
    "problem_checks": {"checked_points", "lengths_of"},
    "results.certificate": {"balance"},
    "storage.journal_file": {"encode"},
    "storage.journalled": {"journalled"},
    "solvers.default": {"default_solver"},
    "solvers.recorder": {"Recorder"},
    "solvers.status": {"limit_reached", "stalled"},
    "diagnostics.off_mesh": {"at_any_time", "look", "share_beyond"},
    "system.controlled": {"trapezoidal"},
    "system.pairs": {"AdjointPair", "LayerTangents", "Pair"},
    "system.scheme_choice": {"beside", "default_pair"},
    "system.particles": {"one_point"},
    "diagnostics.stability": {"layer_blocks"},
    "storage.solution_file": {"head"},
}


def not_called(value):
    """Exceptions take a message; nobody makes a member of an enum, or an object of a protocol."""
    kind = value if inspect.isclass(value) else object
    return issubclass(kind, Exception | enum.Enum) or Protocol in kind.__mro__


def arguments(value):
    """The names of the arguments, in the package's own signatures; exceptions and warnings take a message."""
    return [] if not_called(value) else inspect.signature(value).parameters


def section(text, *titles):
    """The lines of sections of a docstring."""
    parts = re.split(r"^(\w+)\n-+\n", inspect.cleandoc(text), flags=re.MULTILINE)
    return [
        line
        for title, body in zip(parts[1::2], parts[2::2], strict=True)
        if title in titles
        for line in body.splitlines()
    ]


def named(text):
    """The names that the sections of parameters and attributes list, an entry `name, name : what they mean` a line."""
    entries = [re.match(r"([\w, ]+) : ", line) for line in section(text, "Parameters", "Attributes")]
    return {name for entry in entries if entry for name in entry[1].split(", ")}


def checks(value):
    """Whether there is code that may refuse its arguments: plain records have none."""
    record = inspect.isclass(value) and (dataclasses.is_dataclass(value) or issubclass(value, tuple))
    return not record or hasattr(value, "__post_init__")


def test_docstrings_name_every_argument():
    missing = {where: [a for a in arguments(v) if a not in named(v.__doc__)] for where, v in public_names().items()}
    assert not {where: names for where, names in missing.items() if names}


def test_docstrings_tell_what_is_raised():
    unchecked = {f"eulerian_mfc.{module}.{name}" for module, names in UNCHECKED.items() for name in names}
    silent = {w for w, v in public_names().items() if arguments(v) and checks(v) and not section(v.__doc__, "Raises")}
    assert silent == unchecked


def test_errors_that_docstrings_name_exist():
    """The package's own, or Python's."""
    own = vars(emfc.errors).keys() | {"ImportError", "ValueError"}
    for where, value in public_names().items():
        for line in section(value.__doc__, "Raises", "Warns"):
            assert line.startswith(" ") or not line or set(line.split(", ")) <= own, (where, line)


def test_the_site_reads_docstrings_as_they_are_meant():
    """Entries with their meaning, one a name; mathematics and initials are no markup; nothing is read as nothing."""
    text = [
        "|x|",
        "",
        "Attributes",
        "-" * 10,
        "a, b : one",
        "    more.",
        "c : two.",
        "",
        "References",
        "-" * 10,
        "A. Bo.",
    ]
    expected = ["a", "    one", "    more.", "b", "    one", "    more.", "c", "    two.", ""]
    expected = ["\\|x\\|", "", *text[2:4], *expected, "References", "-" * 10, "\\A. Bo."]
    for lines, plain in ((text, expected), ([], [])):
        script("conf").plain(None, "class", "", None, None, lines)
        assert lines == plain
