"""What users give a network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.graph import Builder, Graph, chain
from cosim.graph.operators.activations import Relu
from cosim.graph.operators.arithmetic import Sum
from cosim.system.inputs import InputError, have_batch_axis, joined, read_inputs, samples_of

ONE = chain([Relu()])


def two() -> Graph:
    b = Builder("two")
    b.output(b.add(Sum(), b.input("a"), b.input("b")), "y")
    return b.graph()


@pytest.mark.parametrize(
    ("inputs", "shapes"),
    [
        (np.zeros((3, 4)), [(4,)] * 3),
        ([np.zeros((2, 4)), np.zeros((5, 4))], [(2, 4), (5, 4)]),
        ({"x": np.zeros((3, 4))}, [(4,)] * 3),
        ([{"x": np.zeros(4)}, {"x": np.zeros(2)}], [(4,), (2,)]),
    ],
)
def test_samples(inputs: Any, shapes: list[tuple[int, ...]]) -> None:
    samples = samples_of(ONE, inputs)
    assert [sample["x"].shape for sample in samples] == shapes
    assert {sample["x"].dtype for sample in samples} == {np.dtype(np.float32)}


def test_a_batch_axis_stays_where_the_model_has_one() -> None:
    assert [sample["x"].shape for sample in samples_of(ONE, np.zeros((3, 4)), {"x": 2})] == [(1, 4)] * 3
    assert [sample["x"].shape for sample in samples_of(ONE, np.zeros((3, 1, 4)), {"x": 2})] == [(1, 4)] * 3


def test_several_inputs_by_name() -> None:
    samples = samples_of(two(), {"a": np.zeros((3, 4)), "b": np.ones(3, np.int32)})
    assert [(sample["a"].shape, sample["b"]) for sample in samples] == [((4,), 1)] * 3
    assert samples[0]["b"].dtype == np.int64


@pytest.mark.parametrize(
    ("graph", "inputs", "message"),
    [
        (ONE, np.zeros((0, 4)), "no samples"),
        (ONE, {"z": np.zeros((3, 4))}, "takes x; got z"),
        (ONE, np.array([["a"]]), "<U1; expected real numbers"),
        (ONE, np.array([[0, 1], [2, np.nan]]), r"sample 1 is NaN or infinite at \(1\)"),
        (ONE, np.zeros((3, 4), complex), "complex128"),
        (two(), np.zeros((3, 4)), "takes a, b; give a mapping"),
        (two(), {"a": np.zeros((3, 4)), "b": np.zeros((2, 4))}, "different numbers of samples"),
        (two(), {"a": np.zeros((3, 4))}, "takes a, b; got a"),
        (two(), [{"a": np.zeros(4)}], "takes a, b; sample 0 has a"),
    ],
)
def test_what_is_no_input_is_refused(graph: Graph, inputs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        samples_of(graph, inputs)


def test_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3))
    np.savez(tmp_path / "x.npz", a=np.arange(2))
    assert read_inputs(tmp_path / "x.npy").tolist() == [0, 1, 2]  # type: ignore[union-attr]
    assert read_inputs(tmp_path / "x.npz")["a"].tolist() == [0, 1]
    np.save(tmp_path / "o.npy", np.array([None]), allow_pickle=True)
    for name, content in (("o.npy", None), ("t.npy", b"text"), ("t.npz", b"PK\x03\x04")):
        if content:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_inputs(tmp_path / name)


def test_outputs_are_joined_where_they_have_one_shape() -> None:
    outputs = joined([{"y": np.zeros(2), "z": np.zeros(1)}, {"y": np.ones(2), "z": np.zeros(3)}])
    assert np.shape(outputs["y"]) == (2, 2)
    assert [len(array) for array in outputs["z"]] == [1, 3]


def test_a_batch_axis_of_the_model_is_the_samples() -> None:
    samples = samples_of(ONE, np.zeros((3, 4)), {"x": 2})
    assert have_batch_axis(samples, {"x": 2})
    assert not have_batch_axis(samples_of(ONE, np.zeros((3, 4))), {})
    outputs = [{"y": np.zeros((1, 2)), "z": np.zeros(5)}] * 3
    assert {name: np.shape(array) for name, array in joined(outputs, batched=True).items()} == {
        "y": (3, 2),
        "z": (3, 5),
    }
    assert np.shape(joined(outputs)["y"]) == (3, 1, 2)
