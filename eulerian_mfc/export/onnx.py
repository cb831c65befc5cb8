"""Residual networks as ONNX files (extra `onnx`). The graph is written node by node; PyTorch is not needed."""

from __future__ import annotations

import json
import os
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from .._validate import choice
from ..errors import FileFormatError
from ..fields import Activation
from ..files.atomic import existing, reading, write_whole
from ..results.solution_data import SolutionData
from ..storage.time_specs import curves_of, curves_spec
from ..version import __version__
from .fields import Operations, need_form
from .network import Network, joined

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

#: versions for the graph: old enough for every ONNX Runtime of the last years
OPSET, IR_VERSION = 17, 8
FORMAT = "eulerian_mfc.network"


def to_onnx(
    solution: SolutionData, path: str | os.PathLike[str], *, dtype: str = "float32", readout: bool = False
) -> None:
    """Write a solution as a residual network: input `x` `(n, features)`, output `(n, d)` (or that of the read-out).

    Parameters
    ----------
    solution, readout : see `to_torch`.
    path : the file to write, usually `NAME.onnx`.
    dtype : "float32" or "float64".

    Initialisers have names such as `layers.N.W`, by which `control_from_onnx` finds them. For a control of degree k >= 1 in time
    they are coefficients, `W (k + 1, d, d)`; the metadata `control` name the layers, the degree and the basis.

    Raises
    ------
    ImportError
        If ONNX is not installed.
    ArgumentError
        If the field cannot be exported, or there is no read-out.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.2), [[1.0]])
    >>> field = emfc.fields.AffineField(1, matrix=False)
    >>> problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), penalty=2.0, horizon=1.0)
    >>> solution = emfc.solve(problem, emfc.CartesianMesh([(-2.0, 3.0)], 60), layers=3)
    >>> import tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> to_onnx(solution, pathlib.Path(folder.name, "network.onnx"), dtype="float64")
    >>> control_from_onnx(pathlib.Path(folder.name, "network.onnx")).round(6).ravel().tolist()
    [0.5, 0.5, 0.5]
    >>> folder.cleanup()
    """
    choice("dtype", dtype, ("float32", "float64"))
    network = Network.of(solution, readout)
    onnx = _onnx()
    graph = Graph(onnx, dtype)
    x = "x"
    extra = network.field.dim - network.input_dim
    if extra:
        x = graph.matmul(x, graph.constant(np.eye(network.input_dim, network.field.dim)))
    for n in range(len(network.control)):
        weights = {name: graph.weight(f"layers.{n}.{name}", value) for name, value in network.blocks(n).items()}
        x = network.layer(graph, n, weights, x)
    outputs = network.field.dim
    if network.readout is not None:
        matrix = network.readout.matrix
        seen = graph.constant(np.eye(outputs, matrix.shape[1]))
        x = graph.linear(
            x if matrix.shape[1] == outputs else graph.matmul(x, seen),
            graph.weight("readout.weight", matrix),
            graph.weight("readout.bias", network.readout.bias),
        )
        outputs = len(matrix)
    graph.node("Identity", x, output="y")
    info = onnx.helper.make_tensor_value_info
    kind = onnx.TensorProto.FLOAT if dtype == "float32" else onnx.TensorProto.DOUBLE
    body = onnx.helper.make_graph(
        graph.nodes,
        "residual_network",
        [info("x", kind, ["n", network.input_dim])],
        [info("y", kind, ["n", outputs])],
        graph.initializers,
    )
    model = onnx.helper.make_model(
        body,
        producer_name="eulerian_mfc",
        producer_version=__version__,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.helper.set_model_props(
        model,
        {
            "format": FORMAT,
            "field": json.dumps(network.field.spec()),
            "blocks": json.dumps(network.names),
            "layers": str(len(network.control)),
            "horizon": repr(float(network.curves.horizon)),
            "control": json.dumps(curves_spec(network.curves)),
        },
    )
    onnx.checker.check_model(model, full_check=True)
    write_whole(path, model.SerializeToString())


def control_from_onnx(path: str | os.PathLike[str]) -> np.ndarray:
    """The control in a file from `to_onnx`, possibly trained further: a start for `solve(initial=...)`.

    It has the shape of the solution's control, `(layers, m)`, or `(layers, degree + 1, m)` in the same basis: it is a start for
    solves with the same layers and degree.

    Parameters
    ----------
    path : the file.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileFormatError
        If the file is damaged, or was not written by `to_onnx`.
    ImportError
        If ONNX is not installed.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.2), [[1.0]])
    >>> field = emfc.fields.AffineField(1, matrix=False)
    >>> problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), penalty=2.0, horizon=1.0)
    >>> solution = emfc.solve(problem, emfc.CartesianMesh([(-2.0, 3.0)], 60), layers=3)
    >>> import tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = pathlib.Path(folder.name, "network.onnx")
    >>> solution.to_onnx(file, dtype="float64")
    >>> bool((control_from_onnx(file) == solution.control).all())
    True
    >>> folder.cleanup()
    """
    onnx = _onnx()
    file = existing("path", path, "ONNX file")
    try:
        with reading(file):
            model = onnx.load(os.fspath(file))
        told = {p.key: p.value for p in model.metadata_props}
        weights = {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}
        names = json.loads(told["blocks"])
        layers = []
        if int(told["layers"]) > len(weights):
            raise ValueError(f"its metadata say {told['layers']} layers, but it has {len(weights)} arrays")
        for n in range(int(told["layers"])):
            stem = f"layers.{n}."
            layers.append({k.removeprefix(stem): v for k, v in weights.items() if k.startswith(stem)})
        spec = json.loads(told["control"]) if "control" in told else None  # files of earlier versions have none
        curves = curves_of(spec, len(layers), float(told.get("horizon", 1.0)))
        return joined(names, layers, curves.degree)
    except (onnx.onnx_cpp2py_export.checker.ValidationError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path} is not a network that export.to_onnx has written: {error}") from error
    except Exception as error:
        if type(error).__name__ != "DecodeError":  # an error of protobuf; its module depends on the version
            raise
        raise FileFormatError(f"{path} is damaged or not an ONNX file: {error}") from error


def _onnx() -> ModuleType:
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "export to ONNX needs the package onnx, which is not installed: pip install 'eulerian-mfc[onnx]'"
        ) from error
    return onnx


