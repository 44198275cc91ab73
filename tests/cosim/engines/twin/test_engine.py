"""The twin: pulses against a simulation of single cycles, sums against the software, frames against frames."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.events import EventKind, TileEvent
from analog_models.programming import program as write_weights
from analog_models.reception import PadReceiver, TransportConfig
from cosim.benchmark.timing import Worker
from cosim.benchmark.work import mvm_work
from cosim.compiler import LayerOptions, MappingOptions, compile_network
from cosim.engines.results import Results
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine, make_chip
from cosim.fabric.timeline import Issue, run
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.isa.assembler import assemble
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import InputSlot, OutputSlot, Program, ProgramError, Unit
from rtl.config import preset

SMALL, CHIP = preset("small"), preset()
IDEAL = AnalogConfig.ideal()
MODELLED = AnalogConfig(transport=TransportConfig())
Networks = Callable[..., FeedForwardNetwork]
Inputs = Callable[..., NDArray[np.float64]]


@dataclass
class Compiled:
    """A program and the chip programmed for it."""

    program: Program
    chip: AnalogChip
    batch: int = 256

    def run(self, inputs: ArrayLike, **options: Any) -> Results:
        return TwinEngine(batch=self.batch).run(self.program, self.chip, inputs, **options)


def twin(network: FeedForwardNetwork, config=SMALL, analog=IDEAL, seed: int = 0, **options: Any) -> Compiled:
    """`network`, compiled and programmed."""
    program = compile_network(network, config, MappingOptions(analog=analog, **options))
    chip = make_chip(program, analog, seed=seed)
    write_weights(chip, program.targets)
    return Compiled(program, chip)


def assert_half_a_code(network: FeedForwardNetwork, results: Results, codes: NDArray[np.int16]) -> None:
    """Every layer's code is the software's, for the layer's own input, rounded: at most half a code away."""
    fed = codes / 255
    for layer, plan in zip(network.layers, results.layers, strict=True):
        exact = layer.forward(fed) * plan.code_scale + plan.code_zero
        assert np.abs(results.codes[plan.name] - exact).max() < 0.5 + 2e-3  # conductances are quantised as well
        fed = results.codes[plan.name] / plan.code_scale


# ---- sums


@pytest.mark.parametrize(
    ("widths", "overlapped"),
    [
        ((16, 4), False),
        *(
            (widths, flag)
            for widths in ((16, 16, 4), (32, 16, 16, 4), (50, 16, 4), (7, 5, 3))
            for flag in (False, True)
        ),
    ],
)
def test_ideal_small_networks_equal_the_software(
    widths: tuple[int, ...], overlapped: bool, random_network: Networks, random_inputs: Inputs
) -> None:
    network = random_network(*widths)
    engine = twin(network, overlapped=overlapped)
    inputs = random_inputs(200, widths[0])
    results = engine.run(inputs)
    assert results.frames == 200
    assert_half_a_code(network, results, engine.program.input_codes(inputs))
    assert len(np.unique(results.output)) > 20, "a test of something"


@pytest.mark.parametrize("overlapped", [False, True])
def test_ideal_kws_sized_network_equals_the_software(
    overlapped: bool, random_network: Networks, random_inputs: Inputs
) -> None:
    network = random_network(1024, 512, 512, 12)
    engine = twin(network, CHIP, overlapped=overlapped)
    inputs = random_inputs(24, 1024)
    assert_half_a_code(network, engine.run(inputs), engine.program.input_codes(inputs))


def test_one_weight_by_hand() -> None:
    """0.5 on an input of 1 with full scale 1: half of the swing, 127 or 128 cycles; of -1: nothing behind a ReLU."""
    for activation, expected in ((Activation.RELU, [[128], [0]]), (Activation.LINEAR, [[191], [64]])):
        network = FeedForwardNetwork((Layer(np.array([[0.5]]), activation, full_scale=1.0),))
        codes = twin(network).run(np.array([[1.0], [-1.0]])).output.astype(int)
        assert np.abs(codes - expected).max() <= 1


