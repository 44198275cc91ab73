"""What exporters write: names, functions, shapes that are computed, weights in other files, quantised activations."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from cosim.graph import Graph, Linear, NetworkError
from cosim.graph.onnx import input_axes, read_onnx
from tests.cosim.graph.onnx.models import IR_VERSION, model, node, reference, same, saved

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> NDArray[np.float32]:
    return RNG.standard_normal(shape).astype(np.float32)


def names(graph: Graph) -> list[str]:
    return [one.name for one in graph.nodes]


def test_nodes_are_called_as_in_the_file_or_by_operator_and_number(tmp_path: Path) -> None:
    nodes = [
        node("Relu", "x", "a", "/block.0/act/Relu"),
        node("Tanh", "a", "b", "twice"),
        node("Tanh", "b", "c", "twice"),
        node("Relu", "c", "y"),
    ]
    graph = read_onnx(saved(model(nodes, {"x": [3]}, ["y"]), tmp_path))
    assert names(graph) == ["block.0/act/Relu", "Tanh_1", "Tanh_2", "Relu_1"]


@pytest.mark.parametrize(
    ("weights", "called", "expected"),
    [
        ("encoder.fc1.weight", "n0", "encoder/fc1"),  # as PyTorch calls parameters
        ("onnx::MatMul_25", "/encoder/fc1/MatMul", "encoder/fc1"),  # as its older exporter calls nodes
        ("onnx::MatMul_25", "/layers.0/MatMul_1", "layers/0"),
        ("val_7", "projection", "projection"),
        ("val_7", "", "MatMul_1"),
        ("dense/kernel", "n0", "dense"),
    ],
)
def test_matrices_are_called_after_their_layer(tmp_path: Path, weights: str, called: str, expected: str) -> None:
    made = model([node("MatMul", f"x {weights}", "y", called)], {"x": [2, 3]}, ["y"], {weights: drawn(3, 4)})
    assert list(same(made, {"x": drawn(2, 3)}, tmp_path).linears) == [expected]


def test_a_bias_tells_the_layer_where_the_weights_do_not(tmp_path: Path) -> None:
    """PyTorch's newer exporter folds the transposed weights, and their name is lost."""
    nodes = [node("MatMul", "x val_3", "p", "node_MatMul_4"), node("Add", "p attention.in_proj_bias", "y", "node_Add")]
    made = model(nodes, {"x": [2, 3]}, ["y"], {"val_3": drawn(3, 4), "attention.in_proj_bias": drawn(4)})
    assert list(same(made, {"x": drawn(2, 3)}, tmp_path).linears) == ["attention/in_proj"]
    for scope, expected in (("attention", "attention/in_proj"), ("encoder.fc1", "encoder/fc1")):
        for one in made.graph.node:
            del one.metadata_props[:]
            key, value = "pkg.torch.onnx.name_scopes", f"['', '{scope}', 'linear_2']"
            one.metadata_props.append(onnx.StringStringEntryProto(key=key, value=value))
        assert list(same(made, {"x": drawn(2, 3)}, tmp_path).linears) == [expected]


