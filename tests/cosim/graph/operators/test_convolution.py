"""Convolution over patches against onnxruntime."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.graph import Graph, Linear, NetworkError
from cosim.graph.operators.convolution import ChannelMaps, Patches, convolution
from tests.cosim.graph.reference import onnx_outputs


def drawn(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


CASES = {
    "1-D": (drawn(4, 9), drawn(6, 4, 3), Patches((3,))),
    "1-D, stride, padding": (drawn(4, 9), drawn(6, 4, 3), Patches((3,), stride=(2,), padding=((1, 1),))),
    "1-D, dilation, uneven padding": (drawn(4, 9), drawn(6, 4, 3), Patches((3,), dilation=(3,), padding=((2, 0),))),
    "2-D": (drawn(3, 8, 7), drawn(5, 3, 3, 2), Patches((3, 2))),
    "2-D, all of it": (
        drawn(4, 9, 8),
        drawn(6, 2, 3, 2),
        Patches((3, 2), stride=(2, 1), dilation=(1, 2), padding=((1, 2), (0, 3)), groups=2),
    ),
    "2-D, channel by channel": (drawn(4, 6, 6), drawn(4, 1, 3, 3), Patches((3, 3), groups=4)),
    "3-D": (drawn(2, 5, 4, 5), drawn(3, 2, 2, 2, 3), Patches((2, 2, 3), padding=((1, 0), (0, 0), (1, 1)))),
}


def graph_of(weights: NDArray, bias: NDArray | None, patches: Patches) -> Graph:
    return Graph(convolution("conv", "x", "y", weights, bias, patches=patches), ("x",), ("y",))


def expected(x: NDArray, weights: NDArray, bias: NDArray, patches: Patches, **attributes: object) -> NDArray:
    if isinstance(patches.padding, tuple):
        attributes["pads"] = [*(pad[0] for pad in patches.padding), *(pad[1] for pad in patches.padding)]
    (y,) = onnx_outputs(
        "Conv",
        x[None],
        weights,
        bias,
        kernel_shape=patches.kernel,
        strides=patches.stride,
        dilations=patches.dilation,
        group=patches.groups,
        **attributes,
    )
    return y[0]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_convolution_is_the_one_of_onnxruntime(case: tuple[NDArray, NDArray, Patches]) -> None:
    x, weights, patches = case
    bias = drawn(len(weights), seed=1)
    y = graph_of(weights, bias, patches).run({"x": x}).outputs["y"]
    np.testing.assert_allclose(y, expected(x, weights, bias, patches), rtol=0, atol=1e-5)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_channels_may_come_last(case: tuple[NDArray, NDArray, Patches]) -> None:
    x, weights, patches = case
    last = Patches(patches.kernel, patches.stride, patches.dilation, patches.padding, patches.groups, True)
    y = graph_of(weights, None, last).run({"x": np.moveaxis(x, 0, -1)}).outputs["y"]
    first = graph_of(weights, None, patches).run({"x": x}).outputs["y"]
    np.testing.assert_array_equal(np.moveaxis(y, -1, 0), first)


@pytest.mark.parametrize("padding", ["same_upper", "same_lower"])
@pytest.mark.parametrize(("length", "stride"), [(9, 1), (9, 2), (8, 3), (3, 4)])
def test_padding_that_keeps_the_length(padding: str, length: int, stride: int) -> None:
    x, weights, bias = drawn(2, length), drawn(3, 2, 4), drawn(3, seed=1)
    patches = Patches((4,), stride=(stride,), padding=padding)
    y = graph_of(weights, bias, patches).run({"x": x}).outputs["y"]
    theirs = expected(x, weights, bias, patches, auto_pad=padding.upper())
    np.testing.assert_allclose(y, theirs, rtol=0, atol=1e-5)


def test_further_axes_stay_in_front() -> None:
    x, weights = drawn(2, 5, 4, 9), drawn(6, 4, 3)
    y = graph_of(weights, None, Patches((3,))).run({"x": x}).outputs["y"]
    one = graph_of(weights, None, Patches((3,))).run({"x": x[1, 2]}).outputs["y"]
    assert y.shape == (2, 5, 6, 7)
    np.testing.assert_allclose(y[1, 2], one, rtol=0, atol=1e-6)


def test_every_group_has_a_matrix_of_its_own_and_all_are_ready_at_once() -> None:
    graph = graph_of(drawn(6, 2, 3), None, Patches((3,), groups=3))
    assert {name: linear.weights.shape for name, linear in graph.linears.items()} == {
        "conv/0": (6, 2),
        "conv/1": (6, 2),
        "conv/2": (6, 2),
    }
    assert [len(linear) for _, linear in graph.waves] == [3, 0]
    assert all(isinstance(node.operator, Linear) or not node.operator.operations() for node in graph.nodes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Patches(()), "kernel must be whole numbers from 1"),
        (lambda: Patches((3,), stride=(1, 1)), "stride must be whole numbers"),
        (lambda: Patches((3,), padding="valid"), "padding must be pairs of numbers, same_upper"),
        (lambda: Patches((3,), padding=((0, -1),)), "padding must be pairs of numbers from 0"),
        (lambda: Patches((3,), groups=0), "groups must be 1 or more"),
        (lambda: Patches((3,)).run(drawn(4)), "expected channels and 1 dimensions"),
        (lambda: Patches((3,)).run(drawn(4, 2)), r"spans \(3,\) does not fit into \(2,\)"),
        (lambda: Patches((3,), groups=3).run(drawn(4, 9)), "4 channels cannot be shared out among 3 groups"),
        (lambda: ChannelMaps(2).run(drawn(4, 9)), "takes arrays of 2 dimensions of space"),
        (lambda: convolution("c", "x", "y", drawn(4, 9)), "c: weights must be"),
        (lambda: convolution("c", "x", "y", drawn(4, 9, 3), drawn(3)), r"c: bias must be \(4,\)"),
        (lambda: convolution("c", "x", "y", drawn(4, 9, 3), patches=Patches((2,))), "c: weights .* do not fit"),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        call()
