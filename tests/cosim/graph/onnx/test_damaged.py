"""Files that are no networks, or only part of one, and such as would have us read elsewhere: a clear error for each."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosim.graph import NetworkError
from cosim.graph.onnx import input_axes, read_onnx
from tests.cosim.graph.onnx.models import model, node, saved

WEIGHTS = np.arange(120, dtype=np.float32).reshape(12, 10)


def small() -> onnx.ModelProto:
    nodes = [node("MatMul", "x w", "p", "fc"), node("Add", "p b", "s"), node("Relu", "s", "y")]
    return model(nodes, {"x": [None, 12]}, ["y"], {"w": WEIGHTS, "b": np.ones(10, np.float32)})


def refused(path: Path, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        read_onnx(path)


@pytest.mark.parametrize("content", [b"", b"\x00", b"no network\n", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000)])
def test_what_is_no_onnx_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    refused(path, r"m\.onnx (is no ONNX file|holds no ONNX network)")
    with pytest.raises(NetworkError, match=r"m\.onnx"):
        input_axes(path)


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    refused(tmp_path / "gone.onnx", r"gone\.onnx cannot be read: No such file")
    refused(tmp_path, "cannot be read: Is a directory")


def test_every_truncation_is_an_error_of_ours_or_still_a_network(tmp_path: Path) -> None:
    raw = small().SerializeToString()
    path = tmp_path / "m.onnx"
    for length in range(0, len(raw), 7):
        path.write_bytes(raw[:length])
        with pytest.raises(NetworkError, match=r"m\.onnx"):
            read_onnx(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_are_an_error_of_ours_or_still_a_network(tmp_path: Path, places: list[tuple[int, int]]) -> None:
    raw = bytearray(small().SerializeToString())
    for at, value in places:
        raw[at % len(raw)] = value
    path = tmp_path / "m.onnx"
    path.write_bytes(raw)
    with suppress(NetworkError):
        assert read_onnx(path).outputs


def external(folder: Path, **fields: object) -> Path:
    """A model whose weights lie in `w.bin`, but for what is said otherwise."""
    made = small()
    (tensor,) = (one for one in made.graph.initializer if one.name == "w")
    (folder / "w.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = tensor.EXTERNAL
    for key, value in ({"location": "w.bin", "offset": 0, "length": WEIGHTS.nbytes} | fields).items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return saved(made, folder)


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    assert (read_onnx(external(tmp_path)).linears["fc"].weights == WEIGHTS).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"location": "../w.bin"}, r"'w' lie in '\.\./w\.bin', outside the folder"),
        ({"location": "a/../../w.bin"}, "outside the folder"),
        ({"location": "/etc/passwd"}, "outside the folder"),
        ({"location": ""}, "outside the folder"),
        ({"location": "."}, r"cannot be read from \."),
        ({"location": "gone.bin"}, r"cannot be read from gone\.bin: No such file"),
        ({"location": "w\0.bin"}, "outside the folder"),
        ({"offset": -1}, "cannot be read"),
        ({"offset": 1}, r"cannot be read from w\.bin: bytes 1 to 481 of 480"),
        ({"offset": "x"}, "cannot be read"),
        ({"length": 2**60}, r"bytes 0 to 1152921504606846976 of 480"),
        ({"length": 100}, "initialiser 'w' of shape \\[12, 10\\] is damaged"),
    ],
)
def test_weights_elsewhere_or_missing(tmp_path: Path, fields: dict[str, object], message: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    refused(external(folder, **fields), message)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    os.symlink(tmp_path / "secret.bin", folder / "link.bin")
    refused(external(folder, location="link.bin"), "outside the folder")


@pytest.mark.parametrize("dims", [[2**40, 2**20], [2**31 - 1, 2**31 - 1], [-1, 10], [12, 11], [0, 10], [2**62, 4]])
def test_weights_that_are_not_as_long_as_they_say(tmp_path: Path, dims: list[int]) -> None:
    made = small()
    (tensor,) = (one for one in made.graph.initializer if one.name == "w")
    tensor.dims[:] = dims
    refused(saved(made, tmp_path), "initialiser 'w' of shape .* is damaged")


@pytest.mark.parametrize("operator", ["ConstantOfShape", "Expand", "Tile", "Range", "Pad", "OneHot", "Resize"])
def test_shapes_that_fill_the_memory(tmp_path: Path, operator: str) -> None:
    huge = np.array([2**20, 2**20])
    one = np.ones((1, 1), np.float32)
    given = {
        "ConstantOfShape": ("s", {"s": huge}),
        "Expand": ("a s", {"a": one, "s": huge}),
        "Tile": ("a s", {"a": one, "s": huge}),
        "Range": ("a b c", {"a": np.array(0), "b": np.array(2**60), "c": np.array(1)}),
        "Pad": ("a s", {"a": one, "s": np.array([0, 0, 2**20, 2**20])}),
        "OneHot": ("i d v", {"i": np.array([0]), "d": np.array(2**40), "v": np.array([0.0, 1.0], np.float32)}),
        "Resize": ("a _ _ s", {"a": one, "s": huge}),
    }
    inputs, weights = given[operator]
    types = {"y": onnx.TensorProto.INT64 if operator == "Range" else onnx.TensorProto.FLOAT}
    made = model([node(operator, inputs, "y", "large")], {}, ["y"], weights, types=types)
    refused(saved(made, tmp_path), rf"node large \({operator}\) cannot be mapped: .*an array of shape .* cannot be")


def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    made = small()
    made.graph.initializer.append(onnx.helper.make_tensor("text", onnx.TensorProto.STRING, [1], [b"a"]))
    refused(saved(made, tmp_path), "initialiser 'text' holds string elements")
    made = small()
    (tensor,) = (one for one in made.graph.initializer if one.name == "w")
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.where(WEIGHTS == 7, np.nan, WEIGHTS), "w"))
    refused(saved(made, tmp_path), r"node fc \(MatMul\) cannot be mapped: weights at \(0, 7\) is nan")


def test_a_newer_opset_than_the_package_knows(tmp_path: Path) -> None:
    made = small()
    made.opset_import[0].version = 10_000
    refused(saved(made, tmp_path), "uses opset 10000, this onnx package knows")


def test_sparse_weights_and_inputs_that_are_no_arrays(tmp_path: Path) -> None:
    made = small()
    values = onnx.helper.make_tensor("sparse", onnx.TensorProto.FLOAT, [1], [1.0])
    indices = onnx.helper.make_tensor("i", onnx.TensorProto.INT64, [1], [0])
    made.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(values, indices, [3]))
    refused(saved(made, tmp_path), r"sparse initialisers \(sparse\) are not read")
    made = small()
    made.graph.input.append(onnx.helper.make_tensor_sequence_value_info("list", onnx.TensorProto.FLOAT, None))
    refused(saved(made, tmp_path), "inputs list are no arrays")
