"""LSTM, GRU and RNN with every attribute, against onnxruntime."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from cosim.graph import NetworkError
from cosim.graph.onnx import read_onnx
from tests.cosim.graph.onnx.models import model, node, same, saved

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STEPS, BATCH, INPUTS, WIDTH = 5, 3, 4, 6


def drawn(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.standard_normal(shape).astype(np.float32)


def check(operator: str, folder: Path, given: str = "x w r b", *, seed: int = 0, **attributes: Any) -> None:
    """One node with the inputs that are given, in ONNX's order; "_" is absent."""
    rng = np.random.default_rng(seed)
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    gates = GATES[operator]
    weights = {
        "w": drawn(rng, directions, gates * WIDTH, INPUTS),
        "r": drawn(rng, directions, gates * WIDTH, WIDTH),
        "b": drawn(rng, directions, 2 * gates * WIDTH),
        "p": drawn(rng, directions, 3 * WIDTH),
    }
    weights = {name: array for name, array in weights.items() if name in given.split()}
    state = (directions, BATCH, WIDTH)
    inputs: dict[str, NDArray] = {"x": drawn(rng, STEPS, BATCH, INPUTS)}
    inputs |= {"h": drawn(rng, *state), "c": drawn(rng, *state), "n": np.array([5, 2, 1], np.int32)}
    inputs = {name: array for name, array in inputs.items() if name in given.split()}
    outputs = "y last memory" if operator == "LSTM" else "y last"
    nodes = [node(operator, given, outputs, "layer", hidden_size=WIDTH, **attributes)]
    shapes = {name: [None] * array.ndim for name, array in inputs.items()}
    made = model(nodes, shapes, outputs.split(), weights, types={"n": TensorProto.INT32})
    graph = same(made, inputs, folder)
    names = [f"layer/{one}" for one in ("forward", "reverse")] if directions == 2 else ["layer"]
    assert {f"{name}/input" for name in names} <= set(graph.linears)


@pytest.mark.parametrize("operator", GATES)
def test_directions_initial_states_and_lengths(tmp_path: Path, operator: str) -> None:
    states = ["_ _", "n _", "_ h", "n h"]
    if operator == "LSTM":
        states += ["_ _ c", "_ h c", "n h c"]
    for direction, more in product(("forward", "reverse", "bidirectional"), states):
        check(operator, tmp_path, f"x w r b {more}", direction=direction)


@pytest.mark.parametrize("operator", GATES)
def test_without_biases_and_with_limits(tmp_path: Path, operator: str) -> None:
    check(operator, tmp_path, "x w r")
    check(operator, tmp_path, clip=0.4)


@pytest.mark.parametrize("before", [0, 1])
def test_gru_with_its_reset_gate_before_or_behind_the_product(tmp_path: Path, before: int) -> None:
    for direction in ("forward", "bidirectional"):
        check("GRU", tmp_path, "x w r b n h", linear_before_reset=before, direction=direction)


def test_lstm_with_peepholes_and_coupled_gates(tmp_path: Path) -> None:
    check("LSTM", tmp_path, "x w r b _ h c p", direction="bidirectional")
    check("LSTM", tmp_path, "x w r b _ _ _ p", input_forget=1)


def test_other_activations_take_their_alphas_and_betas_in_turn(tmp_path: Path) -> None:
    check(
        "LSTM",
        tmp_path,
        activations=["HardSigmoid", "Softsign", "Elu"],
        activation_alpha=[0.3, 0.7],
        activation_beta=[0.4],
    )
    check("GRU", tmp_path, activations=["Sigmoid", "LeakyRelu"], activation_alpha=[0.1])
    check(
        "RNN",
        tmp_path,
        direction="bidirectional",
        activations=["ScaledTanh", "ThresholdedRelu"],
        activation_alpha=[0.8, 0.2],
        activation_beta=[1.2],
    )
    check("RNN", tmp_path, activations=["Softplus"])
    check("RNN", tmp_path, activations=["Affine"], activation_alpha=[0.5], activation_beta=[0.1])


@pytest.mark.parametrize("operator", GATES)
def test_batch_first(tmp_path: Path, operator: str) -> None:
    """onnxruntime has no `layout`: the same network with time first tells what is right."""
    rng = np.random.default_rng(1)
    gates = GATES[operator]
    weights = {"w": drawn(rng, 2, gates * WIDTH, INPUTS), "r": drawn(rng, 2, gates * WIDTH, WIDTH)}
    x, h = drawn(rng, STEPS, BATCH, INPUTS), drawn(rng, 2, BATCH, WIDTH)
    common: dict[str, Any] = {"hidden_size": WIDTH, "direction": "bidirectional"}
    shapes = {"x": [None] * 3, "h": [None] * 3}
    plain = model([node(operator, "x w r _ _ h", "y last", **common)], shapes, ["y", "last"], weights)
    first = model([node(operator, "x w r _ _ h", "y last", layout=1, **common)], shapes, ["y", "last"], weights)
    expected = read_onnx(saved(plain, tmp_path)).run({"x": x, "h": h}).outputs
    found = read_onnx(saved(first, tmp_path)).run({"x": x.swapaxes(0, 1), "h": h.swapaxes(0, 1)}).outputs
    np.testing.assert_array_equal(found["y"], expected["y"].transpose(2, 0, 1, 3))
    np.testing.assert_array_equal(found["last"], expected["last"].swapaxes(0, 1))


@pytest.mark.parametrize(
    ("attributes", "inputs", "message"),
    [
        ({"activations": ["Cosine", "Tanh", "Tanh"]}, "x w r", "activation must be one of .*, got Cosine"),
        ({"activations": ["Tanh"]}, "x w r", "activations must be 3 for each direction"),
        ({"direction": "sideways"}, "x w r", "direction must be one of"),
        ({}, "x v r", "W must be a constant of the file"),
        ({}, "x w s", "W and R of shapes .* do not fit together"),
    ],
)
def test_what_cannot_be_mapped_is_named(tmp_path: Path, attributes: Any, inputs: str, message: str) -> None:
    weights = {
        "w": np.ones((1, 4, 2), np.float32),
        "r": np.ones((1, 4, 1), np.float32),
        "s": np.ones((1, 4, 3), np.float32),
    }
    made = model(
        [node("LSTM", inputs, "y", "layer", **attributes)], {"x": [None, 1, 2], "v": [1, 4, 2]}, ["y"], weights
    )
    with pytest.raises(NetworkError, match=rf"node layer \(LSTM\) cannot be mapped: {message}"):
        read_onnx(saved(made, tmp_path))
