"""Networks that nobody wrote: chips without noise give the float network, the RTL gives the twin's codes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosim.calibration.ranges import Choice
from cosim.compiler.matrices import LayoutOptions, MatrixOptions
from cosim.graph import Builder, Graph, Linear
from cosim.graph.operators.activations import Relu, Tanh
from cosim.graph.operators.arithmetic import Sum
from cosim.graph.operators.recurrent import lstm
from cosim.program import Mode, ProgramError
from cosim.system.building import BuildOptions, build
from cosim.system.image import SystemImage
from cosim.system.network import Network
from cosim.system.system import Run, System
from rtl.config import ChipConfig, preset
from tests.cosim.system.networks import ROOMY, SMALL

#: Nothing is cut off: inputs and products of the samples, which are what is run, stay within their ranges.
WIDE = Choice(inputs=1.0, outputs=1.2)
STEPS = 2


@st.composite
def graphs(draw: st.DrawFn, most: int, layers: int) -> Graph:
    """Up to so many layers: a new matrix, one again, two side by side whose outputs are added, or a loop."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    widths = st.one_of(st.integers(1, most), st.sampled_from([1, most]))

    def matrix(inputs: int, outputs: int) -> Linear:
        bias = random.normal(0, 0.2, outputs) if draw(st.booleans()) else None
        return Linear(random.normal(0, 1 / np.sqrt(inputs), (inputs, outputs)), bias)

    b = Builder("drawn")
    width = draw(widths)
    value, known = b.input(f"x{width}"), list[Linear]()
    for number in range(draw(st.integers(1, layers))):
        again = [one for one in known if one.inputs == width]
        kind = draw(st.sampled_from(["new", "beside", "loop", *(["again"] if again else [])]))
        following = draw(widths)
        if kind == "again":
            chosen = draw(st.sampled_from(again))
            following = chosen.outputs
            value = b.linear(value, chosen, name=f"again{number}")
        elif kind == "loop":
            following = -(-following // 5)  # its matrices have four times as many columns
            cell = lstm(matrix(width, 4 * following), matrix(following, 4 * following))
            value = b.add_several(cell, value, name=f"loop{number}")[0]
        elif kind == "beside":
            pair = [b.linear(value, matrix(width, following), name=f"beside{number}{side}") for side in "ab"]
            value = b.add(Sum(), *pair)
        else:
            known.append(matrix(width, following))
            value = b.linear(value, known[-1], name=f"new{number}")
        value = b.add(draw(st.sampled_from([Relu(), Tanh()])), value)
        width = following
    b.output(b.linear(value, matrix(width, draw(widths)), name="last"), "y")
    return b.graph()


@st.composite
def images(
    draw: st.DrawFn, most: int = 40, layers: int = 4, config: ChipConfig = ROOMY
) -> tuple[SystemImage, list[NDArray[np.float32]]]:
    """A network on chips, and the inputs that it was calibrated with: sequences of one or two steps."""
    graph = draw(graphs(most, layers))
    network = Network.of(graph)
    random = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    (name,) = graph.inputs
    inputs = [random.normal(0, 1, (1 + n % STEPS, int(name[1:]))).astype(np.float32) for n in range(24)]
    options = st.builds(
        MatrixOptions,
        mode=st.sampled_from([None, *Mode]),
        copies=st.integers(1, 2),
        joined=st.sampled_from([None, False]),
    )
    layout = LayoutOptions(matrices={matrix: draw(options) for matrix in network.matrices})
    chosen = BuildOptions(layout, ranges=WIDE, trials=0)
    try:
        return build(network, lambda: (network.walk({name: x}) for x in inputs), chosen, config=config), inputs
    except ProgramError:  # the words of all its layers are more than a small chip's memory holds
        reject()


SOME = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@given(images())
@SOME
def test_chips_without_noise_are_float_to_within_their_codes(drawn: tuple[SystemImage, list[NDArray]]) -> None:
    """docs/system.md: half a code of every input, and one code of every block."""
    image, inputs = drawn
    system = System(image, Run("ideal"))
    (name,) = image.network.only.inputs
    largest: dict[str, float] = {}

    def watched(walk):  # type: ignore[no-untyped-def]
        answers = None
        while True:
            try:
                request = next(walk) if answers is None else walk.send(answers)
            except StopIteration:
                return
            answers = yield request
            for node, x, y in zip(request.nodes, request.inputs, answers, strict=True):
                off = np.abs(y - image.network.linears[node].run(x)[0]) / bound(image, node)
                largest[node] = max(largest.get(node, 0.0), float(off[within(image, node, x)].max(initial=0.0)))

    system.results(watched(system.network.walk({name: x})) for x in inputs)
    assert largest.keys() == image.network.linears.keys()
    assert max(largest.values()) <= 1


def bound(image: SystemImage, node: str) -> NDArray[np.float64]:
    """Most that an output of a node may be off, (columns,)."""
    matrix = image.network.matrix_of[node]
    coding, weights = image.codings[matrix], image.weights[matrix]
    half_input = coding.inputs[node] / (2 * coding.duration)
    most = half_input * (coding.rows[:, None] * np.abs(weights)).sum(axis=0)
    for block in image.layout.blocks_of[matrix]:
        code = coding.worth(node, block.name) * coding.full_scale[block.name] / (coding.duration / 2)
        most[slice(*block.columns)] += code / image.layout.copies.get(matrix, 1)
    return most + 1e-5


def within(image: SystemImage, node: str, x: NDArray) -> NDArray[np.bool_]:
    """Frames whose inputs are in range: those of noisy steps before may leave it a little."""
    coding = image.codings[image.network.matrix_of[node]]
    reach = coding.rows * coding.inputs[node] * (1 + 1e-6)
    return (np.abs(x - coding.centres[node]) <= reach).all(axis=-1)


@pytest.mark.long
@given(images(most=100))
@settings(SOME, max_examples=40)
def test_many_chips_without_noise(drawn: tuple[SystemImage, list[NDArray]]) -> None:
    test_chips_without_noise_are_float_to_within_their_codes.hypothesis.inner_test(drawn)  # type: ignore[attr-defined]


@pytest.mark.long
@given(images(most=3000, layers=3, config=preset()))
@settings(SOME, max_examples=40)
def test_networks_of_any_size_on_full_chips(drawn: tuple[SystemImage, list[NDArray]]) -> None:
    """Matrices of 1 to 3,000 rows and columns, on as many chips as they take."""
    test_chips_without_noise_are_float_to_within_their_codes.hypothesis.inner_test(drawn)  # type: ignore[attr-defined]


@pytest.mark.long
@given(images(most=24, layers=2, config=SMALL))
@settings(SOME, max_examples=8)
def test_rtl_is_twin(drawn: tuple[SystemImage, list[NDArray]]) -> None:
    """Every code of every chip; the first difference would be named."""
    image, inputs = drawn
    (name,) = image.network.only.inputs
    with System(image, Run("both", seed=1)) as system:
        system.results(system.network.walk({name: x}) for x in inputs[:2])
        assert all(one["compared_codes"] > 0 for one in system.statistics)
