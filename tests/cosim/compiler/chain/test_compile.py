"""The compiler: modes, steps, placements and scales; what does not fit is said."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analog_models.config import AnalogConfig
from cosim.compiler import LayerOptions, MappingError, MappingOptions, compile_network
from cosim.fabric.checker import check
from cosim.fabric.derivation import derive
from cosim.fabric.events import Count, Integrate, Ramp
from cosim.fabric.timeline import run
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.isa.words import TILE, decode
from cosim.program import WEIGHT_UNITS, Mode, Program, ProgramError
from rtl.config import Edge, PadSite, preset

SMALL, CHIP = preset("small"), preset()
KWS = (1024, 512, 512, 12)
Networks = Callable[..., FeedForwardNetwork]


@pytest.fixture(scope="module")
def kws(random_network: Networks) -> Program:
    return compile_network(random_network(*KWS), CHIP)


@pytest.fixture(scope="module")
def overlapped(random_network: Networks) -> Program:
    return compile_network(random_network(*KWS), CHIP, MappingOptions(overlapped=True))


def test_kws_takes_eight_steps_and_four_tiles(kws: Program) -> None:
    """Nature 620, 768 (2023): 8 steps of 300 ns, two tiles for the first layer, one for each of the others."""
    assert kws.frame_cycles == 2400
    assert kws.frames_per_run == 16
    assert [layer.mode for layer in kws.layers] == [Mode.BALANCED, Mode.BALANCED, Mode.DOUBLE]
    assert [len(layer.tiles) for layer in kws.layers] == [2, 1, 1]
    assert kws.layers[0].tiles in set(CHIP.floorplan.capacitor_pairs())
    assert sorted(kws.targets) == sorted(tile for layer in kws.layers for tile in layer.tiles)
    events = derive(kws).events
    assert max(event.cycle for event in events) < 2400
    integrations = [event for event in events if isinstance(event, Integrate)]
    assert len(integrations) == 2 * 4 + 2 + 1
    first = [event.controls for event in integrations if event.tile == kws.layers[0].tiles[0]]
    read = [(bank["wp1"], bank["wp2"], bank["discharge"]) for bank in first]
    assert read == [(1, 0, 0), (1, 0, 1), (0, 1, 1), (0, 1, 0)]
    assert len([event for event in events if isinstance(event, Ramp)]) == 2 + 1 + 1


def test_overlap_balances_every_layer_in_the_same_period(overlapped: Program) -> None:
    assert overlapped.frame_cycles == 2400
    assert [layer.mode for layer in overlapped.layers] == [Mode.BALANCED] * 3
    last = max(derive(overlapped).events, key=lambda event: event.cycle)
    assert isinstance(last, Count)
    assert 2400 < last.cycle < 2700, "the latency is nine steps"


def test_pulses_lie_inside_their_windows(kws: Program) -> None:
    """An integration hears all that an ILP or a ramp sends; a readout's window is 255 cycles: full scale."""
    for event in derive(kws).events:
        if isinstance(event, Integrate | Count):
            for link in event.links:
                assert link.start <= link.source.start
                assert link.stop >= link.source.stop
                assert link.lanes.all()
        if isinstance(event, Ramp):
            ((opens, closes),) = event.windows
            assert closes - opens == 255


@pytest.mark.parametrize("name", ["kws", "overlapped"])
def test_every_loop_body_is_exactly_one_frame(name: str, request: pytest.FixtureRequest) -> None:
    program: Program = request.getfixturevalue(name)
    loops = 0
    for unit, words in program.units.items():
        operations = [decode(unit.kind, word) for word in words]
        assert operations[-1].mnemonic == "HALT"
        for operation in operations:
            if operation.mnemonic == "LOOP":
                loops += 1
                body = operations[operation.fields["target"] : operations.index(operation) + 1]
                assert sum(op.wait + 1 for op in body) == 2400
                assert operation.fields["count"] == 16
        timeline = run(words, unit.kind, CHIP, 10**6)
        origin = program.origins.get(unit, 0)
        assert timeline.halted in (1, origin + 16 * 2400 + 1, origin + 16 * 2400 + 302)
    assert loops >= 4 + 2 + 3
    assert len(program.units) == 34 + 6 + 6, "the others halt at once instead of running into empty SRAM"


