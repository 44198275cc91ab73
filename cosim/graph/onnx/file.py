"""An ONNX file as it lies: found whole, checked, weights taken out of it, functions written out."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError

__all__ = ["OnnxFile", "array_of", "input_axes", "load", "readable"]

Proto: TypeAlias = Any

#: Elements of an initialiser that stays where it is, because it may be a shape that the inference of shapes needs.
_SMALL = 64
_NO_NUMBERS = ("UNDEFINED", "STRING", "COMPLEX64", "COMPLEX128")
#: In the name of an axis along which a sample goes on.
_TIME = re.compile("time|seq|frame|step|len")
#: Domain of functions that stand for ONNX's own operators while these are written out.
_WRITTEN_OUT = "duramesh"


@dataclass(frozen=True)
class OnnxFile:
    """What a file holds.

    Parameters
    ----------
    name : str
        Of the graph, or of the file.
    nodes : tuple of NodeProto
        Functions of the model are written out, and those operators that ONNX defines by others where asked for.
    opset : int
        Version of ONNX's own operators.
    inputs, outputs : tuple of str
    constants : mapping of str to array
        Initialisers.
    ranks : mapping of str to int
        Number of axes of values, where it is known.
    types : mapping of str to str
        ONNX's names of their types, "FLOAT", where they are known.
    """

    name: str
    nodes: tuple[Proto, ...]
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, NDArray]
    ranks: Mapping[str, int]
    types: Mapping[str, str]


def load(path: Path, kept: Collection[str]) -> OnnxFile:
    """Read a file and those with its weights, which must lie in its folder.

    Parameters
    ----------
    path : Path
    kept : collection of str
        Operators that are not to be written out, though ONNX defines them by others.

    Raises
    ------
    NetworkError
        If it is no ONNX file, truncated, or not valid; if weights lie outside its folder, or are missing.
    """
    onnx = _package()
    model = _parsed(path)
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
    newest = onnx.defs.onnx_opset_version()
    if opset > newest:
        raise NetworkError(f"{path} uses opset {opset}, this onnx package knows {newest} at most; update it")
    if model.graph.sparse_initializer:
        names = ", ".join(one.values.name for one in model.graph.sparse_initializer)
        raise NetworkError(f"{path}: sparse initialisers ({names}) are not read; export them as dense ones")
    try:
        _fetch(model, path)
        constants = dict(_taken_out(model.graph))
        inputs = tuple(one.name for one in model.graph.input if one.name not in constants)
        if odd := [one.name for one in model.graph.input if not _is_array(one)]:
            raise NetworkError(f"inputs {', '.join(odd)} are no arrays of real numbers; only these are read")
        model = _written_out(model, kept)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None
    ranks, types = {}, {}
    for one in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        kind = one.type.tensor_type
        types[one.name] = onnx.TensorProto.DataType.Name(kind.elem_type)
        if kind.HasField("shape"):
            ranks[one.name] = len(kind.shape.dim)
    ranks |= {name: array.ndim for name, array in constants.items()}
    outputs = tuple(one.name for one in model.graph.output)
    name = model.graph.name or path.stem
    return OnnxFile(name, tuple(model.graph.node), opset, inputs, outputs, constants, ranks, types)


def input_axes(path: Path) -> dict[str, int]:
    """How many axes each input has, if the first one of all is one of samples: free, or 1 long, and the same in all.

    An axis that is called after time ("time", "sequence", "frames", "steps", "length") is none.

    Returns
    -------
    dict of str to int
        Empty, where an input has no such axis.

    Raises
    ------
    NetworkError
        If it is no ONNX file.
    """
    with readable(path):
        graph = _parsed(path).graph
        weights = {one.name for one in graph.initializer}
        shapes = {one.name: _shape(one) for one in graph.input if one.name not in weights}
    first = {shape[0] if shape else 0 for shape in shapes.values()}
    if len(first) != 1 or (isinstance(only := first.pop(), int) and only != 1):
        return {}
    if only is not None and _TIME.search(str(only).lower()):
        return {}
    return {name: len(shape) for name, shape in shapes.items() if shape}


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say of a file that it is damaged, where what it holds cannot be looked at: a name that is no text, say.

    Raises
    ------
    NetworkError
    """
    try:
        yield
    except NetworkError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, MemoryError) as error:
        raise NetworkError(f"{path} is damaged, export it again: {str(error) or type(error).__name__}") from error


def _parsed(path: Path) -> Proto:
    """What the file itself holds."""
    onnx = _package()
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NetworkError(f"{path} cannot be read: {error.strerror or error}") from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(raw)
    except Exception:  # protobuf's error; the package that defines it is not ours to import
        raise NetworkError(f"{path} is no ONNX file, or only part of one; export it again") from None
    if not model.HasField("graph") or not model.opset_import:
        raise NetworkError(f"{path} holds no ONNX network: it has no graph; export it again")
    return model


def array_of(tensor: Proto, what: str) -> NDArray:
    """A tensor as the host has it: real numbers of all widths as float32, integers below 8 bits as 8.

    Raises
    ------
    NetworkError
        If it is damaged, or holds text or complex numbers.
    """
    onnx = _package()
    kinds = onnx.TensorProto
    try:
        kind = kinds.DataType.Name(tensor.data_type)
        if kind in _NO_NUMBERS:
            raise NetworkError(f"{what} holds {kind.lower()} elements; only real numbers and truth values are read")
        if min(tensor.dims, default=0) < 0:
            raise NetworkError(f"{what} of shape {list(tensor.dims)} is damaged: a length is below 0")
        array = np.asarray(onnx.numpy_helper.to_array(tensor))
        if kind.startswith(("FLOAT", "DOUBLE", "BFLOAT")):
            return array.astype(np.float32)
        if kind in ("INT2", "INT4", "UINT2", "UINT4"):
            return array.astype(np.int8 if kind.startswith("I") else np.uint8)
        return array
    except NetworkError:
        raise
    except Exception as error:
        raise NetworkError(f"{what} of shape {list(tensor.dims)} is damaged: {error}") from None


