"""Export: the networks' outputs are those of the flow, and their weights are the control; both ways, in both libraries."""

import subprocess
import sys

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc import fields, losses
from eulerian_mfc.errors import ArgumentError, FileFormatError
from eulerian_mfc.export import control_from_onnx, control_from_torch
from eulerian_mfc.export.fields import FORMULAS
from eulerian_mfc.flow.tableaux import Tableau
from eulerian_mfc.solvers import Outcome

FIELDS = {
    **{f"neural {name}": fields.NeuralField(2, name) for name in fields.ACTIVATIONS},
    "neural without bias": fields.NeuralField(2, bias=False),
    "affine": fields.AffineField(2),
    "linear": fields.AffineField(2, bias=False),
    "constant": fields.AffineField(2, matrix=False),
    "bottleneck": fields.BottleneckField(2, 5),
    "agrachev-sarychev": fields.AgrachevSarychevField(2),
    "radial basis": fields.RadialBasisField([[0.0, 0.3], [1.0, -1.0], [0.2, 2.0]], 0.7),
    "polynomial": fields.PolynomialField(2, 2),
    "sum": fields.NeuralField(2) + fields.AffineField(2, matrix=False),
    "scaled in time": (lambda t: 1.0 + np.sin(5.0 * t)) * (fields.NeuralField(2) + 0.5 * fields.AffineField(2)),
}
MAPS = [emfc.LayerMap("euler"), emfc.LayerMap("midpoint"), emfc.LayerMap("rk4"), emfc.LayerMap("rk4", substeps=3)]
POINTS = np.random.default_rng(5).normal(size=(40, 2))


def solution_at(field, layer_map="rk4", layers=3, loss=None, augment=0, control=None, degree=0, **more):
    """A solution with a random control, by no solver."""
    rng = np.random.default_rng(0)
    law = emfc.laws.Empirical(rng.normal(scale=0.3, size=(6, 2)), [0.0, 1.0, 1.0, 2.0, 0.0, 2.0])
    loss = loss or losses.CrossEntropy([0, 1, 2], losses.TrainedReadout(0.1))
    problem = emfc.Problem(field, law, loss, 1.0, 1.5, **more)
    if augment:
        problem = problem.augmented(augment, loss=loss)
    mesh = emfc.CartesianMesh([(-4.0, 4.0)] * problem.field.dim, 10)
    options = {"layer_map": layer_map, "control_degree": degree, "transport": emfc.transport.SemiLagrangian(1)}
    system = emfc.OptimalitySystem(problem, mesh, layers, **options)
    control = 0.4 * rng.normal(size=system.controls.shape) if control is None else control
    return emfc.Solution.from_outcome(system, Outcome(control, emfc.solvers.Status.UNKNOWN, "a random control"), {})


def in_torch(module, x):
    import torch

    with torch.no_grad():
        return module(torch.tensor(x, dtype=next(module.parameters()).dtype)).numpy()


def in_onnx(path, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64}[session.get_inputs()[0].type]
    return session.run(None, {session.get_inputs()[0].name: x.astype(kind)})[0]


def test_every_kind_of_field_that_is_exported_is_here():
    assert {type(field) for field in FIELDS.values()} == set(FORMULAS)


@pytest.mark.parametrize("name", FIELDS)
def test_torch_is_the_flow(name):
    """Float64 to 1e-12, float32 to 1e-6 (relative to the size of the states), and the control comes back bit for bit."""
    solution = solution_at(FIELDS[name])
    exact = solution.flow(POINTS)
    size = 1 + np.abs(exact).max()
    module = solution.to_torch()
    assert np.abs(in_torch(module, POINTS) - exact).max() <= 1e-12 * size
    assert np.array_equal(control_from_torch(module), solution.control)
    single = solution.to_torch(dtype="float32")
    assert np.abs(in_torch(single, POINTS) - exact).max() <= 1e-6 * size
    assert np.array_equal(control_from_torch(single), solution.control.astype(np.float32))


@pytest.mark.parametrize("name", FIELDS)
def test_onnx_is_the_flow(name, tmp_path):
    """ONNX Runtime, in float64 to 1e-12 and in float32 to 1e-6; the control comes back bit for bit."""
    solution = solution_at(FIELDS[name])
    exact = solution.flow(POINTS)
    size = 1 + np.abs(exact).max()
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-6)):
        path = tmp_path / "deep" / f"{dtype}.onnx"
        solution.to_onnx(path, dtype=dtype)
        assert np.abs(in_onnx(path, POINTS) - exact).max() <= tolerance * size
        assert np.array_equal(control_from_onnx(path), solution.control.astype(dtype))


