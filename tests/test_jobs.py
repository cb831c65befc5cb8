"""Jobs: fingerprints that name computations, results that survive, executors that agree."""

import functools
import io
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

import eulerian_mfc as emfc
from eulerian_mfc.app.cli import main
from eulerian_mfc.errors import ArgumentError, FileFormatError, StorageError
from eulerian_mfc.fingerprint.fingerprint import fingerprint
from eulerian_mfc.run.case import Case
from eulerian_mfc.studies.jobs import Job, run_jobs
from eulerian_mfc.studies.progress import Bar
from eulerian_mfc.studies.store import Result, Store

from . import study_problems as sp
from .conftest import ROOT, toy_line

SCALE = 2.0


def helper(x):
    return SCALE * x


def calls_helper(x):
    return helper(x) + 1


def times(k):
    return lambda x: x * k


def jobs(function, values, **more):
    return [Job(function, {"x": v, **more}, f"x = {v}") for v in values]


# --- fingerprints


def test_equal_computations_have_equal_addresses():
    for make in (
        toy_line,
        lambda: np.arange(6.0).reshape(2, 3),
        lambda: {"a": 1, "b": [None, True, "x", 2.5]},
        lambda: emfc.transport.SemiLagrangian(3),
        lambda: functools.partial(helper, x=3),
        lambda: {3, 1, 2},
    ):
        assert fingerprint(make()) == fingerprint(make())
    used = toy_line()
    used.regulariser, used.law.labels  # noqa: B018  what is cached does not count
    assert fingerprint(used) == fingerprint(toy_line())


def test_different_computations_have_different_addresses():
    offset = [1.0, 2.0]
    things = [
        1, 1.0, True, "1", b"1", None, [1], [1, 2], [[1], 2], (), {}, {1: 2}, {2: 1}, np.float32(1).reshape(1),
        np.ones(2), np.ones((2, 1)), np.array([1.0, 1.0 + 1e-16 * 3]), np.zeros(2), -np.zeros(2),
        np.sign, np.abs, np.sin, helper, calls_helper, functools.partial(helper, 1), functools.partial(helper, 2),
        lambda x: x + 1, lambda x: x + 2, lambda x, y=1: x + y, lambda x, y=2: x + y,
        lambda x: x + offset[0], lambda x: x + offset[1], lambda x: (x, 1), lambda x: (x, 1.0),
        times(1), times(2),
        toy_line(), toy_line(bias=True), toy_line(penalty=2.0), toy_line(horizon=2.0),
        emfc.CartesianMesh([(-8, 8)], 40), emfc.CartesianMesh([(-8, 8)], 41), emfc.CartesianMesh([(-8, 9)], 40),
        emfc.LayerMap("rk4"), emfc.LayerMap("rk4", 2), emfc.LayerMap("euler"),
        emfc.laws.Gaussian([0.0], 1.0), emfc.laws.Gaussian([0.0], 1.0, truncation=3.0), emfc.laws.Uniform([(0, 1)]),
    ]  # fmt: skip
    found = [fingerprint(thing) for thing in things]
    assert len(set(found)) == len(found)


def test_functions_are_told_by_what_they_use(monkeypatch):
    """A constant of the module, a function called, and the same text twice."""
    before = fingerprint(calls_helper)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert fingerprint(calls_helper) != before
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert fingerprint(calls_helper) == before

    def define(text):
        names = {"__name__": "a_case"}
        exec(compile(text, "case.py", "exec"), names)
        return names["f"]

    assert fingerprint(define("def f(x):\n    return x + 1")) == fingerprint(
        define("# moved down\n\ndef f(x):\n    return x + 1")
    )
    assert fingerprint(define("def f(x):\n    return x + 1")) != fingerprint(define("def f(x):\n    return x + 2"))
    a, b = (f"class A:\n    def g(self):\n        return {k}\ndef f(x):\n    return A().g()" for k in (1, 2))
    assert fingerprint(define(a)) != fingerprint(define(b))
    assert fingerprint(define("def f(n):\n    return 1 if n < 1 else n * f(n - 1)"))  # calls itself


