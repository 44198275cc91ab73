"""What a sample asks for: as many frames as chips run, as many operations as operators count."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import LayoutOptions, lay_out
from cosim.graph import Graph
from cosim.graph.builder import Builder
from cosim.graph.counting import OperationCount
from cosim.graph.linear import Linear
from cosim.graph.operators.activations import Relu, Softmax
from cosim.graph.operators.recurrent import lstm
from cosim.graph.operators.stacking import StackFrames
from cosim.performance.constants import EnergyConstants
from cosim.performance.host import HostTiming
from cosim.performance.numbers import ImageNumbers
from cosim.performance.report import image_report
from cosim.performance.sample import Stage
from cosim.performance.trace import Trace, trace
from cosim.system import BuildOptions, Network, Run, System, build
from rtl.config import preset

#: Two landing pads: many calls, and words for them.
SMALL = replace(preset("small"), program_depth=512, pad_program_depth=512)
RANDOM = np.random.default_rng(0)
LAYER = HostTiming(layer_ns=300.0)


def matrix(rows: int, columns: int) -> Linear:
    return Linear(RANDOM.uniform(-1, 1, (rows, columns)).astype(np.float32))


def recurrent(layers: int = 2, stacked: bool = False) -> Graph:
    """LSTMs of width 4, the second behind a time stacking or not."""
    b = Builder("lstms")
    x = b.input("x")
    for layer in range(layers):
        if layer and stacked:
            x = b.add(StackFrames(2), x, name="stacked")
        x = b.add_several(lstm(matrix(8 if layer and stacked else 4, 16), matrix(4, 16)), x, name=f"lstm{layer}")[0]
    b.output(x, "y")
    return b.graph()


def perceptron() -> Graph:
    b = Builder("mlp")
    x = b.input("x")
    hidden = b.add(Relu(), b.linear(x, matrix(6, 8), name="fc1"), name="relu")
    b.output(b.add(Softmax(axis=0), b.linear(hidden, matrix(8, 4), name="fc2"), name="softmax"), "y")
    return b.graph()


def traced(graph: Graph, x: np.ndarray, host: HostTiming = LAYER, chips: int = 1) -> tuple[Trace, Network]:
    network = Network.of(graph)
    shapes = {name: (one.inputs, one.outputs) for name, one in network.matrices.items()}
    layout = lay_out(shapes, network.waves, LayoutOptions(chips=chips), SMALL)
    return trace(network, layout, [Stage("", {"x": x.astype(np.float32)})], host), network


def test_layers_on_one_chip_fill_each_other_s_gaps() -> None:
    """Two frames a step and layer, for the pads are few; one layer alone waits for the host after each step."""
    alone, both = (traced(recurrent(layers), np.ones((5, 4)))[0] for layers in (1, 2))
    ns = both.jobs.ns[0]
    assert (alone.frames.total(), both.frames.total()) == (10, 20)
    assert both.jobs.timing().busy_ns()["chip 0"] == 20 * ns
    times = [found.jobs.timing().total_ns for found in (alone, both)]
    assert 10 * ns < times[0]
    assert 20 * ns < times[1] < 2 * times[0]


def test_steps_begin_when_the_same_steps_of_the_layer_before_are_done() -> None:
    found, _ = traced(recurrent(stacked=True), np.ones((6, 4)), chips=2)
    jobs, timing = found.jobs, found.jobs.timing()
    frames: dict[str, list[int]] = {}
    for job, name in enumerate(jobs.names):
        if jobs.resources[jobs.at[job]] != "host":
            frames.setdefault(name, []).append(job)
    assert {name: len(own) for name, own in frames.items()} == {
        "lstm0/input": 6, "lstm0/recurrent": 6, "lstm1/input": 3, "lstm1/recurrent": 3
    }  # fmt: skip
    done = timing.ends + np.array(jobs.lag)
    for at, one in enumerate(frames["lstm1/input"]):
        needed = [frames[name][2 * at + 1] for name in ("lstm0/input", "lstm0/recurrent")]
        assert timing.starts[one] >= done[needed].max()
    for before, later in pairwise(frames["lstm0/recurrent"]):
        assert timing.starts[later] >= done[before]
    # A pipeline: the second layer is at work before the first one is done.
    assert timing.starts[frames["lstm1/recurrent"][0]] < timing.starts[frames["lstm0/recurrent"][-1]]


def test_rows_of_a_perceptron_go_on_by_themselves_until_something_needs_them_all() -> None:
    found, _ = traced(perceptron(), np.ones((4, 6)), HostTiming(counted=True))
    jobs = found.jobs
    softmax = jobs.names.index("softmax")
    assert jobs.waits[softmax] == 4  # along the first axis: of all rows
    assert [jobs.waits[job] for job, name in enumerate(jobs.names) if name == "relu"] == [1] * 4


@pytest.mark.parametrize("graph", [recurrent(), recurrent(stacked=True), perceptron()])
def test_operations_are_those_that_operators_count(graph: Graph) -> None:
    x = np.ones((6, 6 if graph.name == "mlp" else 4), np.float32)
    found, network = traced(graph, x)
    count = OperationCount()
    graph.run({"x": x}, observe=count)
    assert found.products == sum(count.products.values())  # no biases
    around = Counter({kind: found.host[kind] for kind in ("affine", "sums of blocks")})
    assert found.host.total() - around.total() == sum(count.host.values())
    outputs = sum(2 * network.matrices[network.matrix_of[node]].outputs * 1 for node in network.linears)
    assert around["affine"] >= outputs


def test_an_image_s_frames_are_those_that_its_chips_run() -> None:
    """And its own report adds up: all groups, all frames, and waiting of whatever is left of the time."""
    graph = recurrent()
    network = Network.of(graph)
    samples = [{"x": RANDOM.uniform(-1, 1, (5, 4)).astype(np.float32)} for _ in range(4)]
    options = BuildOptions(LayoutOptions(chips=1), trials=0)
    image = build(network, lambda: map(network.walk, samples), options, config=SMALL)
    constants = EnergyConstants.nominal()
    report, timing = image_report(image, constants, name="lstms", sample=[Stage("", samples[0])], host=LAYER)
    assert timing is not None
    assert report.sample is not None
    with System(image, Run("ideal", AnalogConfig.ideal())) as system:
        system.run([samples[0]["x"]])
        frames = sum(session["frames"] for session in system.statistics)
    assert sum(report.sample.frames.values()) == frames
    for entry in report.entries:
        for group in (entry.by_supply, entry.by_mechanism, entry.by_unit, entry.by_step):
            assert sum(group.values()) == pytest.approx(entry.nj)
        assert entry.tops_w == pytest.approx(1e-3 * entry.operations / entry.nj)
        assert entry.steps == entry.frame_ns / 300
    total = report.sample.chips_uj * 1e3 + report.sample.waiting_uj * 1e3
    static = constants.fitted.chip_w * timing.total_ns
    dynamic = sum(
        trace(network, image.layout, [Stage("", samples[0])], LAYER).frames[entry.chip, entry.entry]
        * (entry.nj - entry.by_mechanism["clock and static"])
        for entry in report.entries
    )
    assert total == pytest.approx(static + dynamic)


def test_codes_of_an_image_are_those_of_its_samples() -> None:
    network = Network.of(perceptron())
    samples = [{"x": RANDOM.uniform(-1, 1, (3, 6)).astype(np.float32)} for _ in range(8)]
    image = build(
        network, lambda: map(network.walk, samples), BuildOptions(LayoutOptions(chips=1), trials=0), config=SMALL
    )
    codes = ImageNumbers(image).codes("fc1", 6)
    coding = image.codings["fc1"]
    own = coding.codes("fc1", coding.spread(image.samples["fc1"])).astype(float)
    np.testing.assert_allclose(codes.mean[0] - codes.mean[1], own.mean(0))
    np.testing.assert_allclose(codes.share.sum(0), (own != 0).mean(0))
