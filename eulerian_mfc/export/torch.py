"""Residual networks in PyTorch: the extra `torch`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._validate import choice, fail
from ..solution import Solution
from .fields import Operations
from .network import Network, joined


def to_torch(solution: Solution, *, dtype: str = "float64", readout: bool = False) -> Any:
    """A `torch.nn.Module` with the outputs of `solution.flow`, to 1e-12 in float64 and 1e-6 in float32.

    Parameters
    ----------
    solution : with a field that is exported, see `fields.FORMULAS`.
    dtype : "float64" or "float32".
    readout : whether the read-out of the loss is the last layer: outputs are then those that the loss compares with labels.

    `module.layers[n]` has the layer's weights by name, such as `W` and `b`; all are trainable. States of an augmented problem
    are made from the inputs, with zeros.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    ArgumentError
        If the field is not exported, or there is no read-out.
    """
    choice("dtype", dtype, ("float64", "float32"))
    network = Network.of(solution, readout)
    torch = _torch()
    kind = getattr(torch, dtype)
    ops = _operations(torch)

    class Layer(torch.nn.Module):  # type: ignore[name-defined]
        """`Phi(x)` of one layer."""

        def __init__(self, n: int) -> None:
            super().__init__()
            self.number = n
            for name, value in network.blocks(n).items():
                self.register_parameter(name, torch.nn.Parameter(torch.tensor(value, dtype=kind)))

        def forward(self, x: Any) -> Any:
            return network.layer(ops, self.number, dict(self.named_parameters()), x)

    class ResidualNetwork(torch.nn.Module):  # type: ignore[name-defined]
        """The layers one after the other, and the read-out."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.layers = torch.nn.ModuleList([Layer(n) for n in range(len(network.control))])
            self.readout = None
            if network.readout is not None:
                matrix = network.readout.matrix
                self.readout = torch.nn.Linear(matrix.shape[1], matrix.shape[0], dtype=kind)
                with torch.no_grad():
                    self.readout.weight.copy_(torch.tensor(matrix))
                    self.readout.bias.copy_(torch.tensor(network.readout.bias))

        def forward(self, x: Any) -> Any:
            extra = network.field.dim - x.shape[1]
            if extra:
                x = torch.nn.functional.pad(x, (0, extra))
            for layer in self.layers:
                x = layer(x)
            if self.readout is None:
                return x
            return self.readout(x[:, : self.readout.in_features])

    return ResidualNetwork()


def control_from_torch(module: Any) -> np.ndarray:
    """The control `(layers, m)` of a module that `to_torch` made, trained on or not: a start for `solve(initial=...)`.

    Parameters
    ----------
    module : what `to_torch` returned.

    Raises
    ------
    ArgumentError
        If it is another module.
    """
    if not isinstance(getattr(module, "network", None), Network):
        raise fail("module", type(module).__name__, "a module that export.to_torch made")
    layers = [
        {name: value.detach().cpu().double().numpy() for name, value in layer.named_parameters()}
        for layer in module.layers
    ]
    return joined(module.network.names, layers)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "export to PyTorch needs it, and it is not installed: pip install 'eulerian-mfc[torch]'"
        ) from error
    return torch


def _operations(torch: Any) -> Operations:
    activations = {
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "relu": torch.relu,
        # PyTorch's own goes over to the identity beyond 20, which 1e-12 sees.
        "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),
        "swish": torch.nn.functional.silu,
        "sin": torch.sin,
    }

    class TorchOperations(Operations):
        def constant(self, value: np.ndarray) -> Any:
            return _Constant(value, torch)

        def matmul(self, a: Any, b: Any) -> Any:
            return a @ _like(b, a)

        def transposed(self, a: Any) -> Any:
            return a.T

        def add(self, a: Any, b: Any) -> Any:
            return a + _like(b, a)

        def multiply(self, a: Any, b: Any) -> Any:
            return a * _like(b, a)

        def columns(self, parts: list[Any]) -> Any:
            return torch.cat(parts, dim=1)

        def column(self, a: Any, k: int) -> Any:
            return a[:, k : k + 1]

        def exp(self, a: Any) -> Any:
            return torch.exp(a)

        def activation(self, name: str, a: Any) -> Any:
            return activations[name](a)

    return TorchOperations()


class _Constant:
    """An array that takes the kind and the device of what it meets."""

    def __init__(self, value: np.ndarray, torch: Any) -> None:
        self.value, self.torch = value, torch


def _like(b: Any, a: Any) -> Any:
    return b.torch.as_tensor(b.value, dtype=a.dtype, device=a.device) if isinstance(b, _Constant) else b