def test_addresses_do_not_depend_on_the_process():
    code = "from eulerian_mfc.fingerprint.fingerprint import fingerprint; from tests.conftest import toy_line; " + (
        "from tests import study_problems as sp; print(fingerprint(toy_line(), {'b', 'a', 'c'}, sp.square, {'x': 1, 'y': 2}))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert found == [fingerprint(toy_line(), {"b", "a", "c"}, sp.square, {"x": 1, "y": 2})] * 2


def test_what_has_no_address_is_refused():
    with pytest.raises(ArgumentError, match=r"holds numpy\.random.*Generator, whose value cannot be determined.*seed"):
        fingerprint({"seed": np.random.default_rng(0)})


# --- the store


def test_results_come_back_as_they_were(tmp_path):
    values = {"pi": float(np.pi), "tiny": 5e-324, "n": 3, "yes": True, "word": "\u00fc", "none": None, "big": 1e300}
    arrays = {"a": np.random.default_rng(0).normal(size=(3, 2)), "i": np.arange(4)}
    store = Store(tmp_path)
    store.put("x" * 64, Result(values, arrays))
    found = store.get("x" * 64)
    assert found.values == values
    assert all(np.array_equal(found.arrays[k], v) and found.arrays[k].dtype == v.dtype for k, v in arrays.items())
    first = store.path("x" * 64).read_bytes()
    store.put("x" * 64, Result(values, arrays))
    assert store.path("x" * 64).read_bytes() == first
    assert store.get("y" * 64) is None
    assert [p.suffix for p in tmp_path.iterdir()] == [".npz"]


def test_damaged_results_are_told(tmp_path):
    store = Store(tmp_path)
    store.put("x" * 64, Result({"a": 1}, {}))
    store.path("x" * 64).write_bytes(store.path("x" * 64).read_bytes()[:100])
    with pytest.raises(FileFormatError, match=r"is damaged .*delete this file"):
        store.get("x" * 64)


def test_files_with_pickles_are_not_read(tmp_path):
    store = Store(tmp_path)
    with open(store.path("x" * 64), "wb") as file:
        np.savez(file, values=np.array([{"a": 1}], dtype=object))
    with pytest.raises(FileFormatError, match="damaged"):
        store.get("x" * 64)


# --- running


class Listener:
    def __init__(self):
        self.total = self.done = 0
        self.most_running, self.labels, self.failed, self.stopped = 0, [], [], False

    def start(self, total, done):
        self.total, self.done = total, done

    def running(self, count):
        self.most_running = max(self.most_running, count)

    def finished(self, label, error):
        (self.labels if error is None else self.failed).append(label)

    def stop(self):
        self.stopped = True


def test_done_jobs_are_not_run_again(tmp_path):
    first, second = Listener(), Listener()
    run_jobs(jobs(sp.square, [1, 2]), folder=tmp_path, progress=first)
    found = run_jobs(jobs(sp.square, [3, 2, 1, 3]), folder=tmp_path, progress=second)
    assert (first.total, first.done, first.labels) == (2, 0, ["x = 1", "x = 2"])
    assert (second.total, second.done, second.labels) == (3, 2, ["x = 3"])
    assert [r.values["square"] for r in found] == [9, 4, 1, 9]
    assert second.stopped


@pytest.mark.parametrize("workers", [None, 2])
def test_a_failure_is_recorded_and_does_not_end_the_others(tmp_path, workers):
    listener = Listener()
    found = run_jobs(jobs(sp.fails_on_two, [1, 2, 3]), folder=tmp_path, workers=workers, progress=listener)
    assert [r.values.get("value") for r in found] == [1.0, None, 3.0]
    assert found[1].error.startswith("ValueError: two is not allowed")
    assert "fails_on_two" in found[1].error
    (record,) = tmp_path.glob("*.failed.txt")
    assert record.read_text().startswith("x = 2\n\nValueError: two is not allowed")
    assert listener.failed == ["x = 2"]
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_the_bar_shows_done_running_failed_and_time_left(tmp_path):
    out = io.StringIO()
    bar = Bar(Console(file=out, force_terminal=True, width=200))
    run_jobs(jobs(sp.fails_on_two, [5]), folder=tmp_path)
    run_jobs(jobs(sp.fails_on_two, [1, 2, 3, 5]), folder=tmp_path, progress=bar)
    text = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    assert "1 of 4 jobs were finished before" in text
    assert "failed: x = 2: ValueError: two is not allowed" in text
    assert re.search(r"3/3 0 running, 1 failed, left: 0:00:00", text)


def test_returning_other_things_is_a_failure():
    (found,) = run_jobs(jobs(sp.steep, [1]))
    assert "numbers, words and arrays; 'bad' is a object" in found.error


def test_a_worker_that_dies_is_a_failure(tmp_path):
    found = run_jobs(jobs(sp.dies, [2]), folder=tmp_path, workers=2)
    assert "a worker process died" in found[0].error


@pytest.fixture(scope="module")
def serial():
    return run_jobs([Job(sp.blas, {"seed": k}, "") for k in range(4)])


def same(a, b):
    return all(
        x.values == y.values and x.error is None and all(np.array_equal(x.arrays[k], y.arrays[k]) for k in x.arrays)
        for x, y in zip(a, b, strict=True)
    )


def test_processes_and_threads_give_the_same_bits(serial):
    work = [Job(sp.blas, {"seed": k}, "") for k in range(4)]
    assert same(run_jobs(work, workers=2), serial)
    with ThreadPoolExecutor(2) as threads:
        assert same(run_jobs(work, executor=threads), serial)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert same(run_jobs(work, executor=pool), serial)


@pytest.mark.filterwarnings("default")  # the cluster's own
def test_a_dask_cluster_gives_the_same_bits(serial, tmp_path):
    """Two workers of a local cluster: jobs, and a whole study, whose problem holds a lambda."""
    distributed = pytest.importorskip("distributed")
    problem = emfc.Problem(
        emfc.fields.NeuralField(1, bias=False),
        emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), lambda x: np.sign(x[:, 0]), breaks=[0.0]),
        emfc.losses.SquaredLoss(),
        1.0,
        1.0,
    )

    def study(**run):
        return emfc.studies.mesh_convergence(problem, [32, 48, 64], 4, [(-8.0, 8.0)], **run)

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        assert same(run_jobs([Job(sp.blas, {"seed": k}, "") for k in range(4)], executor=executor), serial)
        failed = run_jobs(jobs(sp.fails_on_two, [1, 2]), executor=executor)
        assert [r.error is None for r in failed] == [True, False]
        study(executor=executor).save(tmp_path / "dask.json")
        file = tmp_path / "study.toml"
        file.write_text(f'kind = "mesh"\ncase = "{ROOT}/cases/toy_line.py"\n[vary]\ncells = [32, 48]\n')
        command = ["study", str(file), "--out", str(tmp_path / "out"), "--scheduler", cluster.scheduler_address]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
        assert len(list((tmp_path / "out" / "jobs").glob("*.npz"))) == 2
    study().save(tmp_path / "here.json")
    assert (tmp_path / "dask.json").read_bytes() == (tmp_path / "here.json").read_bytes()


