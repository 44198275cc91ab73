"""Graphs in files: all that there is comes back, and anything else is refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.files.archive import write_archive
from cosim.graph import Builder, Graph, Linear, NetworkError, Operator
from cosim.graph.graph import Node
from cosim.graph.operators.activations import HardSigmoid, Softmax
from cosim.graph.operators.attention import Append, Attention
from cosim.graph.operators.cells import LstmCell
from cosim.graph.operators.convolution import Patches
from cosim.graph.operators.embedding import Embedding
from cosim.graph.operators.normalisation import LayerNorm
from cosim.graph.operators.recurrent import gru, lstm


def drawn(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def made(eps: float = 1e-5) -> Graph:
    """A bit of everything, one matrix used twice."""
    b, shared = Builder("all kinds"), Linear(drawn(4, 4), drawn(4))
    tokens, maps = b.input("tokens"), b.input("maps")
    x = b.add(LayerNorm(drawn(4), drawn(4), eps), b.add(Embedding(drawn(9, 4)), tokens))
    cache = b.state("cache", np.zeros((0, 4), np.float32))
    keys = b.add(Append(), cache, b.linear(x, shared, name="key"))
    b.follow(cache, keys)
    y = b.add(Attention(2), b.linear(x, shared, name="query"), keys, keys, b.constant(np.zeros((1, 1), np.float32)))
    cell = LstmCell(HardSigmoid(0.3), clip=2.0, peepholes=drawn(3, 2))
    y = b.add(lstm(Linear(drawn(4, 8)), Linear(drawn(2, 8)), cell, reverse=True), y)
    y = b.add(gru(Linear(drawn(2, 6)), Linear(drawn(2, 6)), reset_after=False), y)
    b.output(b.add(Softmax(0), y), "y")
    patches = Patches((3,), padding="same_upper", stride=(2,))
    b.output(b.convolution(maps, drawn(4, 2, 3), patches=patches), "maps out")
    return b.graph()


INPUTS = {"tokens": np.array([3, 0, 8]), "maps": drawn(2, 7)}


def test_a_graph_comes_back_whole(tmp_path: Path) -> None:
    graph = made()
    graph.save(tmp_path / "graph.npz")
    again = Graph.load(tmp_path / "graph.npz")
    assert again.digest == graph.digest
    assert [(node.name, type(node.operator), node.inputs, node.outputs) for node in again.nodes] == [
        (node.name, type(node.operator), node.inputs, node.outputs) for node in graph.nodes
    ]
    assert again.matrix_of == graph.matrix_of
    assert again.linears["key"] is again.linears["query"]
    first, second = graph.run(INPUTS), again.run(INPUTS)
    for name in graph.outputs:
        np.testing.assert_array_equal(first.outputs[name], second.outputs[name])
    np.testing.assert_array_equal(first.states["cache"], second.states["cache"])


def test_the_digest_is_of_everything() -> None:
    assert made().digest == made().digest
    assert made().digest != made(eps=1e-6).digest


def test_cut_short(tmp_path: Path) -> None:
    made().save(tmp_path / "graph.npz")
    raw = (tmp_path / "graph.npz").read_bytes()
    for length in (0, 10, len(raw) // 2, len(raw) - 5):
        (tmp_path / "cut.npz").write_bytes(raw[:length])
        with pytest.raises(NetworkError, match=r"cut\.npz holds no graph, or only part of one"):
            Graph.load(tmp_path / "cut.npz")


def objects() -> list[dict[str, Any]]:
    return Builder("empty").graph().to_parts()[0]["objects"]


def with_field(**changes: Any) -> list[dict[str, Any]]:
    (graph,) = objects()
    return [{"class": "Graph", "fields": graph["fields"] | changes}]


@pytest.mark.parametrize(
    ("meta", "arrays", "message"),
    [
        ({}, {}, "KeyError: 'objects'"),
        ({"objects": []}, {}, "the last object must be a Graph"),
        ({"objects": [{"class": "Relu", "fields": {}}]}, {}, "the last object must be a Graph"),
        ({"objects": [{"class": "Path", "fields": {}}]}, {}, "object 0 is a 'Path', which this code does not know"),
        ({"objects": [{"class": "Operator", "fields": {}}]}, {}, "is a 'Operator', which this code does not know"),
        ({"objects": [{"class": "Relu", "fields": {}}, *objects()]}, {}, "objects or arrays that nothing holds: 0"),
        ({"objects": objects()}, {"0": np.zeros(2)}, "objects or arrays that nothing holds: 0"),
        ({"objects": with_field(nodes=[{"object": 0}])}, {}, "stands for nothing that is there"),
        ({"objects": with_field(nodes=[{"object": -1}])}, {}, "stands for nothing that is there"),
        ({"objects": with_field(constants={"mapping": {"a": {"array": "0"}}})}, {}, "stands for nothing that is there"),
        (
            {"objects": with_field(constants={"mapping": {"a": {"array": "0"}}})},
            {"0": np.array(["text"])},
            "stands for nothing that is there",
        ),
        ({"objects": with_field(constants={"mapping": {"a": 1}})}, {}, r"constants\['a'\] must be an array, got 1"),
        ({"objects": with_field(name=1)}, {}, "object 0, Graph.name must be a text, got 1"),
        ({"objects": with_field(more=1)}, {}, "object 0, Graph.more does not belong there"),
        ({"objects": with_field(inputs="x")}, {}, "object 0, Graph.inputs must be a list"),
        ({"objects": [{"class": "Clip", "fields": {"low": "a", "high": None}}]}, {}, "Clip.low must be a number"),
        ({"objects": [{"class": "Clip", "fields": {"low": 2, "high": 1}}]}, {}, "low must not be above high"),
    ],
)
def test_what_is_no_graph_is_refused(meta: dict, arrays: dict, message: str, tmp_path: Path) -> None:
    write_archive(tmp_path / "graph.npz", "duramesh graph", 1, meta, arrays)
    with pytest.raises(NetworkError, match=rf"graph\.npz is damaged: .*{message}"):
        Graph.load(tmp_path / "graph.npz")


def test_operators_of_a_user_are_known_by_their_class(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Doubled(Operator):
        times: int = 1

        def run(self, *inputs: NDArray) -> tuple[NDArray, ...]:
            return (inputs[0] * 2**self.times,)

        def operations(self, *inputs: NDArray) -> int:
            return self.times * inputs[0].size

    graph = Graph((Node("twice", Doubled(2), ("x",), ("y",)),), ("x",), ("y",))
    graph.save(tmp_path / "graph.npz")
    assert Graph.load(tmp_path / "graph.npz").nodes[0].operator == Doubled(2)

    @dataclass(frozen=True)
    class Another(Doubled):
        pass

    Another.__name__ = "Doubled"
    with pytest.raises(NetworkError, match="there are several operators of that name; rename one"):
        Graph.load(tmp_path / "graph.npz")


def test_a_weight_that_changed_is_seen(tmp_path: Path) -> None:
    graph = made()
    meta, arrays = graph.to_parts()
    name = next(name for name, array in arrays.items() if array.shape == (4, 4))
    other = arrays | {name: arrays[name] + np.float32(1)}
    write_archive(tmp_path / "graph.npz", "duramesh graph", 1, {**meta, "digest": graph.digest}, other)
    with pytest.raises(NetworkError, match=r"graph\.npz is damaged: what it holds is not what was written"):
        Graph.load(tmp_path / "graph.npz")
