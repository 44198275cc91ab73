"""Padding taken out of requests and put back: nothing changes but what a watcher sees."""

import numpy as np
import pytest

from cosim.graph import Graph, Linear, Node, Request
from cosim.graph.graph import Walk
from cosim.system.network import Network
from cosim.system.products import NodeProducts
from cosim.system.scheduler import run_walks
from cosim.workloads.whisper.padding import Padding


@pytest.fixture(scope="module")
def network() -> Network:
    rng = np.random.default_rng(0)

    def graph(name: str, *nodes: str) -> Graph:
        linears = [Node(node, Linear(rng.standard_normal((4, 4), np.float32)), ("x",), (node,)) for node in nodes]
        return Graph(tuple(linears), ("x",), nodes, name=name)

    return Network({"encoder": graph("encoder", "a", "b"), "decoder": graph("decoder", "c")})


def both(network: Network, x: np.ndarray) -> Walk[tuple[np.ndarray, ...]]:
    """Two matrices of the encoder, and then one of the decoder on a few of their rows."""
    first = yield from network.walk({"x": x}, graph="encoder")
    a, b = first.outputs.values()
    second = yield from network.walk({"x": (a + b)[:3]}, graph="decoder")
    return a, b, second.outputs["c"]


def watched(walk: Walk, seen: list[list[int]]) -> Walk:
    answers = None
    while True:
        try:
            request: Request = next(walk) if answers is None else walk.send(answers)
        except StopIteration as stop:
            return stop.value
        seen.append([len(array) for array in request.inputs])
        answers = yield request


def run(network: Network, walk: Walk) -> tuple[np.ndarray, ...]:
    ((_, result),) = run_walks([(0, walk)], NodeProducts.of_floats(network))
    return result


def test_a_watcher_sees_what_is_spoken_and_all_of_the_decoder(network):
    x = np.random.default_rng(1).standard_normal((1_500, 4)).astype(np.float32)
    padding, seen, asked = Padding(40), [], []
    around = watched(padding.with_it(watched(padding.apart(both(network, x)), seen)), asked)
    for ours, plain in zip(run(network, around), run(network, both(network, x)), strict=True):
        assert np.array_equal(ours, plain)
    assert seen == [[40, 40], [3]]
    assert asked == [[1_500, 1_500], [3]]


def test_what_is_not_spoken_may_stay_in_float(network):
    x = np.random.default_rng(2).standard_normal((3_000, 4)).astype(np.float32)
    padding, asked = Padding(40), []
    around = watched(padding.in_float(padding.apart(both(network, x)), network), asked)
    for ours, plain in zip(run(network, around), run(network, both(network, x)), strict=True):
        assert ours == pytest.approx(plain, abs=1e-5)
    assert asked == [[80, 80], [3]], "frames are twice as many as positions"


def test_of_a_full_recording_nothing_is_padding(network):
    x = np.zeros((1_500, 4), np.float32)
    padding, seen = Padding(1_500), []
    run(network, padding.with_it(watched(padding.apart(both(network, x)), seen)))
    assert seen == [[1_500, 1_500], [3]]