def test_lambdas_cannot_be_sent_to_processes():
    problem = toy_line()
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), lambda x: np.sign(x), breaks=[0.0])
    problem = emfc.Problem(problem.field, law, problem.loss, 1.0, 1.0)
    with pytest.raises(ArgumentError, match=r"cannot be sent to another process.*top level of a module.*case file"):
        emfc.studies.mesh_convergence(problem, [32, 48], 4, [(-8.0, 8.0)], workers=2)


def test_functions_of_case_files_cannot_either():
    """They are sent as the case's path, by study files."""
    problem, options = Case.load(ROOT / "cases" / "learn_map_2d.py").build()
    with pytest.raises(ArgumentError, match="a function of a case file"):
        emfc.studies.mesh_convergence(problem, [32, 48], 4, options["mesh"].bounds, workers=2)


def test_functions_of_modules_can(tmp_path):
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), sp.pseudo_label, breaks=[0.0])
    problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
    here = emfc.studies.mesh_convergence(problem, [32, 48, 64], 4, [(-8.0, 8.0)])
    there = emfc.studies.mesh_convergence(problem, [32, 48, 64], 4, [(-8.0, 8.0)], workers=2)
    assert here == there


def test_what_run_jobs_refuses(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"folder: cannot make the folder .*file: File exists"):
        run_jobs([], folder=tmp_path / "file")
    with ThreadPoolExecutor(1) as threads, pytest.raises(ArgumentError, match="None, since an executor is given"):
        run_jobs([], executor=threads, workers=2)
    with pytest.raises(ArgumentError, match=r"concurrent\.futures\.Executor"):
        run_jobs([], executor="dask")


