"""Residual networks in PyTorch (extra `torch`)."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from .._validate import choice, fail
from ..results.solution_data import SolutionData
from .network import Network, joined

if TYPE_CHECKING:
    from torch.nn import Module


def to_torch(solution: SolutionData, *, dtype: str = "float64", readout: bool = False) -> Module:
    """A `torch.nn.Module` with the outputs of `solution.flow`, to 1e-12 in float64 and 1e-6 in float32.

    Parameters
    ----------
    solution : a solution whose field can be exported, see `fields.FORMULAS`.
    dtype : "float64" or "float32".
    readout : whether the read-out of the loss is the last layer; the loss compares its outputs with the labels.

    `module.layers[n]` has the layer's weights by name, such as `W` and `b`; all are trainable. For a control of degree k >= 1 in
    time they are coefficients, `W (k + 1, d, d)` and `b (k + 1, d)`, in the basis of the control, `module.network.curves.basis`;
    every stage of the layer map uses the parameters at its own time. For an augmented problem the module appends zeros to the
    inputs. Inputs are `(n, features)`, with the dtype and device of the weights. Modules can be copied, pickled, traced and
    exported, and stored by `torch.save`. `torch.load(path, weights_only=False)` reads them if this package is installed;
    `state_dict` works as for any module. `torch.jit.script` does not compile them, since their layers are formulas in Python.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    ArgumentError
        If the field cannot be exported, or there is no read-out. From calls of the module, for inputs of another shape, dtype
        or device.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.2), [[1.0]])
    >>> field = emfc.fields.AffineField(1, matrix=False)
    >>> problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), penalty=2.0, horizon=1.0)
    >>> solution = emfc.solve(problem, emfc.CartesianMesh([(-2.0, 3.0)], 60), layers=3)
    >>> import torch
    >>> module = to_torch(solution)
    >>> module(torch.zeros(1, 1, dtype=torch.float64)).detach().numpy().round(6).tolist()
    [[0.5]]
    """
    choice("dtype", dtype, ("float64", "float32"))
    network = Network.of(solution, readout)
    torch = _torch()
    from .modules import ResidualNetwork

    return ResidualNetwork(network, {"float64": torch.float64, "float32": torch.float32}[dtype])


def control_from_torch(module: Module) -> np.ndarray:
    """The control of a module from `to_torch`, possibly trained further: a start for `solve(initial=...)`.

    It has the shape of the solution's control, `(layers, m)`, or `(layers, degree + 1, m)` in the same basis: it is a start for
    solves with the same layers and degree.

    Parameters
    ----------
    module : a module that `to_torch` returned.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    ArgumentError
        If it is a module from elsewhere.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.2), [[1.0]])
    >>> field = emfc.fields.AffineField(1, matrix=False)
    >>> problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), penalty=2.0, horizon=1.0)
    >>> solution = emfc.solve(problem, emfc.CartesianMesh([(-2.0, 3.0)], 60), layers=3)
    >>> bool((control_from_torch(to_torch(solution)) == solution.control).all())
    True
    """
    _torch()
    from .modules import ResidualNetwork

    if not isinstance(module, ResidualNetwork):
        raise fail("module", type(module).__name__, "a module that export.to_torch has made")
    layers = [
        {name: value.detach().cpu().double().numpy() for name, value in layer.named_parameters()}
        for layer in module.layers
    ]
    return joined(module.network.names, layers, module.network.curves.degree)


def _torch() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "export to PyTorch needs the package torch, which is not installed: pip install 'eulerian-mfc[torch]'"
        ) from error
    return torch
