"""A trained control as a residual network: export to PyTorch modules and ONNX files, and import of their weights.

PyTorch and ONNX (the extras `torch` and `onnx`) are loaded when they are needed.
"""

from .network import Network as Network
from .onnx import control_from_onnx as control_from_onnx
from .onnx import to_onnx as to_onnx
from .torch import control_from_torch as control_from_torch
from .torch import to_torch as to_torch

__all__ = ["Network", "control_from_onnx", "control_from_torch", "to_onnx", "to_torch"]