# --- interrupts

SCRIPT = """
    import signal, sys
    from tests import study_problems as sp
    from eulerian_mfc.studies.jobs import Job, run_jobs
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in a shell's background
    if __name__ == "__main__":
        work = [Job(sp.square, {"x": k, "sleep": 0.3}, str(k)) for k in range(6)]
        run_jobs(work, folder=sys.argv[1], workers=int(sys.argv[2]) or None)
"""


@pytest.mark.parametrize(("how", "workers"), [(signal.SIGKILL, 0), (signal.SIGKILL, 2), (signal.SIGINT, 0)])
def test_killed_jobs_go_on_from_where_they_were(tmp_path, workers, how):
    """Killed half-way: what was done is not run again, and its files are not touched; nothing half-written stays."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    folder = tmp_path / "jobs"
    command = [sys.executable, str(script), str(folder), str(workers)]
    process = subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(how)
    assert process.wait(timeout=30) != 0
    done = {p.name: p.stat().st_mtime_ns for p in folder.glob("*.npz")}
    assert 2 <= len(done) < 6
    listener = Listener()
    work = [Job(sp.square, {"x": k, "sleep": 0.3}, str(k)) for k in range(6)]
    found = run_jobs(work, folder=folder, progress=listener)
    assert [r.values["square"] for r in found] == [k * k for k in range(6)]
    assert listener.done == len(done)
    assert len(listener.labels) == 6 - len(done)
    assert all((folder / name).stat().st_mtime_ns == time_ for name, time_ in done.items())


def test_addresses_see_the_text_of_helper_modules_and_attributes_of_classes(tmp_path, monkeypatch):
    """A constant in a module that a function uses, or in the class of a user's field, is part of the fingerprint."""
    import importlib
    import sys

    monkeypatch.syspath_prepend(str(tmp_path))
    found = []
    for value in (1.0, 2.0):
        (tmp_path / "emfc_helpers_of_a_test.py").write_text(f"C = {value}\n\n\ndef f(x):\n    return x\n")
        (tmp_path / "emfc_user_of_a_test.py").write_text(
            "import emfc_helpers_of_a_test as h\n\n\ndef label(x):\n    return h.C * x\n\n\n"
            "class Scaled:\n    scale = h.C\n"
        )
        for name in ("emfc_helpers_of_a_test", "emfc_user_of_a_test"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        module = importlib.import_module("emfc_user_of_a_test")
        found.append(fingerprint(module.label))
    assert found[0] != found[1]


SHARED = """
import sys
from tests import study_problems as sp
from eulerian_mfc.studies.jobs import Job, run_jobs
first, folder, log, workers = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
if __name__ == "__main__":
    numbers = range(first, first + 20)
    jobs = [Job(sp.logged, {"x": x, "log": log}, f"x = {x}") for x in numbers]
    print("ready", flush=True)
    input()
    found = run_jobs(jobs, folder=folder, workers=workers)
    assert [r.values["value"] for r in found] == list(numbers)
"""


def test_four_concurrent_studies_lose_nothing_and_duplicate_nothing(tmp_path):
    """Four processes with overlapping jobs on one folder: each job is run once, and everybody has every result."""
    log, folder = tmp_path / "log", tmp_path / "jobs"
    script = tmp_path / "shared.py"
    script.write_text(SHARED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(first), str(folder), str(log), "1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for first in (0, 5, 10, 10)
    ]  # fmt: skip
    assert [p.stdout.readline() for p in processes] == ["ready\n"] * 4
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert sorted(map(int, log.read_text().split())) == list(range(30))
    assert len(list(folder.iterdir())) == 30
    assert {p.suffix for p in folder.iterdir()} == {".npz"}


def test_a_claim_goes_with_its_holder(tmp_path):
    """While one process has a job no other gets it; a killed one leaves it to the next."""
    code = f"""
from eulerian_mfc.studies.store import Store
import time
claim = Store({str(tmp_path)!r}).claim("a" * 64)
print("held" if claim else "free", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    store = Store(tmp_path)
    assert store.claim("a" * 64) is None
    process.kill()
    process.communicate()
    claim = store.claim("a" * 64)
    assert claim is not None
    claim.release()
    assert not list(tmp_path.iterdir())
