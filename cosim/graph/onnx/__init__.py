"""Networks from ONNX files."""

from cosim.graph.onnx.file import input_axes
from cosim.graph.onnx.reader import read_onnx

__all__ = ["input_axes", "read_onnx"]