def test_asymmetry_balance_removes_the_path_mismatch(random_network: Networks, random_inputs: Inputs) -> None:
    """The overlapped frame balances the output layer, the strict one does not; G+/G- gains differ by a few percent."""
    mismatched = replace(IDEAL, periphery=replace(IDEAL.periphery, path_mismatch_sigma=0.1))
    network = random_network(16, 16, 16, 16)
    inputs = random_inputs(100, 16)
    errors = []
    for overlapped in (False, True):
        program = compile_network(network, SMALL, MappingOptions(analog=IDEAL, overlapped=overlapped))
        chip = make_chip(program, mismatched, seed=3)
        for tile, target in program.targets.items():  # as designed, not tuned against the mismatch
            pairs = np.stack([target.wp1, target.wp2])
            g = np.stack([np.maximum(pairs, 0), np.maximum(-pairs, 0)], axis=1).reshape(4, *pairs.shape[1:])
            chip.tile(tile).set_conductances(g * IDEAL.pcm.g_max_us)
        results = TwinEngine().run(program, chip, inputs)
        expected = network.layers[-1].forward(results.codes["layer1"] / program.layers[1].code_scale)
        errors.append(np.abs(results.values("layer2") - expected).max() * 127.5)
    assert errors[0] > 1.5
    assert errors[1] < 0.6


# ---- frames


def test_results_do_not_depend_on_the_batch(random_network: Networks, random_inputs: Inputs) -> None:
    engine = twin(random_network(32, 16, 4), analog=AnalogConfig(), seed=5)
    inputs = random_inputs(20, 32)
    whole = engine.run(inputs, first_frame=100)
    for batch in (1, 7):
        engine.batch = batch
        again = engine.run(inputs, first_frame=100)
        for name, codes in whole.codes.items():
            np.testing.assert_array_equal(codes, again.codes[name])
    part = engine.run(inputs[6:9], first_frame=106)
    np.testing.assert_array_equal(part.output, whole.output[6:9])
    other = engine.run(inputs, first_frame=500)
    assert np.any(other.codes["layer0"] != whole.codes["layer0"]), "noise is keyed by the frame's number"


def test_results_do_not_depend_on_the_order_of_frames(random_network: Networks, random_inputs: Inputs) -> None:
    """Frames that are run alone, in any order, and again, give the codes that they give together."""
    engine = twin(random_network(32, 16, 4), analog=MODELLED, seed=5)
    inputs = random_inputs(20, 32)
    whole = engine.run(inputs)
    for frame in (*np.random.default_rng(0).permutation(20).tolist(), 0, 19):
        alone = engine.run(inputs[frame : frame + 1], first_frame=frame)
        for name, codes in whole.codes.items():
            np.testing.assert_array_equal(alone.codes[name][0], codes[frame])


def _full_size_codes(threads: int) -> list[bytes]:
    """Codes of a layer as wide as a tile of the full chip, with noise: products large enough for threads."""
    program, chip = mvm_work(CHIP)
    inputs = np.random.default_rng(7).uniform(-1, 1, (300, program.input_width))
    with threadpool_limits(threads, user_api="blas"):
        return [codes.tobytes() for codes in TwinEngine().run(program, chip, inputs).codes.values()]


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    with Worker() as process:
        assert process.call(_full_size_codes, 1) == process.call(_full_size_codes, 2)


def test_codes_and_floats_are_the_same_inputs(random_network: Networks, random_inputs: Inputs) -> None:
    engine = twin(random_network(16, 4))
    inputs = random_inputs(5, 16)
    np.testing.assert_array_equal(engine.run(inputs).output, engine.run(np.rint(inputs * 255).astype(int)).output)


def test_no_frames_and_progress(random_network: Networks) -> None:
    engine = twin(random_network(16, 16, 4))
    results = engine.run(np.zeros((0, 16)))
    assert results.frames == 0
    assert results.codes["layer0"].shape == (0, 16)
    calls: list[tuple[int, int]] = []
    engine.batch = 2
    results = engine.run(np.zeros((5, 16)), progress=lambda done, all_: calls.append((done, all_)))
    assert calls == [(2, 5), (4, 5), (5, 5)]
    assert "cycles" not in results.statistics  # none are simulated
    assert results.predictions.shape == (5,)
    with pytest.raises(KeyError, match="no output 'layer9'; there are: layer0, layer1"):
        results.values("layer9")


