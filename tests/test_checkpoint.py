"""Runs that survive: killed at any moment they end with the same bits; damaged files and full disks are told."""

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, FileFormatError, StorageError
from eulerian_mfc.meshes import Refine
from eulerian_mfc.storage.journal import Checkpoint, Journal
from eulerian_mfc.storage.journal_file import encode, read

from .conftest import ROOT, toy_line, toy_mesh
from .simplices import box
from .test_simplex_pair import bimodal

#: runs that are killed: 30 in the nightly environment
KILLS = int(os.environ.get("EMFC_KILLS", "4"))

SOLVERS = {
    **{name: kind() for name, kind in emfc.solvers.REGISTRY.items()},
    "shooting": emfc.solvers.Shooting(relaxation=0.5, tol=1e-3),
    "shooting, continuous": emfc.solvers.Shooting(relaxation="auto", update="continuous", tol=1e-3),
    "gradient_flow": emfc.solvers.GradientFlow(tol=1e-6),
}


def bits(solution):
    """Everything of a solution but the seconds of its history."""
    digest = hashlib.sha256()
    for array in (solution.control, solution.masses, solution.potentials):
        digest.update(array.tobytes())
    digest.update(repr([row[:5] for row in solution.history]).encode())
    digest.update(repr((solution.message, solution.converged, solution.cost, solution.checks)).encode())
    return digest.hexdigest()


def small(solver, **options):
    return emfc.solve(toy_line(bias=True, penalty=0.5), toy_mesh(32), 4, solver=solver, **options)


class Killed(BaseException):
    """What ends a run between two evaluations."""


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_goes_on_to_the_same_bits(name, tmp_path, monkeypatch):
    """Stopped after 1/4, 1/2, 3/4 of what a whole run keeps, and resumed: each time the bits of an undisturbed run."""
    solver = SOLVERS[name]
    expected = bits(small(solver))
    whole = tmp_path / "whole"
    assert bits(small(solver, checkpoint=Checkpoint(whole, every=1e9))) == expected
    run = json.loads(whole.read_bytes().partition(b"\n")[0].rpartition(b" ")[0])
    count = sum(map(len, read(whole, run["run"])))
    assert count >= 4
    path = tmp_path / "killed"
    for share in (0.25, 0.5, 0.75):
        grown, limit = Journal._grown, int(share * count)

        def killing(self, size, grown=grown, limit=limit):
            grown(self, size)
            if len(self) >= limit:
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(Journal, "_grown", killing)
            with pytest.raises(Killed):
                small(solver, checkpoint=Checkpoint(path, every=0.0))
        kept = sum(map(len, read(path, run["run"])))
        assert kept >= limit - 1  # what was evaluated is in the file
    assert bits(small(solver, checkpoint=path)) == expected


def test_a_finished_checkpoint_evaluates_nothing_again(tmp_path, monkeypatch):
    solution = small(emfc.solvers.LBFGS(), checkpoint=tmp_path / "c")

    def never(self, control):
        raise AssertionError("evaluated again")

    monkeypatch.setattr(emfc.OptimalitySystem, "cost_and_gradient", never)
    assert bits(small(emfc.solvers.LBFGS(), checkpoint=tmp_path / "c")) == bits(solution)


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.BoundaryMassWarning")
def test_refinement_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    """Killed in its second round."""

    def refined(**options):
        goal = Refine(target=1e-9, max_rounds=2, report=None)
        solver = emfc.solvers.LBFGS(tol=1e-3, max_iterations=4)
        return emfc.solve(bimodal(2), box(2, 4, -4.0, 4.0), 2, adapt=goal, solver=solver, **options)

    expected, path = refined(), tmp_path / "c"
    watching = Journal.watching

    def second(self, system):
        if self._systems:
            raise Killed
        return watching(self, system)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "watching", second)
        with pytest.raises(Killed):
            refined(checkpoint=path)
    resumed = refined(checkpoint=path)
    assert bits(resumed) == bits(expected)
    assert resumed.rounds == expected.rounds