def test_what_is_heard_where(kws: Program) -> None:
    """The output has its own landing pad; hidden layers are observed at others; slots do not clash."""
    assert [output.name for output in kws.outputs] == ["layer0", "layer1", "layer2"]
    assert [output.width for output in kws.outputs] == [512, 512, 12]
    slots = {(out.olp, out.slot + out.stride * frame) for out in kws.outputs for frame in range(16)}
    assert len(slots) == 3 * 16
    vectors = {(slot.ilp, slot.slot + slot.stride * frame) for slot in kws.inputs for frame in range(16)}
    assert len(vectors) == 4 * 16
    assert {(slot.first, slot.count, slot.sign) for slot in kws.inputs} == {
        (first, 512, sign) for first in (0, 512) for sign in (1, -1)
    }


def test_targets_hold_the_weights(random_network: Networks) -> None:
    network = random_network(40, 16, 4)
    program = compile_network(network, SMALL)
    first, second = program.layers
    assert first.mode is Mode.STACKED
    north, south = (program.targets[tile] for tile in first.tiles)
    scaled = network.layers[0].weights * first.weight_scale
    np.testing.assert_allclose(north.wp1[:16], scaled[:16])
    np.testing.assert_allclose(south.wp1[:16], scaled[16:32])
    np.testing.assert_allclose(north.wp2[:8], scaled[32:])
    for rest in (north.wp2[8:], south.wp2, north.wp1[16:]):
        assert not np.any(rest)
    balanced = program.targets[second.tiles[0]]
    np.testing.assert_array_equal(balanced.wp1, -balanced.wp2)


def test_scales_meet_the_operating_point(random_network: Networks) -> None:
    """Full scale is 0.45 V: +-127.5 codes from 0.3 V at full slope, or 255 from the precharge level at half slope."""
    program = compile_network(random_network(*KWS), CHIP)
    hidden, output = program.layers[0], program.layers[-1]
    assert (output.ramp_start, output.ramp_slope, output.enable_offset) == (60, 128, 0)
    assert (hidden.ramp_start, hidden.ramp_slope, hidden.enable_offset) == (144, 64, 17)
    assert hidden.code_scale == pytest.approx(255)
    assert hidden.code_zero == pytest.approx(0, abs=1e-9)
    assert (output.code_scale, output.code_zero) == (pytest.approx(127.5), pytest.approx(127.5))
    analog = AnalogConfig()
    for plan, full_scale, unit in zip(program.layers, (9.6, 6.788, 6.788), (255, 255, 255), strict=True):
        mac = full_scale * unit * plan.weight_scale * plan.mode.gain
        volts = mac * analog.volts_per_weight_ns(plan.capacitors * len(plan.tiles))
        assert volts == pytest.approx(0.45, rel=1e-3)
        assert mac * plan.code_per_weight_ns == pytest.approx(plan.code_scale, rel=1e-3)
        # One capacitor more, and the weights would not do.
        more = plan.capacitors + 1
        assert plan.weight_scale * more / plan.capacitors > 1 or more > 8


def test_small_full_scales_use_a_smaller_swing() -> None:
    layer = Layer(np.full((16, 4), 0.5), Activation.LINEAR, full_scale=0.6)
    plan = compile_network(FeedForwardNetwork((layer,)), SMALL).layers[0]
    assert plan.capacitors == 1
    assert plan.weight_scale == pytest.approx(2, rel=0.05)
    assert plan.ramp_slope < 128
    assert plan.code_scale == pytest.approx(127.5)


def test_layer_options_reach_the_words(random_network: Networks) -> None:
    asked = LayerOptions(capacitors=3, enable_offset=20, bias_durations=(1, 2, 3, 4, 5, 6, 7, 8), swing_v=0.07)
    program = compile_network(random_network(16, 16, 4), SMALL, MappingOptions(layers={0: asked}, bias_duration=9))
    plan = program.layers[0]
    assert (plan.capacitors, plan.enable_offset, plan.bias_durations) == (3, 20, (1, 2, 3, 4, 5, 6, 7, 8))
    events = derive(program).events
    mine = [e for e in events if isinstance(e, Integrate) and e.tile == plan.tiles[0]]
    assert [e.bias_time for e in mine] == [(1, 2, 3, 4, 5, 6, 7, 8)] + [(0,) * 8] * 3
    assert all(e.controls["capacitors"] == 3 for e in mine)
    ramp = next(e for e in events if isinstance(e, Ramp))
    assert ramp.windows[0][0] == ramp.start + 20
    other = next(e for e in events if isinstance(e, Integrate) and e.tile == program.layers[1].tiles[0])
    assert other.bias_time == (9,) * 8


