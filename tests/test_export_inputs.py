"""Exported networks: what they take as inputs, and how they are stored, copied and sent."""

import copy
import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from eulerian_mfc import fields
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.export import control_from_torch
from tests.test_export import FIELDS, POINTS, in_torch, solution_at

X = torch.tensor(POINTS)


@pytest.mark.parametrize("name", ["neural tanh", "constant", "agrachev-sarychev", "radial basis", "polynomial", "sum"])
@pytest.mark.parametrize("layer", [False, True], ids=["network", "its first layer"])
def test_inputs_of_another_shape_are_refused(name, layer):
    """As `solution.flow` does. A constant field adds its vector to columns of any number, and tensors are broadcast."""
    solution = solution_at(FIELDS[name])
    module = solution.to_torch().layers[0] if layer else solution.to_torch()
    for x in (X[:, :1], torch.cat([X, X[:, :1]], dim=1), X[None], X[0], X[:, :0], torch.tensor(1.0)):
        with pytest.raises(
            ValueError, match=r"x: got a tensor of shape \(.*\), expected inputs as rows, a tensor of shape \(n, 2\)"
        ):
            module(x)
    assert module(X[:0]).shape == (0, 2)
    assert module(X[:1]).shape == (1, 2)


def test_augmented_networks_take_inputs_and_states():
    """Both widths that `solution.flow` takes, with the same answers; no third."""
    solution = solution_at(fields.NeuralField(2), augment=1, layers=2)
    module = solution.to_torch()
    states = np.column_stack([POINTS, 0.1 * POINTS[:, 0]])
    for x in (POINTS, states):
        np.testing.assert_allclose(in_torch(module, x), solution.flow(x), rtol=0, atol=1e-12)
    for width in (1, 4):
        with pytest.raises(
            ArgumentError, match=rf"x: got a tensor of shape \(5, {width}\), .* shape \(n, 2\) or \(n, 3\)"
        ):
            module(torch.zeros(5, width, dtype=torch.float64))


@pytest.mark.parametrize("name", ["neural tanh", "constant"])
@pytest.mark.parametrize(
    ("x", "pattern"),
    [
        (
            X.float(),
            r"x: got a tensor of torch.float32, expected torch.float64, .* solution.to_torch\(dtype=\"float32\"\)",
        ),
        (X.long(), r"x: got a tensor of torch.int64, expected torch.float64, .* use x.to\(torch.float64\)$"),
        (X.to(torch.complex128), "x: got a tensor of torch.complex128, expected torch.float64"),
        (X.to("meta"), r"x: got a tensor on meta, expected the device cpu of the weights: use x.to\('cpu'\)"),
        (POINTS, r"x: got array\(.*, expected a torch.Tensor of shape \(n, 2\)"),
        (POINTS.tolist(), r"x: got \[\[.*, expected a torch.Tensor of shape \(n, 2\)"),
    ],
    ids=["float32", "integers", "complex", "device", "array", "list"],
)
def test_inputs_of_another_kind_are_refused_with_what_to_do(name, x, pattern):
    with pytest.raises(ArgumentError, match=f"(?s){pattern}"):
        solution_at(FIELDS[name]).to_torch()(x)


def test_modules_that_were_cast_take_what_they_were_cast_to():
    solution = solution_at(FIELDS["scaled in time"])
    module = solution.to_torch().float()
    np.testing.assert_allclose(in_torch(module, POINTS), solution.flow(POINTS), rtol=0, atol=1e-5)
    with pytest.raises(ArgumentError, match=r"x: got a tensor of torch\.float64, expected torch\.float32"):
        module(X)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # layers then get the half precision of those before
        np.testing.assert_allclose(module(X.float()).detach().float(), solution.flow(POINTS), rtol=0, atol=0.2)


@pytest.mark.parametrize(
    ("name", "degree"), [*((name, 0) for name in FIELDS), ("neural tanh", 2), ("scaled in time", 2)]
)
def test_modules_are_pickled_and_copied(name, degree):
    """Fields of user functions of time too: what a network needs of them is their values at its stages."""
    module = solution_at(FIELDS[name], "auto", degree=degree).to_torch(readout=True)
    stored = io.BytesIO()
    torch.save(module, stored)
    stored.seek(0)
    copies = [pickle.loads(pickle.dumps(module)), copy.deepcopy(module), torch.load(stored, weights_only=False)]
    for other in copies:
        assert torch.equal(other(X), module(X))
        assert np.array_equal(control_from_torch(other), control_from_torch(module))
    with torch.no_grad():
        next(copies[1].parameters()).add_(1.0)  # a copy has weights of its own
    assert not torch.equal(copies[1](X), module(X))
    copies[1].load_state_dict(module.state_dict())
    assert torch.equal(copies[1](X), module(X))


def test_a_stored_module_is_read_by_another_program(tmp_path):
    module = solution_at(FIELDS["scaled in time"]).to_torch(readout=True)
    torch.save(module, tmp_path / "network.pt")
    code = f"""
import torch
module = torch.load({str(tmp_path / "network.pt")!r}, weights_only=False)
print(float(module(torch.tensor([[0.25, -0.5]], dtype=torch.float64)).detach()[0, 1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert float(done.stdout) == float(module(torch.tensor([[0.25, -0.5]], dtype=torch.float64)).detach()[0, 1])


@pytest.mark.parametrize("degree", [0, 1])
def test_modules_are_exported_by_pytorch_for_batches_of_any_size(degree):
    module = solution_at(FIELDS["scaled in time"], "auto", degree=degree).to_torch()
    programme = torch.export.export(module, (X,), dynamic_shapes=({0: torch.export.Dim("n")},))
    np.testing.assert_allclose(programme.module()(X[:7]).detach(), module(X[:7]).detach(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["neural tanh", "constant"])
def test_onnx_files_state_the_width_and_the_kind_of_their_inputs(name, tmp_path):
    """The runtime refuses others by what the file states, also where the nodes would broadcast them."""
    import onnxruntime

    path = Path(tmp_path / "network.onnx")
    solution_at(FIELDS[name]).to_onnx(path, dtype="float64")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": POINTS[:3]})[0].shape == (3, 2)
    three = np.column_stack([POINTS, POINTS[:, 0]])
    for x in (POINTS[:, :1], three, POINTS[None], POINTS[0], POINTS.astype(np.float32)):
        with pytest.raises(Exception, match="INVALID_ARGUMENT"):
            session.run(None, {"x": np.ascontiguousarray(x)})
