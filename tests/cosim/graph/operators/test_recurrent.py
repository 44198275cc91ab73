"""Recurrent cells and their loops against onnxruntime and PyTorch."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.graph import Graph, Linear, NetworkError, Node
from cosim.graph.operators.activations import Elu, HardSigmoid, Pointwise, Relu, ScaledTanh, Sigmoid, Softsign, Tanh
from cosim.graph.operators.cells import GruCell, LstmCell
from cosim.graph.operators.recurrent import gate_columns, gru, lstm, rnn
from tests.cosim.graph.reference import onnx_outputs

STEPS, INPUTS, WIDTH = 7, 5, 6
CLOSE = {"rtol": 0, "atol": 2e-6}


def drawn(*shape: int, seed: int = 0, scale: float = 1.0) -> NDArray[np.float32]:
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def matrices(gates: int) -> tuple[Linear, Linear]:
    return (
        Linear(drawn(INPUTS, gates * WIDTH, seed=1), drawn(gates * WIDTH, seed=2)),
        Linear(drawn(WIDTH, gates * WIDTH, seed=3, scale=0.5), drawn(gates * WIDTH, seed=4)),
    )


def reference(
    operator: str,
    x: NDArray,
    pair: tuple[Linear, Linear],
    *initial: NDArray,
    peepholes: NDArray | None = None,
    reverse: bool = False,
    **attributes: object,
) -> list[NDArray]:
    """Outputs of an ONNX node with the matrices of `pair`: all states, then the last ones."""
    biases = [linear.bias for linear in pair]
    weights = {1: pair[0].weights.T[None], 2: pair[1].weights.T[None], 3: np.concatenate(biases)[None]}  # type: ignore[arg-type]
    weights |= {5 + at: state.reshape(1, 1, WIDTH) for at, state in enumerate(initial)}
    if peepholes is not None:
        weights[7] = peepholes.reshape(1, -1)
    outputs = onnx_outputs(
        operator,
        x[:, None],
        outputs=3 if operator == "LSTM" else 2,
        weights=weights,
        hidden_size=WIDTH,
        direction="reverse" if reverse else "forward",
        **attributes,
    )
    return [outputs[0][:, 0, 0], *(state[0, 0] for state in outputs[1:])]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("cell", "attributes"),
    [
        (LstmCell(), {}),
        (LstmCell(clip=0.5), {"clip": 0.5}),
        (LstmCell(peepholes=drawn(3, WIDTH, seed=5)), {"peepholes": drawn(3, WIDTH, seed=5)}),
        (LstmCell(coupled=True), {"input_forget": 1}),
        (
            LstmCell(HardSigmoid(0.3, 0.4), Softsign(), ScaledTanh(1.5, 0.5)),
            {
                "activations": ["HardSigmoid", "Softsign", "ScaledTanh"],
                "activation_alpha": [0.3, 1.5],
                "activation_beta": [0.4, 0.5],
            },
        ),
    ],
    ids=["plain", "clip", "peepholes", "coupled", "activations"],
)
def test_lstm_is_the_one_of_onnxruntime(cell: LstmCell, attributes: dict, reverse: bool) -> None:
    pair, x = matrices(4), drawn(STEPS, INPUTS)
    initial = drawn(WIDTH, seed=6), drawn(WIDTH, seed=7)
    expected = reference("LSTM", x, pair, *initial, reverse=reverse, **attributes)
    for ours, theirs in zip(lstm(*pair, cell, reverse=reverse).run(x, *initial), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, **CLOSE)
    for ours, theirs in zip(lstm(*pair, cell, reverse=reverse, initial=initial).run(x), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, **CLOSE)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("reset_after", [False, True])
@pytest.mark.parametrize(
    ("cell", "attributes"),
    [
        (GruCell(), {}),
        (GruCell(clip=0.5), {"clip": 0.5}),
        (GruCell(HardSigmoid(), Elu(0.7)), {"activations": ["HardSigmoid", "Elu"], "activation_alpha": [0.2, 0.7]}),
    ],
    ids=["plain", "clip", "activations"],
)
def test_gru_is_the_one_of_onnxruntime(cell: GruCell, attributes: dict, reset_after: bool, reverse: bool) -> None:
    pair, x, initial = matrices(3), drawn(STEPS, INPUTS), drawn(WIDTH, seed=6)
    expected = reference("GRU", x, pair, initial, reverse=reverse, linear_before_reset=int(reset_after), **attributes)
    made = gru(*pair, cell, reset_after=reset_after, reverse=reverse)
    for ours, theirs in zip(made.run(x, initial), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, **CLOSE)


@pytest.mark.parametrize(("activation", "name"), [(Tanh(), "Tanh"), (Relu(), "Relu"), (Sigmoid(), "Sigmoid")])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_rnn_is_the_one_of_onnxruntime(activation: Pointwise, name: str, clip: float | None) -> None:
    pair, x, initial = matrices(1), drawn(STEPS, INPUTS), drawn(WIDTH, seed=6)
    attributes = {} if clip is None else {"clip": clip}
    expected = reference("RNN", x, pair, initial, activations=[name], **attributes)
    for ours, theirs in zip(rnn(*pair, activation, clip=clip).run(x, initial), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize(("kind", "given", "wanted"), [("LSTM", "ifgo", "iofg"), ("GRU", "rzn", "zrn")])
def test_columns_as_pytorch_has_them(kind: str, given: str, wanted: str) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(INPUTS, WIDTH)
    state = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    pair = [
        Linear(
            gate_columns(state[f"weight_{of}_l0"].T, given, wanted), gate_columns(state[f"bias_{of}_l0"], given, wanted)
        )
        for of in ("ih", "hh")
    ]
    x = drawn(STEPS, INPUTS)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x))[0].numpy()
    ours = {"LSTM": lstm, "GRU": gru}[kind](*pair).run(x)[0]
    np.testing.assert_allclose(ours, expected, **CLOSE)


def test_the_quick_way_of_a_plain_lstm_is_the_general_one() -> None:
    """A limit that nothing reaches makes a cell go the general way."""
    arrays = drawn(3, 4 * WIDTH), drawn(3, 4 * WIDTH, seed=1), drawn(3, WIDTH, seed=2)
    for quick, general in zip(LstmCell().run(*arrays), LstmCell(clip=1e6).run(*arrays), strict=True):
        np.testing.assert_allclose(quick, general, rtol=0, atol=1e-6)
        assert quick.dtype == np.float32


@pytest.mark.parametrize("cell", [LstmCell(), LstmCell(clip=0.7, coupled=True)])
def test_a_cell_takes_one_product_where_a_chip_has_summed_both(cell: LstmCell) -> None:
    rng = np.random.default_rng(4)
    x, h, memory = (rng.standard_normal(size).astype(np.float32) for size in ((3, 20), (3, 20), (3, 5)))
    kept = (x + h).copy()
    both, summed = cell.run(x, h, memory), cell.run(kept, None, memory)  # type: ignore[arg-type]
    assert all(np.array_equal(one, other) for one, other in zip(both, summed, strict=True))
    assert np.array_equal(kept, x + h)  # what comes in stays as it is
    assert cell.operations(x, h, memory) - cell.operations(kept, None, memory) == x.size  # type: ignore[arg-type]


def test_both_matrices_are_ready_at_once() -> None:
    scan = lstm(*matrices(4))
    assert [node.name for _, linear in scan.body.waves for node in linear] == ["input", "recurrent"]
    assert sum(bool(linear) for _, linear in scan.body.waves) == 1


def test_loops_within_a_graph_begin_with_the_states_they_are_given() -> None:
    nodes = (Node("layer", lstm(*matrices(4)), ("x", "", "c"), ("y",)),)
    graph, x, memory = Graph(nodes, ("x", "c"), ("y",)), drawn(STEPS, INPUTS), drawn(WIDTH, seed=7)
    expected = lstm(*matrices(4)).run(x, np.zeros(WIDTH, np.float32), memory)[0]
    np.testing.assert_array_equal(graph.run({"x": x, "c": memory}).outputs["y"], expected)


def test_a_loop_without_a_step_gives_the_state_it_was_given() -> None:
    state = drawn(WIDTH)
    outputs, last, memory = lstm(*matrices(4)).run(np.zeros((0, INPUTS), np.float32), state)
    assert (outputs.shape, outputs.dtype) == ((0, WIDTH), np.float32)
    np.testing.assert_array_equal(last, state)
    assert not memory.any()


def test_operations_are_those_of_the_formulas() -> None:
    """A sigmoid is four, a tanh one: i, o, f, g, the sums of products, and three products and a sum of the states."""
    z, state = drawn(4 * WIDTH), drawn(WIDTH)
    assert LstmCell().operations(z, z, state) == WIDTH * (4 + 3 * 4 + 1 + 1 + 4)
    assert lstm(*matrices(4)).operations(drawn(STEPS, INPUTS)) == STEPS * WIDTH * 22
    z = drawn(3 * WIDTH)
    assert GruCell().operations(z, z, state) == WIDTH * (2 + 2 * 4 + 2 + 1 + 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lstm(matrices(3)[0], matrices(4)[1]), r"\(inputs, 4 width\).*got \(5, 18\) and \(6, 24\)"),
        (lambda: gru(matrices(3)[0], matrices(4)[1]), r"\(inputs, 3 width\)"),
        (lambda: LstmCell(clip=0.0), "clip must be above 0"),
        (lambda: LstmCell(peepholes=drawn(4)), r"peepholes must be \(3, width\)"),
        (lambda: LstmCell().run(drawn(8), drawn(8)), "takes products of the input.*got 2 inputs"),
        (lambda: LstmCell().run(drawn(8), drawn(12), drawn(2)), r"expected products \(..., 8\)"),
        (lambda: gate_columns(drawn(8), "ifgo", "iofh"), "cannot bring 8 columns"),
        (lambda: lstm(*matrices(4)).run(drawn(4, 3)), r"expected inputs \(..., 5\), got shape \(3,\)"),
        (lambda: lstm(*matrices(4)).run(np.float32(1.0)), "takes 1 array of one length and up to 2 states"),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        call()
