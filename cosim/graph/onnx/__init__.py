"""Networks from ONNX files."""

from cosim.graph.onnx.reader import read_onnx

__all__ = ["read_onnx"]