#: A process that has imported and compiled everything, and makes a copy of itself for every run that it is told.
RUN = """
import os, sys
import eulerian_mfc as emfc
from tests.test_checkpoint import bits, problem_of

def run(dim, path):
    problem, mesh, layers, solver = problem_of(dim)
    checkpoint = path and emfc.Checkpoint(path, every=0.0)
    return bits(emfc.solve(problem, mesh, layers, solver=solver, checkpoint=checkpoint))

print(run(1, None), run(2, None), flush=True)
for line in sys.stdin:
    dim, path = line.split()
    child = os.fork()
    if not child:
        print(run(int(dim), path), flush=True)
        os._exit(0)
    print(child, flush=True)
    status = os.waitpid(child, 0)[1]
    print("ended", status, flush=True)
"""


def problem_of(dim):
    if dim == 1:
        return toy_line(bias=True, penalty=0.5), toy_mesh(60), 4, emfc.solvers.NewtonCG(tol=1e-9)
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1, -1], [1, 1]], 0.3), [[-2.0, -2.0], [2.0, 2.0]])
    problem = emfc.Problem(emfc.fields.NeuralField(2), law, emfc.losses.SquaredLoss(), 0.3, 1.0)
    return problem, emfc.CartesianMesh([(-4, 4)] * 2, 24), 6, emfc.solvers.LBFGS(tol=1e-10)