class Graph(Operations[str]):
    """Collects the nodes and initialisers of a graph; values are names."""

    def __init__(self, onnx: ModuleType, dtype: str) -> None:
        self._onnx, self._dtype = onnx, dtype
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: object) -> str:
        """Add a node; return the name of its output."""
        name = output or f"v{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def weight(self, name: str, value: np.ndarray) -> str:
        """Add an initialiser; return its name."""
        stored = np.ascontiguousarray(value, dtype=self._dtype)
        self.initializers.append(self._onnx.numpy_helper.from_array(stored, name))
        return name

    def constant(self, value: np.ndarray) -> str:
        return self.weight(f"c{len(self.initializers)}", value)

    def indices(self, *values: int) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(self._onnx.numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def matmul(self, a: str, b: str) -> str:
        return self.node("MatMul", a, b)

    def transposed(self, a: str) -> str:
        return self.node("Transpose", a, perm=[1, 0])

    def add(self, a: str, b: str) -> str:
        return self.node("Add", a, b)

    def multiply(self, a: str, b: str) -> str:
        return self.node("Mul", a, b)

    def columns(self, parts: list[str]) -> str:
        return self.node("Concat", *parts, axis=1)

    def column(self, a: str, k: int) -> str:
        return self.node("Slice", a, self.indices(k), self.indices(k + 1), self.indices(1))

    def mixed(self, row: np.ndarray, a: str, ndim: int) -> str:
        share = self.constant(row.reshape(-1, *[1] * ndim))
        return self.node("ReduceSum", self.multiply(a, share), self.indices(0), keepdims=0)

    def exp(self, a: str) -> str:
        return self.node("Exp", a)

    def activation(self, activation: Activation, a: str) -> str:
        return need_form(activation, activation.onnx, "onnx")(self, a)
