"""Networks from files: a graph of ours, or an ONNX model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cosim.graph import Graph, NetworkError

__all__ = ["Model"]


@dataclass(frozen=True)
class Model:
    """A graph, and what its file says of its inputs.

    Parameters
    ----------
    graph : Graph
    axes : mapping of str to int
        How many axes an input has, where that is known: arrays with just as many have their samples along the first
        axis, which stays, as the batch axis of an ONNX model does.
    """

    graph: Graph
    axes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Model":
        """The network of a file.

        Raises
        ------
        NetworkError
            If it is none that we read, or damaged, or cannot be mapped.
        FileNotFoundError
        """
        if not path.exists():
            raise FileNotFoundError(2, "No such file or directory", str(path))
        if path.suffix == ".onnx":
            from cosim.graph.onnx import input_axes, read_onnx

            return cls(read_onnx(path), input_axes(path))
        if path.suffix == ".npz":
            return cls(Graph.load(path))
        raise NetworkError(f"{path}: no network that we read; expected an .onnx model, or a graph in an .npz file")