@pytest.mark.parametrize("layer_map", MAPS, ids=lambda m: f"{m.method}-{m.substeps}")
def test_layer_maps(layer_map, tmp_path):
    solution = solution_at(FIELDS["scaled in time"], layer_map)
    exact = solution.flow(POINTS)
    np.testing.assert_allclose(in_torch(solution.to_torch(), POINTS), exact, rtol=0, atol=1e-13)
    solution.to_onnx(tmp_path / "network.onnx", dtype="float64")
    np.testing.assert_allclose(in_onnx(tmp_path / "network.onnx", POINTS), exact, rtol=0, atol=1e-13)


#: unequal layers, up to the horizon of these problems
GRID = [0.0, 0.2, 0.6, 1.5]
#: Kutta's method of order 3, which is not built in
KUTTA = Tableau(((0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (-1.0, 2.0, 0.0)), (1 / 6, 2 / 3, 1 / 6), 3)
CURVES = {
    "degree 0 on unequal layers": {"layers": GRID},
    "degree 1": {"layers": 2, "degree": 1},
    "degree 2 on unequal layers": {"layers": GRID, "degree": 2},
    "degree 3 by the method of order 8": {"layers": 2, "degree": 3, "layer_map": "dop853"},
    "a method of one's own": {"layers": GRID, "degree": 2, "layer_map": emfc.LayerMap(KUTTA, 5)},
    "with bounds": {"layers": GRID, "degree": 2, "bounds": (-5.0, 5.0)},
    "with a running loss": {"layers": GRID, "degree": 2, "running": losses.FirstCoordinates(losses.SquaredLoss(), 1)},
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("field", ["neural tanh", "sum", "scaled in time", "radial basis"])
def test_controls_of_any_degree(name, field, tmp_path):
    """Both networks are the flow, whose stages have the parameters at their own times; the coefficients come back bit for bit."""
    solution = solution_at(FIELDS[field], **{"layer_map": "auto", **CURVES[name]})
    exact = solution.flow(POINTS)
    size = 1 + np.abs(exact).max()
    module = solution.to_torch()
    assert np.abs(in_torch(module, POINTS) - exact).max() <= 1e-12 * size
    assert np.array_equal(control_from_torch(module), solution.control)
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-6)):
        solution.to_onnx(tmp_path / "network.onnx", dtype=dtype)
        assert np.abs(in_onnx(tmp_path / "network.onnx", POINTS) - exact).max() <= tolerance * size
        assert np.array_equal(control_from_onnx(tmp_path / "network.onnx"), solution.control.astype(dtype))


def test_coefficients_are_what_is_trained():
    """Their gradient in PyTorch is the derivative of the same function of the flow, by central differences."""
    import torch

    arguments = {"layers": GRID, "degree": 2, "layer_map": "auto"}
    solution = solution_at(fields.NeuralField(2), **arguments)
    module = solution.to_torch()
    assert {name: tuple(w.shape) for name, w in module.layers[1].named_parameters()} == {"W": (3, 2, 2), "b": (3, 2)}
    module(torch.tensor(POINTS)).square().mean().backward()
    direction = np.random.default_rng(7).normal(size=solution.control.shape)
    slope = 0.0
    for n, layer in enumerate(module.layers):
        gradient = np.concatenate([layer.W.grad.reshape(3, 4).numpy(), layer.b.grad.numpy()], axis=1)
        slope += (gradient * direction[n]).sum()
    step = 1e-5
    above, below = (
        (solution_at(fields.NeuralField(2), control=solution.control + s * direction, **arguments).flow(POINTS) ** 2)
        for s in (step, -step)
    )
    assert slope == pytest.approx((above.mean() - below.mean()) / (2 * step), rel=1e-7)
    with torch.no_grad():
        for weight in module.parameters():
            weight -= 0.1 * weight.grad
    again = solution_at(fields.NeuralField(2), control=control_from_torch(module), **arguments)
    np.testing.assert_allclose(again.flow(POINTS), in_torch(module, POINTS), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "changed",
    [
        {"control": '{"grid": 1000000000000, "degree": 1, "basis": "legendre", "levels": 2}'},
        {"control": '{"grid": 3, "degree": 1000000, "basis": "legendre", "levels": 2}'},
        {"control": '{"grid": 3, "degree": 3, "basis": "legendre", "levels": 2}'},
        {"control": '{"grid": 2, "degree": 2, "basis": "legendre", "levels": 2}'},
        {"control": "[]"},
        {"control": "{"},
        {"horizon": "long"},
        {"horizon": "-1.5"},
    ],
)
def test_other_metadata_of_the_control_are_refused(changed, tmp_path):
    import onnx

    path = tmp_path / "network.onnx"
    solution_at(fields.NeuralField(2), "auto", GRID, degree=2).to_onnx(path)
    model = onnx.load(path)
    for entry in model.metadata_props:
        entry.value = changed.get(entry.key, entry.value)
    onnx.save(model, path)
    with pytest.raises(FileFormatError, match=r"is not a network that export\.to_onnx has written"):
        control_from_onnx(path)


