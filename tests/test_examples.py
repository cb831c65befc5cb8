"""The examples in docstrings: every public class and function has one, and all of them run."""

import doctest
import importlib
import inspect
import pkgutil
import types

import pytest

import eulerian_mfc as emfc

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = sorted(m.name for m in pkgutil.walk_packages(emfc.__path__, "eulerian_mfc.") if ".kernels." not in m.name)


def public_names():
    """By its full name, every class and function that a user reaches through the public lists; not errors and warnings."""
    found, modules, seen = {}, [emfc, emfc.learn], set()
    while modules:
        module = modules.pop()
        seen.add(module)
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, types.ModuleType):
                modules += [value] * (hasattr(value, "__all__") and value not in seen)
            elif not callable(value) or not value.__module__.startswith("eulerian_mfc"):
                continue
            elif not (inspect.isclass(value) and issubclass(value, Exception)):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


def has_example(value):
    """Whether the docstring of a function, or of a class or one of its own methods, has an example."""
    texts = [value.__doc__ or ""]
    if inspect.isclass(value):
        own = (inspect.unwrap(getattr(member, "__func__", member)) for member in vars(value).values())
        texts += [member.__doc__ or "" for member in own if inspect.isfunction(member)]
    return any(">>>" in text for text in texts)


def test_every_public_name_has_an_example():
    names = public_names()
    assert len(names) > 90
    assert not sorted(name for name, value in names.items() if not has_example(value))


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    module = importlib.import_module(name)
    examples = doctest.DocTestFinder(exclude_empty=True).find(module, name)
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for example in examples:
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0