def _package() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.inliner
        import onnx.numpy_helper
        import onnx.shape_inference
    except ImportError:
        raise NetworkError(
            "reading ONNX files needs the package onnx, which the extra `networks` brings: "
            "pip install 'duramesh[networks]'"
        ) from None
    return onnx


def _tensors(graph: Proto) -> Iterator[Proto]:
    """Every tensor of a graph, or a function, those in attributes included."""
    yield from getattr(graph, "initializer", ())
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _tensors(inner)


def _fetch(model: Proto, path: Path) -> None:
    """Bring in the weights that lie in files of their own."""
    folder = path.resolve().parent
    for tensor in (tensor for part in (model.graph, *model.functions) for tensor in _tensors(part)):
        if tensor.data_location != tensor.EXTERNAL:
            continue
        fields = {entry.key: entry.value for entry in tensor.external_data}
        location = fields.get("location", "")
        outside = not location or "\0" in location or Path(location).is_absolute()
        file = folder if outside else (folder / location).resolve()
        if outside or not file.is_relative_to(folder):
            raise NetworkError(
                f"the weights of {tensor.name!r} lie in {location!r}, outside the folder of the file; put them into it"
            )
        try:
            offset, length = int(fields.get("offset", 0)), int(fields.get("length", -1))
            size = file.stat().st_size
            if offset < 0 or length < -1 or offset + max(length, 0) > size:
                raise ValueError(f"bytes {offset} to {offset + length} of {size}")
            with file.open("rb") as opened:
                opened.seek(offset)
                tensor.raw_data = opened.read(length)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise NetworkError(f"the weights of {tensor.name!r} cannot be read from {location}: {why}") from None
        del tensor.external_data[:]
        tensor.data_location = tensor.DEFAULT


def _taken_out(graph: Proto) -> Iterator[tuple[str, NDArray]]:
    """Arrays of the initialisers; large ones leave the graph, which keeps the types and shapes of all as inputs."""
    onnx = _package()
    small, named = [], {one.name for one in graph.input}
    for tensor in graph.initializer:
        array = array_of(tensor, f"initialiser {tensor.name!r}")
        yield tensor.name, array
        if array.size <= _SMALL:
            small.append(tensor)
        if tensor.name not in named:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    del graph.initializer[:]
    graph.initializer.extend(small)


def _written_out(model: Proto, kept: Collection[str]) -> Proto:
    """The model, checked, with shapes and without functions."""
    onnx = _package()
    try:
        onnx.checker.check_model(_declared(model))
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        # Level by level: what an operator is defined by may depend on types that are known only then.
        while _define(model, kept):
            model = onnx.inliner.inline_local_functions(model)
            model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # the package's own errors, one of each module, have no common base
        raise NetworkError(f"the network is not valid: {str(error).strip().splitlines()[0]}") from None
    return model


def _declared(model: Proto) -> Proto:
    """The model with types and shapes of all inputs and outputs, which the checker wants and nobody else needs."""
    made = _package().ModelProto()
    made.CopyFrom(model)
    for one in (*made.graph.input, *made.graph.output):
        kind = one.type.tensor_type
        if not one.type.WhichOneof("value"):
            kind.elem_type = _package().TensorProto.FLOAT
        if one.type.HasField("tensor_type") and not kind.HasField("shape"):
            kind.shape.SetInParent()
    return made


def _define(model: Proto, kept: Collection[str]) -> bool:
    """Turn nodes that ONNX defines by other operators into calls of functions; whether there were any."""
    onnx = _package()
    versions = {one.domain: one.version for one in model.opset_import}
    known = (*model.graph.value_info, *model.graph.input, *model.graph.output)
    types = {one.name: one.type.SerializeToString() for one in known} | {"": b""}
    del model.functions[:]
    for at, node in enumerate(model.graph.node):
        if node.op_type in kept or node.domain not in ("", "ai.onnx") or not types.keys() >= set(node.input):
            continue
        schema = onnx.defs.get_schema(node.op_type, versions[node.domain])
        if schema.has_function:
            function = schema.function_body
        elif schema.has_context_dependent_function:
            function = onnx.FunctionProto()
            given = [types[name] for name in node.input]
            function.ParseFromString(schema.get_context_dependent_function(node.SerializeToString(), given))
        else:
            continue
        missing = schema.attributes.keys() - {one.name for one in node.attribute}
        defaults = (schema.attributes[name].default_value for name in sorted(missing))
        node.attribute.extend(one for one in defaults if one.name)
        for number, inner in enumerate(function.node):
            inner.name = f"{node.name or node.op_type}/{inner.op_type}_{number}"
        for one in function.opset_import:
            one.version = versions.get(one.domain, one.version)
        function.domain, function.name = _WRITTEN_OUT, f"{node.op_type}_{at}"
        node.domain, node.op_type = function.domain, function.name
        model.functions.append(function)
    if model.functions and _WRITTEN_OUT not in versions:
        model.opset_import.append(onnx.helper.make_opsetid(_WRITTEN_OUT, 1))
    return bool(model.functions)


def _is_array(value: Proto) -> bool:
    kind = _package().TensorProto.DataType.Name(value.type.tensor_type.elem_type)
    return value.type.HasField("tensor_type") and kind not in _NO_NUMBERS


def _shape(value: Proto) -> tuple[int | str | None, ...] | None:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(one.dim_value if one.HasField("dim_value") else one.dim_param or None for one in kind.shape.dim)
