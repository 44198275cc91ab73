"""Networks from files: graphs of ours, ONNX models, folders of Hugging Face's."""

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
        """The network of a file or folder.

        Raises
        ------
        NetworkError
            If it is none that we read, or damaged, or cannot be mapped.
        FileNotFoundError
        """
        if not path.exists():
            raise FileNotFoundError(2, "No such file or directory", str(path))
        if path.is_dir():
            from cosim.graph.hugging_face import read_text_model

            return cls(read_text_model(path))
        if path.suffix == ".onnx":
            from cosim.graph.onnx import read_onnx

            return cls(read_onnx(path), _axes(path))
        if path.suffix == ".npz":
            return cls(Graph.load(path))
        raise NetworkError(
            f"{path}: no network that we read; expected an .onnx model, a folder of Hugging Face's, or a graph in an "
            ".npz file"
        )


def _axes(path: Path) -> dict[str, int]:
    """Of the inputs of an ONNX file that was read before."""
    import onnx

    inputs = onnx.load(path, load_external_data=False).graph.input
    shapes = {one.name: one.type.tensor_type for one in inputs}
    return {name: len(kind.shape.dim) for name, kind in shapes.items() if kind.HasField("shape")}