def test_sizes_must_agree(random_network: Networks) -> None:
    engine = twin(random_network(16, 4))
    with pytest.raises(ProgramError, match=r"expected inputs of shape \(frames, 16\), got \(2, 15\)"):
        engine.run(np.zeros((2, 15)))
    large = make_chip(compile_network(random_network(16, 4), CHIP))
    with pytest.raises(ProgramError, match="the analog chip's"):
        TwinEngine().run(engine.program, large, np.zeros((2, 16)))


# ---- the other engine


@pytest.mark.cosimulation
@pytest.mark.parametrize(
    ("widths", "overlapped"),
    [((16, 4), False), ((50, 16, 4), False), ((32, 16, 16, 4), False), ((32, 16, 16, 4), True)],
)
def test_the_rtl_gives_the_same_codes(
    widths: tuple[int, ...], overlapped: bool, tool: str, random_network: Networks, random_inputs: Inputs
) -> None:
    """Bit for bit, with all noise, over several runs, the last one not full."""
    engine = twin(random_network(*widths), analog=AnalogConfig(), seed=4, overlapped=overlapped)
    inputs = random_inputs(2 * engine.program.frames_per_run + 1, widths[0])
    ours = engine.run(inputs, first_frame=7)
    theirs = RtlEngine(SMALL, tool=tool).run(engine.program, engine.chip, inputs, first_frame=7)
    assert set(theirs.codes) == set(ours.codes)
    for name, codes in ours.codes.items():
        np.testing.assert_array_equal(theirs.codes[name], codes)


#: The papers' other settings: half-length durations, seven bits from the pads, integer weights up to 80.
OTHER = {
    "duration": 127,
    "layers": {index: LayerOptions(readout_bits=7, max_weight=80) for index in range(2)},
}


def test_other_settings_of_the_papers_are_exact_on_the_ideal_chip(
    random_network: Networks, random_inputs: Inputs
) -> None:
    network = random_network(16, 16, 4)
    engine = twin(network, **OTHER)
    inputs = random_inputs(200, 16)
    results = engine.run(inputs)
    layer, plan = network.layers[0], results.layers[0]
    assert plan.readout_bits == 7
    weights = plan.on_grid(layer.weights * plan.weight_scale) / plan.weight_scale
    exact = replace(layer, weights=weights).forward(engine.program.input_codes(inputs) / 127)
    # Rounded to whole ns, and the lowest bit dropped: a pulse is at most a ns from the middle of its code.
    off = plan.durations(results.codes[plan.name]) - (exact * plan.code_scale + plan.code_zero)
    assert np.abs(off).max() < 1 + 0.06
    assert results.codes[plan.name].max() == 63
    assert len(np.unique(results.output)) > 20


@pytest.mark.cosimulation
def test_the_rtl_gives_the_same_codes_with_other_settings(random_network: Networks, random_inputs: Inputs) -> None:
    engine = twin(random_network(16, 16, 4), analog=AnalogConfig(), seed=4, **OTHER)
    inputs = random_inputs(3, 16)
    ours = engine.run(inputs)
    theirs = RtlEngine(SMALL).run(engine.program, engine.chip, inputs)
    for name, codes in ours.codes.items():
        np.testing.assert_array_equal(theirs.codes[name], codes)


# ---- pulses


class Recorder:
    """In place of the physics: keeps what it is served and gives random crossing times."""

    rows = column_count = SMALL.lanes
    bias_rows = SMALL.bias_rows

    def __init__(self) -> None:
        self.events: list[TileEvent] = []

    def serve(self, frames: NDArray[np.int64], events: list[TileEvent], _: Any = None) -> dict[int, NDArray[np.uint16]]:
        self.events += events
        ramps = [event for event in events if event.kind is EventKind.RAMP]
        return {event.tile: np.tile(crossings(event.tile, event.cycle), (len(frames), 1)) for event in ramps}

    def at_work(self) -> AbstractContextManager[None]:
        return nullcontext()

    def pad_receiver(self, olp: int) -> PadReceiver:
        return PadReceiver.of(TransportConfig.ideal(), seed=0, chip=0, olp=olp, wires=SMALL.lanes)