def test_runs_killed_at_random_moments_resume_to_the_same_bits(tmp_path):
    """SIGKILL to a process that solves; every third one while a checkpoint is being written (its temporary file is there)."""
    command = [sys.executable, "-c", RUN]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def start(dim, path):
        server.stdin.write(f"{dim} {path}\n")
        server.stdin.flush()
        return int(server.stdout.readline())

    def end():
        """The bits that the run printed, if it came so far, and its status."""
        lines = [server.stdout.readline()]
        while not lines[-1].startswith("ended"):
            lines.append(server.stdout.readline())
            assert lines[-1], "the server died"
        return "".join(lines[:-1]).strip(), int(lines[-1].split()[1])

    chance = random.Random(int(os.environ.get("EMFC_SEED", "7")))
    expected = dict(zip((1, 2), server.stdout.readline().split(), strict=True))
    seconds = {}
    for dim in (1, 2):
        before = time.monotonic()
        start(dim, tmp_path / f"whole{dim}")
        assert end() == (expected[dim], 0)
        seconds[dim] = time.monotonic() - before
    killed = []
    for k in range(KILLS):
        dim, path = 1 + k % 2, tmp_path / f"run{k}" / "checkpoint"
        pid = start(dim, path)
        if k % 3 == 0:
            wanted, late = chance.randrange(1, 20), time.monotonic() + 0.6 * seconds[dim]
            while wanted and time.monotonic() < late:
                wanted -= any(path.parent.glob("*.part")) if path.parent.exists() else 0
        else:
            time.sleep(chance.uniform(0.0, 0.6 * seconds[dim]))
        with suppress(ProcessLookupError):  # a run that was done before
            os.kill(pid, signal.SIGKILL)
        killed.append(end()[1] == signal.SIGKILL)
        start(dim, path)
        assert end() == (expected[dim], 0), (k, dim)
        assert [p.name for p in path.parent.iterdir()] == ["checkpoint"]
    server.communicate(timeout=60)
    assert sum(killed) >= max(1, KILLS // 2)  # else the moments were too late to tell anything


def test_damaged_checkpoints_are_refused(tmp_path):
    path = tmp_path / "c"
    small(emfc.solvers.LBFGS(), checkpoint=path)
    good = path.read_bytes()
    line, _, body = good.partition(b"\n")
    head = json.loads(line.rpartition(b" ")[0])

    def sealed(**changes):
        text = json.dumps({**head, **changes}).encode()
        return text + b" " + hashlib.sha256(text + body).hexdigest().encode() + b"\n" + body

    versions = {**head["versions"], "numpy": "1.0"}
    for data, message in {
        b"": "is not a checkpoint",
        b"hello\nworld": "is not a checkpoint",
        good[:-1]: "is cut off or too long",
        good + b"x": "is cut off or too long",
        good[:-9] + b"X" + good[-8:]: "was altered: its checksum is wrong",
        sealed(schema=7): "of schema 7, but this version reads schema 1: delete this file",
        sealed(format="other"): "is not a checkpoint",
        sealed(versions=versions): "was made with numpy 1.0, but this program runs with",
        sealed(run="x"): "belongs to another run",
    }.items():
        path.write_bytes(data)
        with pytest.raises(FileFormatError, match=message):
            small(emfc.solvers.LBFGS(), checkpoint=path)
        assert path.read_bytes() == data  # nothing is thrown away unasked


def test_flipped_bytes_never_pass(tmp_path):
    path = tmp_path / "c"
    run = "a" * 64
    good = encode(run, {bytes(16): np.arange(3.0)}, {bytes(range(16)): "layer 3"})
    path.write_bytes(good)
    values, errors = read(path, run)
    assert values[bytes(16)].tolist() == [0.0, 1.0, 2.0]
    assert errors[bytes(range(16))] == "layer 3"
    for k in range(len(good)):
        path.write_bytes(good[:k] + bytes([good[k] ^ 1]) + good[k + 1 :])
        with pytest.raises(FileFormatError):
            read(path, run)


def test_another_run_is_refused(tmp_path):
    path = tmp_path / "c"
    small(emfc.solvers.LBFGS(), checkpoint=path)
    for changes in (
        {"solver": emfc.solvers.LBFGS(tol=1e-8)},
        {"initial": 0.2},
        {"transport": emfc.transport.SemiLagrangian(3)},
    ):
        with pytest.raises(FileFormatError, match="belongs to another run"):
            small(**{"solver": emfc.solvers.LBFGS(), "checkpoint": path, **changes})
    with pytest.raises(ArgumentError, match="checkpoint: got 3, expected a path"):
        small(emfc.solvers.LBFGS(), checkpoint=3)


def test_threads_and_memory_are_no_part_of_a_run(tmp_path, monkeypatch):
    """A run with other limits finds all that was evaluated, and ends with the same bits; storage is part of a run."""
    path = tmp_path / "c"
    expected = bits(small(emfc.solvers.LBFGS(), checkpoint=path))

    def refuse(system, control):
        raise AssertionError("evaluated again")

    with monkeypatch.context() as patch:
        patch.setattr(emfc.OptimalitySystem, "cost_and_gradient", refuse)
        again = small(emfc.solvers.LBFGS(), checkpoint=path, threads=2, memory=1)
    assert bits(again) == expected
    assert again.system.flow.workers.threads == 2
    assert again.system.kept_states == 1
    with pytest.raises(FileFormatError, match="belongs to another run"):
        small(emfc.solvers.LBFGS(), checkpoint=path, precision="single")


def test_a_full_disk_is_told_and_the_last_good_checkpoint_is_intact(tmp_path):
    """The largest file that the process may write is set so that later checkpoints do not fit."""
    path = tmp_path / "c"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, before[1]))
    try:
        with pytest.raises(StorageError, match=r"cannot write .*File too large; the old file is intact"):
            small(SOLVERS["shooting"], checkpoint=Checkpoint(path, every=0.0))
        with pytest.raises(StorageError, match=r"cannot write .*no file has been written there"):
            small(emfc.solvers.LBFGS()).save(tmp_path / "solution.h5")
        with pytest.raises(
            StorageError, match=r"cannot write .*solution_0000.vtu: File too large; no file has been written there"
        ):
            small(emfc.solvers.LBFGS()).to_vtk(tmp_path / "vtk")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "vtk").iterdir())  # all files or none
    shutil.rmtree(tmp_path / "vtk")
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
    assert 2000 < path.stat().st_size <= 6000
    assert bits(small(SOLVERS["shooting"], checkpoint=path)) == bits(small(SOLVERS["shooting"]))


def test_non_finite_values_are_kept_too(tmp_path):
    """A run that met NaN meets it again, without computing."""

    def broken():
        raise emfc.errors.NonFiniteError("layer 2")

    for compute in (broken, None):
        journal = Journal(tmp_path / "c", 0.0, "r")
        with pytest.raises(emfc.errors.NonFiniteError, match="layer 2"):
            journal.value(b"x", compute)
