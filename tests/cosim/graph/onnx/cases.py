"""ONNX's own node and model test data, through the reader; and the table of what came of it.

``python -m tests.cosim.graph.onnx.cases`` writes the table into docs/onnx.md.
"""

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from cosim.graph import NetworkError
from cosim.graph.onnx import read_onnx
from cosim.graph.onnx.file import array_of

PAGE = Path(__file__).parents[4] / "docs" / "onnx.md"
#: What stands around the table; a version of ONNX has cases of its own.
BEGIN = f"<!-- cases: made by `python -m tests.cosim.graph.onnx.cases` with onnx {onnx.__version__} -->"
END = "<!-- end of cases -->"

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")

#: A refusal names operator and node, or the input.
_REFUSED = re.compile(r"node \S+ \(\w+\) cannot be mapped: (?P<reason>.+)|inputs .+ (?P<input>are no arrays.*)")
#: Their expected values are written with four digits.
_ROUNDED = {"test_averagepool_2d_ceil_last_window_starts_on_pad"}
_HALF = {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}


@dataclass(frozen=True)
class Case:
    """One model with inputs and expected outputs."""

    name: str
    kind: str
    model: onnx.ModelProto
    sets: Sequence[tuple[Sequence[Any], Sequence[Any]]]


def cases() -> Iterator[Case]:
    """Those of single operators, of small models, and of PyTorch's layers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, where ONNX computes what it expects
        from onnx.backend.test import loader

        found = {kind: loader.load_model_tests(kind=kind) for kind in KINDS}
    for kind, tests in found.items():
        for test in tests:
            model, sets = test.model, test.data_sets
            if model is None:
                model, sets = _read(Path(test.model_dir))
            name = (
                kind if kind != "node" else "written out" if "_expanded" in test.name else model.graph.node[0].op_type
            )
            yield Case(test.name, name, model, sets)


def _read(folder: Path) -> tuple[onnx.ModelProto, list[tuple[list[onnx.TensorProto], ...]]]:
    """A model, and inputs and outputs beside it."""
    sets = [
        tuple(_stored(folder.glob(f"{data.name}/{part}_*.pb")) for part in ("input", "output"))
        for data in sorted(folder.glob("test_data_set_*"))
    ]
    return onnx.load(folder / "model.onnx"), sets


def _stored(paths: Iterator[Path]) -> list[onnx.TensorProto]:
    ordered = sorted(paths, key=lambda path: int(path.stem.split("_")[1]))
    return [onnx.TensorProto.FromString(path.read_bytes()) for path in ordered]


def refusal(case: Case, folder: Path) -> str | None:
    """Why a case was refused; None, if it was read, and every output is right.

    Where a kernel, or other weights, come as inputs of the network, all inputs but the first are made constants.

    Raises
    ------
    AssertionError
        If an output is wrong, or the refusal names neither node nor input.
    """
    try:
        try:
            for given, expected in case.sets:
                _check(case, case.model, given, expected, folder)
        except NetworkError as error:
            if "must be a constant of the file" not in str(error):
                raise
            for given, expected in case.sets:
                _check(case, _with_weights(case.model, given), given[:1], expected, folder)
    except NetworkError as error:
        if not (found := _REFUSED.search(str(error))):
            raise AssertionError(f"{case.name} is refused without a name: {error}") from error
        return found["reason"] or f"inputs {found['input']}"
    return None


def _array(value: Any) -> NDArray:
    if isinstance(value, onnx.TensorProto):
        return array_of(value, "a value")
    array = np.asarray(value)
    return array if array.dtype.kind in "biu" else array.astype(np.float32)


def _check(case: Case, model: onnx.ModelProto, given: Sequence[Any], expected: Sequence[Any], folder: Path) -> None:
    path = folder / "case.onnx"
    path.write_bytes(model.SerializeToString())
    graph = read_onnx(path)
    outputs = graph.run(dict(zip(graph.inputs, map(_array, given), strict=True))).outputs
    types = {one.type.tensor_type.elem_type for one in (*model.graph.input, *model.graph.output)}
    close = 1e-2 if types & _HALF or "FLOAT16" in case.name else 1e-4 if case.name in _ROUNDED else 1e-5
    for name, wanted in zip(graph.outputs, map(_array, expected), strict=True):
        assert outputs[name].shape == wanted.shape, f"{case.name}: {name} has shape {outputs[name].shape}"
        np.testing.assert_allclose(outputs[name], wanted, rtol=close, atol=close, err_msg=f"{case.name}: {name}")


def _with_weights(model: onnx.ModelProto, given: Sequence[Any]) -> onnx.ModelProto:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for declared, value in list(zip(model.graph.input, given, strict=True))[1:]:
        tensor = onnx.TensorProto()
        stored = isinstance(value, onnx.TensorProto)
        tensor.CopyFrom(value if stored else onnx.numpy_helper.from_array(np.asarray(value)))
        tensor.name = declared.name
        made.graph.initializer.append(tensor)
    del made.graph.input[1:]
    return made


def table(results: Sequence[tuple[str, str | None]]) -> str:
    """What came of cases of each kind, in Markdown."""
    right = Counter(kind for kind, why in results if why is None)
    refused: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, why in results:
        if why is not None:
            refused[kind][why] += 1
    whole = ", ".join(f"{kind} {right[kind]}" for kind in sorted(right) if kind not in refused)
    lines = [
        f"Of {len(results):,} cases {right.total():,} are right, {len(results) - right.total():,} are refused by name.",
        "",
        f"All cases right, with their number: {whole}.",
        "",
        "| cases of | right | refused | because |",
        "| --- | --- | --- | --- |",
    ]
    for kind in sorted(refused):
        why = "; ".join(f"{reason} ({number})" for reason, number in refused[kind].most_common(3))
        more = "; ..." if len(refused[kind]) > 3 else ""
        lines.append(f"| {kind} | {right[kind]} | {refused[kind].total()} | {why}{more} |")
    return "\n".join(lines)


def results() -> list[tuple[str, str | None]]:
    """Kind of each case, and why it was refused."""
    with TemporaryDirectory() as folder:
        return [(case.kind, refusal(case, Path(folder))) for case in cases()]


def written(page: str, made: str) -> str:
    """The page with another table."""
    return re.sub(
        r"<!-- cases: .*?<!-- end of cases -->", lambda _: f"{BEGIN}\n\n{made}\n\n{END}", page, flags=re.DOTALL
    )


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), table(results())), encoding="utf-8")