def test_integer_weights_end_where_they_should(random_network: Networks) -> None:
    network = random_network(16, 4)
    for largest in (160, 80, 7):
        program = compile_network(network, SMALL, MappingOptions(layers={0: LayerOptions(max_weight=largest)}))
        (plan,) = program.layers
        units = program.targets[plan.tiles[0]].wp1 * WEIGHT_UNITS
        np.testing.assert_allclose(units, np.rint(units), atol=1e-9)
        assert np.abs(units).max() <= largest
        np.testing.assert_allclose(units[:16, :4], network.layers[0].weights * plan.weight_scale * 160, atol=0.5 + 1e-9)
        # The full scale is still the readout's.
        mac = network.layers[0].full_scale * 255 * plan.weight_scale * plan.mode.gain
        assert mac * plan.code_per_weight_ns == pytest.approx(plan.code_scale, rel=0.01)


def test_half_length_durations_pass_the_same_swing_in_half_the_time(random_network: Networks) -> None:
    network = random_network(16, 8, 4)
    whole, half = (compile_network(network, SMALL, MappingOptions(duration=longest)) for longest in (None, 127))
    assert (whole.duration, half.duration) == (255, 127)
    for plan, shorter in zip(whole.layers, half.layers, strict=True):
        assert shorter.code_scale == pytest.approx(plan.code_scale * 127 / 255, rel=0.02)
        assert shorter.ramp_slope <= 2 * plan.ramp_slope + 1
    inputs = half.input_codes(np.linspace(-1, 1, 16)[None])
    assert (inputs.min(), inputs.max()) == (-127, 127)
    with pytest.raises(ProgramError, match="must be -127 to 127, got 0 to 128"):
        half.input_codes(np.array([[128] + 15 * [0]]))


def test_seven_bits_are_the_pads_own(random_network: Networks) -> None:
    options = MappingOptions(layers={1: LayerOptions(readout_bits=7)})
    program = compile_network(random_network(16, 8, 4), SMALL, options)
    stored = {event.olp: event.seven_bits for event in derive(program).events if isinstance(event, Count)}
    assert stored == {slot.olp: slot.layer == 1 for slot in program.outputs}
    plan = program.layers[1]
    np.testing.assert_array_equal(plan.durations(np.array([0, 63, 127])), [0.5, 126.5, 254.5])
    np.testing.assert_array_equal(plan.codes(np.array([0.4, 126.6, 254.0])), [0, 63, 127])


def test_placement_and_modes_on_request(random_network: Networks) -> None:
    wanted = {0: ((2, 4), (3, 4)), 1: ((4, 4),), 2: ((4, 3),)}
    options = MappingOptions(placement=wanted, layers={1: LayerOptions(mode=Mode.DOUBLE)}, observe=False)
    program = compile_network(random_network(*KWS), CHIP, options)
    squares = [tuple(CHIP.floorplan.tiles[tile] for tile in layer.tiles) for layer in program.layers]
    assert squares == list(wanted.values())
    assert program.layers[1].mode is Mode.DOUBLE
    assert program.layers[2].mode is Mode.BALANCED, "the step that layer 1 does not need"
    assert [output.name for output in program.outputs] == ["layer2"]


def test_deeper_networks_on_request(random_network: Networks) -> None:
    network = random_network(64, 64, 64, 64, 64, 10)
    program = compile_network(network, CHIP, MappingOptions(steps=12))
    assert program.frame_cycles == 12 * 300
    modes = [layer.mode for layer in program.layers]
    assert modes == [Mode.BALANCED] * 4 + [Mode.DOUBLE], "balance goes to the first layers while it lasts"
    plain = compile_network(network, CHIP, MappingOptions(steps=12, balance=False))
    assert plain.frame_cycles == 7 * 300