def crossings(tile: int, cycle: int) -> NDArray[np.uint16]:
    return np.random.default_rng([tile, cycle]).integers(0, 400, SMALL.lanes).astype(np.uint16)


def tile_to_tile(rng: np.random.Generator) -> dict[Unit, str]:
    """ILP W to tile 0; tile 0 to tile 2 and OLP W, with windows, routes and pulses that cut each other anyhow.

    Times come from a span in which most comparators are high, so that most cuts hit a pulse.
    """

    def times(low: int, high: int, count: int) -> list[int]:
        return sorted(rng.choice(np.arange(low, high), count, replace=False).tolist())

    ramp, ramp_off = times(300, 320, 1)[0], times(350, 560, 1)[0]
    enables = {
        cycle: f"ramp, output_enable={1 - i % 2}"
        for i, cycle in enumerate(times(ramp + 1, ramp_off + 20, rng.integers(1, 4)))
        if cycle < ramp_off
    }
    readouts = {ramp: "ramp", **enables, ramp_off: ""}
    routes = ["north_to_net=high, net_to_west=odd", "north_to_net=all, net_to_west=all, net_to_rows=even"]
    meshes = {cycle: routes[i % 2] for i, cycle in enumerate(times(310, 500, rng.integers(0, 5)))}
    (starts,), (stops,) = times(280, 400, 1), times(410, 560, 1)
    (opens,), (stores,) = times(280, 400, 1), times(410, 560, 1)
    fires = times(0, 260, rng.integers(1, 3))

    def lines(*operations: tuple[int, str]) -> str:
        # Several operations may want the same cycle: the later ones move on.
        placed: dict[int, str] = {}
        for cycle, text in sorted(operations, key=lambda item: item[0]):
            while cycle in placed:
                cycle += 1
            placed[cycle] = text
        return "\n".join(f"@{cycle} {text}" for cycle, text in sorted(placed.items())) + "\nHALT"

    return {
        Unit(TILE, 0): lines(
            (0, "MESH west_to_rows=all, columns_to_net=all, net_to_south=all"),
            (10, "ARRAY integrate, wp1"),
            (270, "ARRAY"),
            *((cycle, f"READOUT {text}") for cycle, text in readouts.items()),
        ),
        Unit(TILE, 2): lines(
            (0, f"MESH {routes[1]}"),
            *((cycle + 2, f"MESH {text}") for cycle, text in meshes.items()),
            (starts + 6, "ARRAY integrate, wp1"),
            (stops + 20, "ARRAY"),
        ),
        Unit(ILP, 0): lines(*((cycle, "PULSE fire") for cycle in fires)),
        Unit(OLP, 0): lines((opens, "COUNT open"), (stores + 5, "COUNT store")),
    }


