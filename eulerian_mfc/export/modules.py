"""The classes of exported networks in PyTorch. They are in a module of their own, so that they can be pickled by name.
Importing it loads PyTorch: `export.torch` does so when a network is exported.
"""

from __future__ import annotations

import numpy as np
import torch

from .._validate import fail, mismatch
from ..fields import Activation
from .fields import Operations, activations, need_form
from .network import Network


class ResidualNetwork(torch.nn.Module):
    """The layers in order, and the read-out.

    Parameters
    ----------
    network : the network, whose weights are copied; without a read-out the outputs are the final states.
    dtype : the type of the weights and the inputs.

    Raises
    ------
    ArgumentError
        From calls, for inputs of another shape, dtype or device than the weights take.

    References
    ----------
    See `Network`.
    """

    def __init__(self, network: Network, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        for activation in activations(network.field):
            need_form(activation, activation.torch, "torch")  # an error is raised now, not at the first call
        self.layers = torch.nn.ModuleList([Layer(network, n, dtype) for n in range(len(network.control))])
        self.readout = None
        if network.readout is not None:
            matrix = network.readout.matrix
            self.readout = torch.nn.Linear(matrix.shape[1], matrix.shape[0], dtype=dtype)
            with torch.no_grad():
                self.readout.weight.copy_(torch.tensor(matrix))
                self.readout.bias.copy_(torch.tensor(network.readout.bias))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map inputs `(n, features)`, or states `(n, d)`, to final states `(n, d)` or outputs of the read-out `(n, p)`."""
        dim = self.network.field.dim
        check(x, sorted({self.network.input_dim, dim}), next(self.parameters()))
        if x.shape[1] < dim:
            x = torch.nn.functional.pad(x, (0, dim - x.shape[1]))
        for layer in self.layers:
            x = layer(x)
        if self.readout is None:
            return x
        return self.readout(x[:, : self.readout.in_features])


class Layer(torch.nn.Module):
    """`Phi(x)` of one layer, with the weights by name: for a control of degree 1 or more, its coefficients in time.

    Parameters
    ----------
    network : the network to which the layer belongs.
    number : the number of the layer.
    dtype : the type of the weights.
    """

    def __init__(self, network: Network, number: int, dtype: torch.dtype) -> None:
        super().__init__()
        self._network, self.number = network, number
        _ = network.steps  # computed now, with NumPy, and not while a call is traced
        for name, value in network.blocks(number).items():
            self.register_parameter(name, torch.nn.Parameter(torch.tensor(value, dtype=dtype)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map states `(n, d)` at the start of the layer to those at its end."""
        weights = dict(self.named_parameters())
        check(x, [self._network.field.dim], next(iter(weights.values())))
        return self._network.layer(OPERATIONS, self.number, weights, x)


def check(x: object, widths: list[int], weight: torch.Tensor) -> None:
    """ArgumentError unless x is a tensor `(n, width)` with the weights' dtype and device; sums would broadcast it silently."""
    shapes = " or ".join(f"(n, {k})" for k in widths)
    if not isinstance(x, torch.Tensor):
        raise fail("x", x, f"a torch.Tensor of shape {shapes}")
    if x.ndim != 2 or x.shape[1] not in widths:
        raise mismatch("x", f"a tensor of shape {tuple(x.shape)}", f"inputs as rows, a tensor of shape {shapes}")
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        advice = f'x.to({weight.dtype}), or solution.to_torch(dtype="{str(x.dtype).removeprefix("torch.")}")'
        advice = advice if x.dtype in (torch.float32, torch.float64) else f"x.to({weight.dtype})"
        raise mismatch("x", f"a tensor of {x.dtype}", f"{weight.dtype}, the type of the weights: use {advice}")
    if x.device != weight.device:
        raise mismatch(
            "x",
            f"a tensor on {x.device}",
            f"the device {weight.device} of the weights: use x.to({str(weight.device)!r})",
        )


class TorchOperations(Operations[torch.Tensor]):
    """Operations on tensors; constants are arrays and take dtype and device of the tensor with which they are combined."""

    def constant(self, value: np.ndarray) -> torch.Tensor:
        return value

    def matmul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ _like(b, a)

    def transposed(self, a: torch.Tensor) -> torch.Tensor:
        return a.T

    def add(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + _like(b, a)

    def multiply(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a * _like(b, a)

    def columns(self, parts: list[torch.Tensor]) -> torch.Tensor:
        return torch.cat(parts, dim=1)

    def column(self, a: torch.Tensor, k: int) -> torch.Tensor:
        return a[:, k : k + 1]

    def mixed(self, row: np.ndarray, a: torch.Tensor, ndim: int) -> torch.Tensor:
        return (a * _like(row.reshape(-1, *[1] * ndim), a)).sum(dim=0)

    def exp(self, a: torch.Tensor) -> torch.Tensor:
        return torch.exp(a)

    def activation(self, activation: Activation, a: torch.Tensor) -> torch.Tensor:
        return need_form(activation, activation.torch, "torch")(torch, a)


def _like(b: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(b, dtype=a.dtype, device=a.device) if isinstance(b, np.ndarray) else b


OPERATIONS = TorchOperations()
