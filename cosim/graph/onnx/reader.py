"""ONNX files become graphs: products with constant matrices are `Linear`, everything else is the host's."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cosim.graph.errors import NetworkError
from cosim.graph.graph import Graph
from cosim.graph.onnx import arrays, matrices, normalization, numbers, pooling, recurrent
from cosim.graph.onnx.call import TRANSLATIONS, Call
from cosim.graph.onnx.draft import Draft
from cosim.graph.onnx.file import load, readable
from cosim.graph.onnx.refused import REASONS, reason

__all__ = ["read_onnx"]

#: Modules whose import fills `TRANSLATIONS`.
_ROOMS = (arrays, matrices, normalization, numbers, pooling, recurrent)
#: What a node raises whose attributes or constants do not fit together.
_REFUSED = (NetworkError, ValueError, TypeError, LookupError, OverflowError)


def read_onnx(path: Path | str) -> Graph:
    """The network of an ONNX file.

    Products with constant matrices (MatMul, Gemm, Conv, LSTM, ...) become `Linear` nodes, all else host operators.
    What follows from constants alone is computed here, so that weights may stand behind Transpose, DequantizeLinear,
    Cast and the like. Inputs and outputs keep the file's names and shapes, a batch axis included.

    Parameters
    ----------
    path : path
        Opsets 11 to the newest. Weights may lie in other files of its folder.

    Raises
    ------
    NetworkError
        If it is no ONNX file, or only part of one, or damaged; or a node cannot be mapped: the message names operator,
        node and reason. If the package onnx, of the extra `networks`, is missing.
    """
    path = Path(path)
    with readable(path):
        return _read(path)


def _read(path: Path) -> Graph:
    file = load(path, {*TRANSLATIONS, *REASONS})
    uses = Counter(name for node in file.nodes for name in node.input) + Counter(file.outputs)
    reserved = {name for node in file.nodes for name in (*node.input, *node.output)}
    draft = Draft(file.inputs, file.constants, reserved)
    for node, name in zip(file.nodes, _names(file.nodes), strict=True):
        translation = TRANSLATIONS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        try:
            if translation is None:
                raise NetworkError(reason(node.domain, node.op_type))
            found = translation(Call(node, name, draft, file, uses))
        except _REFUSED as error:
            raise NetworkError(f"{path}: node {name} ({node.op_type}) cannot be mapped: {error}") from None
        values = (found,) if isinstance(found, str) else found
        for output, value in zip(node.output, values, strict=False):
            if output:
                draft.call(output, value)
        for output in node.output[len(values) :]:
            if uses[output]:
                raise NetworkError(f"{path}: node {name} ({node.op_type}): its output {output!r} is not supported")
    try:
        return draft.graph(file.name, file.inputs, file.outputs)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None


def _names(nodes: Sequence[Any]) -> Iterator[str]:
    """A name for each node: the file's where no other node has it, else operator and number."""
    given = Counter(node.name.strip("/") for node in nodes)
    numbers: Counter[str] = Counter()
    for node in nodes:
        name = node.name.strip("/")
        if name and given[name] == 1:
            yield name
            continue
        while True:
            numbers[node.op_type] += 1
            if not given[f"{node.op_type}_{numbers[node.op_type]}"]:
                break
        yield f"{node.op_type}_{numbers[node.op_type]}"