def linear_hidden() -> FeedForwardNetwork:
    layer = Layer(np.eye(16), Activation.LINEAR, 1.0)
    return FeedForwardNetwork((layer, layer))


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        ((65, 4), {}, "layer 0 has 65 inputs, a vertical pair with 2 PCM per weight sums 64 rows"),
        ((16, 17), {}, "layer 0 has 17 outputs, a tile has 16 columns"),
        ((16, 16, 16, 16, 16, 4), {}, r"the frame needs 7 steps|the layers need 5 tiles, the chip has 4"),
        ((16, 16, 16, 16, 16, 16, 16, 16, 4), {}, r"the frame needs 10 steps \(layer 0 2, layer 1 1.* may have 8"),
        ((16, 4), {"steps": 2}, "the frame needs 3 steps"),
        ((16, 4), {"overlapped": True}, "overlapped frames need two layers"),
        ((16, 4), {"layers": {1: LayerOptions()}}, "options.layers names layer 1, the network has layers 0 to 0"),
        ((16, 4), {"layers": {0: LayerOptions(mode=Mode.STACKED)}}, "cannot be stacked: that takes 17 to 64 rows"),
        ((16, 4), {"duration": 256}, "duration must be a whole number, 1 to 255, got 256"),
        ((16, 4), {"layers": {0: LayerOptions(bias_durations=(1,))}}, "bias durations must be 8 numbers"),
        ((16, 4), {"layers": {0: LayerOptions(weight_scale=9.0)}}, "exceed 1, the most that a pair of devices holds"),
        ((16, 4), {"layers": {0: LayerOptions(swing_v=0.001)}}, "needs ramp slope 0"),
        ((16, 4), {"placement": {0: ((7, 7),)}}, r"layer 0 on \(7, 7\), where there is no tile"),
        ((32, 4), {"placement": {0: ((0, 0), (0, 1))}}, "it needs a vertical pair"),
        ((16, 16, 4), {"placement": {0: ((0, 0),), 1: ((0, 0),)}}, "no place for layers of 1, 1 tiles"),
        (
            (16, 4),
            {"layers": {0: LayerOptions(weight_scale=1e-6)}},
            "its largest weight becomes .* use a smaller full scale",
        ),
        ((16, 4), {"frames_per_run": 5}, "hold the vectors of 4 frames, a run shall have 5"),
    ],
)
def test_errors_say_what_does_not_fit(
    network: tuple[int, ...], options: dict, message: str, random_network: Networks
) -> None:
    with pytest.raises(MappingError, match=message):
        compile_network(random_network(*network), SMALL, MappingOptions(**options))


def test_hidden_layers_must_be_relu() -> None:
    with pytest.raises(MappingError, match="layer 0 is linear; hidden layers must be relu"):
        compile_network(linear_hidden(), SMALL)


def test_programs_that_do_not_fit_their_sram(random_network: Networks) -> None:
    with pytest.raises(MappingError, match=r"program of TILE 0 has \d+ words, its SRAM holds 16"):
        compile_network(random_network(16, 4), replace(SMALL, program_depth=16))


def test_all_tiles_of_the_small_chip(random_network: Networks) -> None:
    """With overlap, inputs and output share the four tiles' mesh in the first step."""
    for overlapped in (False, True):
        program = compile_network(random_network(32, 16, 16, 4), SMALL, MappingOptions(overlapped=overlapped))
        assert len(program.tiles) == 4
        assert len(check(program).events) == len(derive(program, program.frames_per_run - 1).events)


def test_routes_that_do_not_fit_say_so(random_network: Networks) -> None:
    """Both inputs of the pair would have to pass over the net of its northern tile."""
    plan = SMALL.floorplan
    narrow = replace(
        plan,
        rows=2,
        columns=1,
        ilp_sites=(PadSite((0, 0), Edge.EAST), PadSite((0, 0), Edge.NORTH)),
        olp_sites=(PadSite((1, 0), Edge.WEST), PadSite((1, 0), Edge.EAST)),
    )
    with pytest.raises(MappingError, match="no placement could be routed; the nearest one fails: no way from"):
        compile_network(random_network(32, 4), replace(SMALL, floorplan=narrow), MappingOptions(placement={}))


@given(
    widths=st.tuples(st.integers(1, 64), st.integers(1, 16), st.integers(1, 16)),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
@settings(deadline=None, max_examples=25)
def test_whatever_fits_compiles_to_a_legal_program(
    widths: tuple[int, ...], flags: tuple[bool, ...], random_network: Networks
) -> None:
    options = MappingOptions(overlapped=flags[0], balance=flags[1], observe=flags[2])
    program = compile_network(random_network(*widths), SMALL, options)
    check(program)
    assert program.input_width == widths[0]
    assert compile_network(random_network(*widths), SMALL, options).units == program.units


def test_tiles_wait_for_their_first_step_only_when_they_work_beyond_the_frame(
    overlapped: Program, kws: Program
) -> None:
    assert {unit for unit in kws.origins if unit.kind is TILE} == set()
    late = {unit for unit in overlapped.origins if unit.kind is TILE}
    assert overlapped.layers[-1].reader in {unit.index for unit in late}