def test_networks_of_earlier_versions_are_read(tmp_path):
    """Their metadata do not say the degree, which was 0."""
    import onnx

    path, solution = tmp_path / "network.onnx", solution_at(fields.NeuralField(2))
    solution.to_onnx(path, dtype="float64")
    model = onnx.load(path)
    for entry in [p for p in model.metadata_props if p.key in ("control", "horizon")]:
        model.metadata_props.remove(entry)
    onnx.save(model, path)
    assert np.array_equal(control_from_onnx(path), solution.control)


def test_augmented_with_its_read_out(tmp_path):
    """Inputs in the plane, states in space, three outputs: those that the loss compares with labels."""
    solution = solution_at(fields.NeuralField(2), augment=1, layers=2)
    final = solution.flow(POINTS)
    assert final.shape == (40, 3)
    exact = final @ solution.readout.matrix.T + solution.readout.bias
    for readout, expected in ((False, final), (True, exact)):
        module = solution.to_torch(readout=readout)
        np.testing.assert_allclose(in_torch(module, POINTS), expected, rtol=0, atol=1e-12)
        solution.to_onnx(tmp_path / "network.onnx", dtype="float64", readout=readout)
        np.testing.assert_allclose(in_onnx(tmp_path / "network.onnx", POINTS), expected, rtol=0, atol=1e-12)
    labels = solution.predict(POINTS)[:, 0]
    assert np.array_equal(in_torch(module, POINTS).argmax(axis=1), labels)


def test_weights_trained_elsewhere_are_a_start():
    """One step of gradient descent in PyTorch changes the module, and the control that comes back from it."""
    import torch

    solution = solution_at(fields.NeuralField(2))
    module = solution.to_torch()
    module(torch.tensor(POINTS)).square().mean().backward()
    with torch.no_grad():
        for weight in module.parameters():
            weight -= 0.1 * weight.grad
    control = control_from_torch(module)
    again = solution_at(fields.NeuralField(2), control=control)
    np.testing.assert_allclose(again.flow(POINTS), in_torch(module, POINTS), rtol=0, atol=1e-12)
    assert (again.flow(POINTS) ** 2).mean() < (solution.flow(POINTS) ** 2).mean()
    outcome = emfc.solvers.LBFGS(max_iterations=1).solve(solution.system, control)
    assert outcome.history[0].cost == pytest.approx(again.cost, rel=1e-14)


def test_what_is_refused(tmp_path):
    swirl = fields.LinearControlField([lambda x: x[:, ::-1] * np.array([-1.0, 1.0])], 2)
    with pytest.raises(
        ArgumentError, match="field: got a LinearControlField, expected a field that can be exported: N"
    ):
        solution_at(swirl).to_torch()
    with pytest.raises(ArgumentError, match="field: got a LinearControlField"):
        solution_at(swirl).to_onnx(tmp_path / "a.onnx")
    plain = solution_at(fields.NeuralField(2), loss=losses.LabelLoss(lambda x, y: x[:, 0] ** 2, [0, 1, 2]))
    with pytest.raises(
        ArgumentError, match="readout: got True, expected False, since the loss of this solution has no"
    ):
        plain.to_torch(readout=True)
    with pytest.raises(ArgumentError, match="dtype: got 'float16'"):
        plain.to_torch(dtype="float16")
    with pytest.raises(ArgumentError, match=r"module: got 'int', expected a module that export.to_torch has made"):
        control_from_torch(3)
    with pytest.raises(FileNotFoundError, match="no ONNX file at"):
        control_from_onnx(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x08not a network at all")
    with pytest.raises(FileFormatError, match=r"bad\.onnx is"):
        control_from_onnx(tmp_path / "bad.onnx")


@pytest.mark.parametrize(("package", "call"), [("torch", "to_torch()"), ("onnx", "to_onnx('a.onnx')")])
def test_a_missing_library_is_named_with_its_extra(package, call):
    code = f"""
import sys
from tests.test_export import solution_at, fields
solution = solution_at(fields.NeuralField(2))
sys.modules[{package!r}] = None
try:
    solution.{call}
except ImportError as error:
    assert "pip install 'eulerian-mfc[{package}]'" in str(error), error
else:
    raise AssertionError("no error")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