def transformer_layer(width: int, heads: int, inner: int) -> onnx.ModelProto:
    """As exporters write it: shapes computed from the input, matrices and biases apart, erf written out."""
    weights = {f"{name}.weight": drawn(width, width) / width**0.5 for name in ("q", "k", "v", "out")}
    weights |= {"fc1.weight": drawn(width, inner) / width**0.5, "fc2.weight": drawn(inner, width) / inner**0.5}
    weights |= {name.replace("weight", "bias"): drawn(array.shape[1]) for name, array in list(weights.items())}
    weights |= {"scale": drawn(width), "shift": drawn(width), "root": np.float32((width // heads) ** 0.5)}
    weights |= {"two": np.float32(2), "sqrt2": np.float32(2**0.5), "one": np.float32(1)}
    weights |= {"zero": np.array(0), "first": np.array(1), "heads": np.array([heads]), "all": np.array([-1])}
    nodes = [
        node("Shape", "x", "shape"),
        node("Gather", "shape zero", "batch"),
        node("Gather", "shape first", "time"),
        node("Unsqueeze", "batch axes", "batch1"),
        node("Unsqueeze", "time axes", "time1"),
        node("Concat", "batch1 time1 heads all", "parted", axis=0),
        node("Concat", "batch1 time1 all", "joined", axis=0),
    ]
    weights["axes"] = np.array([0])
    for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [
            node("MatMul", f"x {name}.weight", f"{name}p"),
            node("Add", f"{name}.bias {name}p", f"{name}b"),
            node("Reshape", f"{name}b parted", f"{name}r"),
            node("Transpose", f"{name}r", f"{name}t", perm=order),
        ]
    nodes += [
        node("Div", "qt root", "qs"),
        node("MatMul", "qs kt", "scores"),
        node("Softmax", "scores", "weights", axis=-1),
        node("MatMul", "weights vt", "mixed"),
        node("Transpose", "mixed", "back", perm=[0, 2, 1, 3]),
        node("Reshape", "back joined", "flat"),
        node("MatMul", "flat out.weight", "op"),
        node("Add", "op out.bias", "attended"),
        node("Add", "x attended", "residual"),
        node("LayerNormalization", "residual scale shift", "normal", axis=-1),
        node("MatMul", "normal fc1.weight", "hp"),
        node("Add", "hp fc1.bias", "h"),
        node("Div", "h sqrt2", "h2"),
        node("Erf", "h2", "he"),
        node("Add", "he one", "h1"),
        node("Mul", "h h1", "hm"),
        node("Div", "hm two", "g"),
        node("MatMul", "g fc2.weight", "fp"),
        node("Add", "fp fc2.bias", "f"),
        node("Add", "normal f", "y"),
    ]
    return model(nodes, {"x": ["batch", "time", width]}, ["y"], weights)


def test_a_transformer_layer_with_free_batch_and_time(tmp_path: Path) -> None:
    made = transformer_layer(24, 3, 48)
    for shape in ((1, 5, 24), (2, 3, 24)):
        graph = same(made, {"x": drawn(*shape)}, tmp_path)
    assert list(graph.linears) == ["q", "k", "v", "out", "fc1", "fc2"]
    assert all(linear.bias is not None for linear in graph.linears.values())
    # Queries, keys and values are ready at once.
    assert [one.name for one in graph.waves[0][1]] == ["q", "k", "v"]


def test_a_convolutional_network(tmp_path: Path) -> None:
    weights = {"conv1.weight": drawn(4, 1, 3, 3), "conv1.bias": drawn(4), "conv2.weight": drawn(6, 4, 3, 3)}
    weights |= {"scale": drawn(6), "shift": drawn(6), "mean": drawn(6), "var": np.square(drawn(6)) + 1}
    weights |= {"fc.weight": drawn(10, 6 * 3 * 3), "fc.bias": drawn(10)}
    nodes = [
        node("Conv", "x conv1.weight conv1.bias", "c1", pads=[1, 1, 1, 1]),
        node("Relu", "c1", "r1"),
        node("MaxPool", "r1", "m1", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "m1 conv2.weight", "c2", auto_pad="SAME_UPPER", strides=[2, 2]),
        node("BatchNormalization", "c2 scale shift mean var", "b2"),
        node("LeakyRelu", "b2", "r2"),
        node("Dropout", "r2", "d"),
        node("Flatten", "d", "flat"),
        node("Gemm", "flat fc.weight fc.bias", "logits", transB=1),
        node("Softmax", "logits", "y"),
    ]
    graph = same(model(nodes, {"x": ["batch", 1, 12, 12]}, ["y"], weights), {"x": drawn(2, 1, 12, 12)}, tmp_path)
    assert {name: linear.weights.shape for name, linear in graph.linears.items()} == {
        "conv1": (9, 4),
        "conv2": (36, 6),
        "fc": (54, 10),
    }


def test_pictures_whose_channels_come_last(tmp_path: Path) -> None:
    """As TensorFlow's exporter writes them: transposed to ONNX's order and back."""
    nodes = [
        node("Transpose", "x", "first", perm=[0, 3, 1, 2]),
        node("Conv", "first conv/kernel bias", "c", auto_pad="SAME_UPPER", strides=[2, 2]),
        node("Transpose", "c", "last", perm=[0, 2, 3, 1]),
        node("Relu", "last", "y"),
    ]
    weights = {"conv/kernel": drawn(5, 2, 3, 3), "bias": drawn(5)}
    graph = same(model(nodes, {"x": [None, 7, 6, 2]}, ["y"], weights), {"x": drawn(2, 7, 6, 2)}, tmp_path)
    assert list(graph.linears) == ["conv"]


def test_a_recurrent_network_of_two_layers(tmp_path: Path) -> None:
    weights: dict[str, NDArray] = {"fc.weight": drawn(6, 3), "fc.bias": drawn(3), "axis": np.array([1])}
    for layer, inputs in ((0, 4), (1, 6)):
        weights |= {f"lstm{layer}.W": drawn(1, 24, inputs), f"lstm{layer}.R": drawn(1, 24, 6)}
        weights[f"lstm{layer}.B"] = drawn(1, 48)
    nodes = [node("Transpose", "x", "s0", perm=[1, 0, 2])]
    for at in (0, 1):
        nodes += [node("LSTM", f"s{at} lstm{at}.W lstm{at}.R lstm{at}.B", f"y{at}", hidden_size=6)]
        nodes += [node("Squeeze", f"y{at} axis", f"s{at + 1}")]
    nodes += [node("MatMul", "s2 fc.weight", "p"), node("Add", "p fc.bias", "y")]
    made = model(nodes, {"x": ["batch", "time", 4]}, ["y"], weights)
    graph = same(made, {"x": drawn(2, 7, 4)}, tmp_path)
    assert list(graph.linears) == ["lstm0/input", "lstm0/recurrent", "lstm1/input", "lstm1/recurrent", "fc"]


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize(("opset", "axis"), [(11, None), (11, 2), (12, -2), (13, None), (13, 1)])
def test_softmax_runs_over_all_later_axes_until_opset_12(
    tmp_path: Path, operator: str, opset: int, axis: int | None
) -> None:
    attributes = {} if axis is None else {"axis": axis}
    made = model([node(operator, "x", "y", **attributes)], {"x": ["n", 3, 4]}, ["y"], opset=opset)
    same(made, {"x": drawn(2, 3, 4)}, tmp_path)


@pytest.mark.parametrize("opset", [11, 12, 13, 18])
def test_attributes_that_became_inputs(tmp_path: Path, opset: int) -> None:
    x = drawn(2, 1, 6)
    axes, halves = np.array([1]), np.array([2, 4])
    old = opset < 13
    nodes = [
        node("Squeeze", "x" if old else "x axes", "a", **({"axes": [1]} if old else {})),
        node("Unsqueeze", "a" if old else "a axes", "b", **({"axes": [1]} if old else {})),
        node("Split", "b" if old else "b halves", "c d", axis=2, **({"split": [2, 4]} if old else {})),
        node("ReduceSum", "d" if old else "d axes", "e", **({"axes": [1]} if old else {})),
        node("ReduceMean", "c" if opset < 18 else "c axes", "f", **({"axes": [1]} if opset < 18 else {})),
        node("Clip", "f low _", "y"),
    ]
    weights = {"low": np.float32(0)} | ({} if old else {"axes": axes, "halves": halves})
    if opset == 18:
        weights["axes"] = axes
    same(model(nodes, {"x": ["n", 1, 6]}, ["y", "e"], weights, opset=opset), {"x": x}, tmp_path)


def test_quantised_activations_are_the_hosts(tmp_path: Path) -> None:
    weights = {"scale": np.float32(0.02), "zero": np.uint8(100), "w": drawn(3, 5)}
    nodes = [
        node("QuantizeLinear", "x scale zero", "q"),
        node("DequantizeLinear", "q scale zero", "d"),
        node("MatMul", "d w", "y"),
    ]
    graph = same(model(nodes, {"x": ["n", 3]}, ["y"], weights), {"x": drawn(4, 3)}, tmp_path)
    assert len(graph.linears) == 1


def test_functions_of_a_model_are_written_out(tmp_path: Path) -> None:
    layer = helper.make_function(
        "own",
        "Layer",
        ["x", "w", "b"],
        ["y"],
        [
            node("MatMul", "x w", "p", "MatMul_0"),
            node("Add", "p b", "s", "Add_0"),
            helper.make_node("Act", ["s"], ["y"], domain="own"),
        ],
        [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)],
    )
    act = helper.make_function("own", "Act", ["x"], ["y"], [node("Tanh", "x", "y")], [helper.make_opsetid("", 17)])
    nodes = [
        helper.make_node("Layer", ["x", "fc1.weight", "fc1.bias"], ["h"], domain="own", name="first"),
        helper.make_node("Layer", ["h", "fc2.weight", "fc2.bias"], ["y"], domain="own", name="second"),
    ]
    weights = {f"fc{at}.{part}": drawn(*shape) for at in (1, 2) for part, shape in (("weight", (3, 3)), ("bias", (3,)))}
    made = model(nodes, {"x": ["n", 3]}, ["y"], weights)
    made.functions.extend([layer, act])
    made.opset_import.append(helper.make_opsetid("own", 1))
    graph = same(made, {"x": drawn(2, 3)}, tmp_path, every=False)
    assert [one.name for one in graph.nodes if isinstance(one.operator, Linear)] == ["fc1", "fc2"]
    assert len(graph.nodes) == 4


def test_operators_that_onnx_defines_by_others_are_written_out(tmp_path: Path) -> None:
    nodes = [node("Mish", "x", "m", "mish"), node("MeanVarianceNormalization", "m", "y", "norm")]
    made = model(nodes, {"x": ["n", 2, 3, 4]}, ["y"], opset=18)
    graph = same(made, {"x": drawn(3, 2, 3, 4)}, tmp_path)
    assert {name.split("/")[0] for name in names(graph)} == {"mish", "norm"}


@pytest.mark.parametrize("weights", [{"y": drawn(3)}, {"w": drawn(3)}])
def test_outputs_that_nothing_computes(tmp_path: Path, weights: dict[str, NDArray]) -> None:
    """An input, a constant, and one value under two names."""
    nodes = [node("Identity", "x", "a"), node("Identity", "x", "b"), node("Relu", "x", "c"), node("Identity", "c", "d")]
    nodes += [node("Identity", "w", "y")] if "w" in weights else []
    graph = read_onnx(saved(model(nodes, {"x": [3]}, ["a", "b", "c", "d", "y"], weights), tmp_path))
    x = drawn(3)
    outputs = graph.run({"x": x}).outputs
    for name, expected in (("a", x), ("b", x), ("c", np.maximum(x, 0)), ("d", np.maximum(x, 0))):
        np.testing.assert_array_equal(outputs[name], expected)
    np.testing.assert_array_equal(outputs["y"], next(iter(weights.values())))


def test_weights_in_files_beside_the_model(tmp_path: Path) -> None:
    made = model([node("MatMul", "x w", "y")], {"x": [2, 40]}, ["y"], {"w": drawn(40, 30)})
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save(made, folder / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    assert (folder / "m.onnx").stat().st_size < 1000
    x = drawn(2, 40)
    (expected,) = reference(folder / "m.onnx", {"x": x}, ["y"])
    np.testing.assert_allclose(read_onnx(folder / "m.onnx").run({"x": x}).outputs["y"], expected, rtol=1e-5, atol=1e-5)


def test_a_graph_from_a_file_is_stored_and_read_again(tmp_path: Path) -> None:
    graph = read_onnx(saved(transformer_layer(24, 3, 48), tmp_path))
    graph.save(tmp_path / "graph.npz")
    x = drawn(1, 5, 24)
    np.testing.assert_array_equal(
        Graph.load(tmp_path / "graph.npz").run({"x": x}).outputs["y"], graph.run({"x": x}).outputs["y"]
    )


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"x": ["batch", 3]}, {"x": 2}),
        ({"x": [1, 3], "z": [1, 4, 5]}, {"x": 2, "z": 3}),
        ({"x": [None, 3]}, {"x": 2}),
        ({"x": ["batch", 3], "z": ["batch"]}, {"x": 2, "z": 1}),
        ({"x": ["batch", 3], "z": [2, "batch", 3]}, {}),  # states of two layers: no common axis
        ({"x": [8, 3]}, {}),  # eight at once, never one
        ({"x": ["time", "batch", 3]}, {}),
        ({"x": ["sequence_length", 1, 3]}, {}),
        ({"x": ["batch", 3], "z": []}, {}),
    ],
)
def test_the_axis_of_samples(tmp_path: Path, shapes: dict[str, Any], expected: dict[str, int]) -> None:
    made = model([node("Relu", "x", "y")], shapes, ["y"], {"w": drawn(2)})
    assert input_axes(saved(made, tmp_path)) == expected


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("NonZero", "x", "n"), node("Unique", "x", "y", "odd")], r"node odd \(Unique\) cannot be mapped: the sh"),
        ([node("RandomNormalLike", "x", "y", "noise")], r"node noise \(RandomNormalLike\) .*draws random numbers"),
        ([node("Dropout", "x r t", "y", "drop")], r"node drop \(Dropout\) cannot be mapped: it trains"),
        (
            [node("BatchNormalization", "x s s s s", "y a b", "bn", training_mode=1)],
            "it trains",
        ),
        ([node("Cast", "x", "y", "narrow", to=TensorProto.FLOAT8E5M2)], "no numbers of type FLOAT8E5M2"),
        ([node("Reshape", "x s", "y", "view")], r"node view \(Reshape\) .* does not take"),
        ([helper.make_node("Sort", ["x"], ["y"], domain="com.microsoft", name="s")], "operators of com.microsoft are"),
        ([helper.make_node("Sort", ["x"], ["y"], name="s")], "the network is not valid: No Op registered for Sort"),
    ],
)
def test_what_cannot_be_mapped_is_named(tmp_path: Path, nodes: Any, message: str) -> None:
    weights = {"r": np.float32(0.5), "t": np.array(True), "s": np.ones(3, np.float32)}
    made = model(nodes, {} if "Reshape" in str(nodes) else {"x": [2, 3]}, ["y"], weights)
    if not made.graph.input:
        made.graph.initializer.append(onnx.numpy_helper.from_array(drawn(2, 3), "x"))
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(NetworkError, match=message):
        read_onnx(saved(made, tmp_path))


def test_branches_are_refused_by_name(tmp_path: Path) -> None:
    branch = helper.make_graph(
        [node("Identity", "x", "z")], "b", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])]
    )
    nodes = [helper.make_node("If", ["t"], ["y"], name="choice", then_branch=branch, else_branch=branch)]
    made = model(nodes, {"x": [2], "t": []}, ["y"], types={"t": TensorProto.BOOL})
    with pytest.raises(NetworkError, match=r"node choice \(If\) cannot be mapped: which nodes run would depend on the"):
        read_onnx(saved(made, tmp_path))


def test_errors_of_a_run_name_the_node(tmp_path: Path) -> None:
    made = model([node("Add", "x z", "y", "sum")], {"x": [None], "z": [None]}, ["y"])
    made.ir_version = IR_VERSION
    graph = read_onnx(saved(made, tmp_path))
    with pytest.raises(NetworkError, match=r"node sum: .*does not take float32\(2,\), float32\(3,"):
        graph.run({"x": drawn(2), "z": drawn(3)})
