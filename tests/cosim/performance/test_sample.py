"""Samples of networks with several graphs, and what the host multiplies itself."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import LayoutOptions
from cosim.graph import Graph, Linear
from cosim.graph.builder import Builder
from cosim.graph.graph import Walk
from cosim.graph.operators.activations import Relu
from cosim.graph.operators.arithmetic import Sum
from cosim.graph.operators.recurrent import lstm
from cosim.performance.constants import EnergyConstants
from cosim.performance.host import Aside, HostTiming
from cosim.performance.numbers import ImageNumbers
from cosim.performance.report import PerformanceReport, image_report
from cosim.performance.sample import Stage, stages
from cosim.performance.trace import trace
from cosim.system import BuildOptions, Network, Run, System, SystemImage, build
from cosim.system.inputs import InputError
from rtl.config import preset

SMALL = replace(preset("small"), program_depth=512, pad_program_depth=512)
RANDOM = np.random.default_rng(5)
FEATURES = RANDOM.uniform(-1, 1, (7, 6)).astype(np.float32)
STEPS = 3
CONSTANTS = EnergyConstants.nominal()


def matrix(rows: int, columns: int) -> Linear:
    return Linear(RANDOM.uniform(-1, 1, (rows, columns)).astype(np.float32))


def encoder() -> Graph:
    b = Builder("encoder")
    x = b.input("features")
    b.output(b.add(Relu(), b.linear(x, matrix(6, 4), name="fc"), name="relu"), "hidden")
    return b.graph()


def keys() -> Graph:
    b = Builder("keys")
    b.output(b.linear(b.input("heard"), matrix(4, 4), name="k"), "keys")
    return b.graph()


def decoder() -> Graph:
    """An LSTM on what is said, one entry a step, and what was heard added."""
    b = Builder("decoder")
    said, heard = b.input("said"), b.input("keys")
    both = b.add(Sum(), said, heard, name="both")
    b.output(b.add_several(lstm(matrix(4, 16), matrix(4, 16)), both, name="lstm")[0], "logits")
    return b.graph()


def heard(network: Network) -> Walk[int]:
    encoded = yield from network.walk({"features": FEATURES}, graph="encoder")
    cross = yield from network.walk({"heard": encoded.outputs["hidden"]}, graph="keys")
    for _ in range(STEPS):
        given = {"said": np.ones((1, 4), np.float32), "keys": cross.outputs["keys"]}
        yield from network.walk(given, graph="decoder")
    return STEPS


@pytest.fixture(scope="module")
def image() -> SystemImage:
    network = Network({"encoder": encoder(), "keys": keys(), "decoder": decoder()})

    def walks() -> Iterator[Walk[int]]:
        return (heard(network) for _ in range(3))

    options = BuildOptions(LayoutOptions(chips=1), trials=0)
    return build(network, walks, options, config=SMALL, loss=lambda results: 0.0)


def report(image: SystemImage, sample: list[Stage], host: HostTiming | None = None) -> PerformanceReport:
    return image_report(image, CONSTANTS, name="heard", sample=sample, host=host)[0]


def test_graphs_of_a_sample_take_the_frames_that_chips_run(image: SystemImage) -> None:
    arrays = {"encoder/features": FEATURES, "decoder/said": np.ones((1, 4), np.float32)}
    found = report(image, stages(image, arrays, {"decoder": STEPS})).sample
    assert found is not None
    with System(image, Run("ideal", AnalogConfig.ideal())) as system:
        system.results([heard(image.network)])
        frames = sum(session["frames"] for session in system.statistics)
    assert sum(found.frames.values()) == frames
    once = report(image, stages(image, arrays, {})).sample
    assert once is not None
    twice = report(image, stages(image, arrays, {"decoder": 2})).sample
    assert twice is not None
    # Steps follow one another: each takes as long as the one before it.
    assert found.latency_us - twice.latency_us == pytest.approx(twice.latency_us - once.latency_us)
    assert found.latency_us > twice.latency_us > once.latency_us


def test_a_graph_behind_another_waits_entry_by_entry_for_what_it_puts_out(image: SystemImage) -> None:
    """Keys of the first position begin before the last position is encoded, unless they are given by themselves."""
    host = HostTiming(layer_ns=300.0)
    wired = [Stage("encoder", {"features": FEATURES}), Stage("keys", {})]
    given = [wired[0], Stage("keys", {"heard": np.ones((7, 4), np.float32)})]
    begun = []
    for sample in (wired, given):
        jobs = trace(image.network, image.layout, sample, host).jobs
        timing = jobs.timing()
        ends = timing.ends + np.array(jobs.lag)
        encoded = [ends[job] for job, name in enumerate(jobs.names) if "fc" in name]
        first = min(start for start, name in zip(timing.starts, jobs.names, strict=True) if name.startswith("keys/"))
        begun.append(first < max(encoded))
    assert begun == [True, False]


def test_what_is_no_sample_is_said(image: SystemImage) -> None:
    said = {"decoder/said": np.ones((1, 4), np.float32)}
    for arrays, steps, message in (
        (FEATURES, {}, "the network has graphs encoder, keys, decoder; give an .npz file with encoder/features"),
        ({"encoder/x": FEATURES}, {}, "'encoder/x' is no input of the network; it has encoder/features"),
        ({"encoder/features": FEATURES, **said}, {"head": 2}, "the network has no graph 'head'"),
        ({"encoder/features": FEATURES.astype(complex), **said}, {}, "expected real numbers"),
    ):
        with pytest.raises(InputError, match=message):
            stages(image, arrays, steps)
    with pytest.raises(InputError, match="encoder takes features; nothing gives features"):
        report(image, stages(image, said, {}))
    with pytest.raises(InputError, match="keys takes heard; it has no x"):
        report(image, [Stage("encoder", {"features": FEATURES}), Stage("keys", {"x": FEATURES})])


def outlying(outliers: float) -> SystemImage:
    """A matrix one of whose inputs is a thousand times larger than all others."""
    b = Builder("outlying")
    b.output(b.linear(b.input("x"), Linear(np.random.default_rng(1).uniform(-1, 1, (16, 8)), None), name="fc"), "y")
    network = Network.of(b.graph())
    samples = np.random.default_rng(2).normal(0, 1, (40, 5, 16)).astype(np.float32)
    samples[:, :, 3] *= 1000
    options = BuildOptions(LayoutOptions(chips=1), outliers=outliers, trials=0)
    return build(network, lambda: (network.walk({"x": x}) for x in samples), options, config=SMALL)


def test_outliers_are_the_host_s_operations_and_not_the_chip_s() -> None:
    kept, all_there = outlying(0.1), outlying(0.0)
    assert kept.codings["fc"].outliers == (3,)
    assert ImageNumbers(kept).aside == {"fc": Aside(outliers=16)}
    sample = [Stage("", {"x": np.ones((5, 16), np.float32)})]
    own, whole = report(kept, sample), report(all_there, sample)
    assert own.sample is not None
    assert whole.sample is not None
    assert own.sample.host["outliers"] == 5 * 2 * 8
    assert "outliers" not in whole.sample.host
    assert whole.sample.operations - own.sample.operations == own.sample.host["outliers"]
    assert sum(entry.operations for entry in whole.entries) == 2 * 16 * 8
    assert sum(entry.operations for entry in own.entries) == 2 * 15 * 8
    assert own.sample.host_operations == sum(own.sample.host.values())


def test_an_expansion_is_the_host_s_before_its_frames() -> None:
    b = Builder("expanded")
    b.output(b.linear(b.input("x"), matrix(8, 8), name="fc"), "y")
    network = Network.of(b.graph())
    samples = np.random.default_rng(2).normal(0, 1, (20, 5, 8)).astype(np.float32)
    options = BuildOptions(LayoutOptions(chips=1), expansion={"fc": 2.0}, trials=0)
    image = build(network, lambda: (network.walk({"x": x}) for x in samples), options, config=SMALL)
    found = report(image, [Stage("", {"x": samples[0]})])
    assert found.sample is not None
    assert found.sample.host["weight expansion"] == 5 * 2 * 8 * 16
    assert found.sample.operations == 5 * 2 * 8 * 8
    assert sum(entry.operations for entry in found.entries) == 2 * 8 * 8