def cycle_by_cycle(
    issues: Mapping[Unit, tuple[Issue, ...]], codes: NDArray[np.int16], cycles: int
) -> dict[str, NDArray]:
    """Row times and counts by stepping through single cycles, from docs/fabric.md and nothing else."""
    lanes = np.arange(16)
    patterns = [lanes < 0, lanes >= 0, lanes % 2 == 0, lanes % 2 == 1, lanes < 8, lanes >= 8]
    row_time = {0: np.zeros(16, int), 2: np.zeros(16, int)}
    count, fell, before = np.zeros(16, int), np.zeros(16, bool), np.zeros(16, bool)
    ramp_since: int | None = None
    counting = False

    def bank(unit: Unit, name: str, cycle: int) -> Mapping[str, int]:
        past = [issue for issue in issues[unit] if issue.bank == name and issue.cycle + 2 <= cycle]
        return past[-1].fields if past else {}

    for cycle in range(cycles):
        readout = bank(Unit(TILE, 0), "READOUT", cycle)
        if not readout.get("ramp"):
            ramp_since = None
        elif ramp_since is None:
            ramp_since = cycle
        columns = np.zeros(16, bool)
        if ramp_since is not None:
            k = crossings(0, ramp_since)
            columns = (cycle >= ramp_since + 8) & (cycle < ramp_since + 8 + k) & bool(readout.get("output_enable"))
        fired = [
            issue.cycle + 2 for issue in issues[Unit(ILP, 0)] if issue.bank == "PULSE" and issue.cycle + 2 <= cycle
        ]
        sent = cycle < fired[-1] + codes if fired else np.zeros(16, bool)
        mesh_0, mesh_2 = (bank(Unit(TILE, tile), "MESH", cycle) for tile in (0, 2))
        south = columns & patterns[mesh_0.get("columns_to_net", 0)] & patterns[mesh_0.get("net_to_south", 0)]
        net = south & patterns[mesh_2.get("north_to_net", 0)]
        rows = {0: sent & patterns[mesh_0.get("west_to_rows", 0)], 2: net & patterns[mesh_2.get("net_to_rows", 0)]}
        for tile, high in rows.items():
            if bank(Unit(TILE, tile), "ARRAY", cycle).get("integrate"):
                row_time[tile] += high
        wire = net & patterns[mesh_2.get("net_to_west", 0)]
        control = bank(Unit(OLP, 0), "COUNT", cycle)
        if control.get("open") and not counting:
            counting, before = True, np.zeros(16, bool)
        if control.get("store"):
            counting = False
        if counting:
            fell |= before & ~wire
            count += wire & ~fell
            before = wire
    return {"rows 0": row_time[0], "rows 2": row_time[2], "count": np.minimum(count, 255)}


@pytest.mark.parametrize("seed", range(50))
def test_pulses_cycle_by_cycle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    listings, codes = tile_to_tile(rng), rng.integers(0, 256, 16)
    units = {unit: assemble(text, unit.kind, SMALL) for unit, text in listings.items()}
    program = Program(
        config=SMALL,
        frame_cycles=1000,
        frames_per_run=1,
        units=units,
        inputs=(InputSlot(0, 0, 1, 0, 0, 16, 1),),
        outputs=(OutputSlot("layer0", 0, 0, 0, 1, 16),),
    )
    recorder = Recorder()
    results = TwinEngine().run(program, recorder, codes[np.newaxis])  # type: ignore[arg-type]
    issues = {unit: run(words, unit.kind, SMALL, 1000).issues for unit, words in units.items()}
    expected = cycle_by_cycle(issues, codes, 1000)
    times = {event.tile: event.row_time for event in recorder.events if event.kind is EventKind.INTEGRATE}
    for tile in (0, 2):
        row_time = times[tile]
        assert row_time is not None
        np.testing.assert_array_equal(row_time[0, :16], np.minimum(expected[f"rows {tile}"], 511))
    np.testing.assert_array_equal(results.codes["layer0"][0], expected["count"])


def test_programming_through_the_columns() -> None:
    """A RESET through the fabric: ILP pulses reach the columns from the south of tile 0 over tile 2."""
    listings = {
        Unit(TILE, 0): "MESH west_to_net=all, net_to_columns=all\n"
        "@10 WRITE write, row=5, device=wp1_minus, return_line=100\n@300 WRITE\nHALT",
        Unit(ILP, 0): "@20 PULSE fire\nHALT",
    }
    units = {unit: assemble(text, unit.kind, SMALL) for unit, text in listings.items()}
    program = Program(SMALL, 1000, 1, units, inputs=(InputSlot(0, 0, 1, 0, 0, 16, 1),))
    recorder = Recorder()
    TwinEngine().run(program, recorder, np.tile(np.arange(16), (2, 1)))  # type: ignore[arg-type]
    event, _ = recorder.events  # one frame after the other: a write changes the array for the next
    assert (event.kind, event.cycle, event.write_row, event.device, event.reset) == (EventKind.WRITE, 302, 5, 1, False)
    assert event.column_time is not None
    np.testing.assert_array_equal(event.column_time[0], np.arange(16))
