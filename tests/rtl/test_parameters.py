# amaranth: UnusedElaboratable=no
"""Components and signatures: parameters are checked, can be read, and make equal signatures equal."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import rtl
from rtl.analog_tile import AnalogMacro, AnalogPort
from rtl.bus import StatusRegister, UnitBus
from rtl.chip import Chip, ChipPorts, HardMacro
from rtl.config import preset
from rtl.host_port import HostPort
from rtl.input_landing_pad import InputLandingPad
from rtl.isa import UnitKind
from rtl.local_controller import BiasPulses, LocalController
from rtl.mesh import EdgePort, MaskRegisters, Mesh, Wires
from rtl.output_landing_pad import OutputLandingPad
from rtl.parameters import ParametricSignature
from rtl.sequencer import Sequencer
from rtl.tile import Tile
from rtl.wire_receiver import ReceiverPort, WireReceiver

SMALL = preset("small")

SIGNATURES: list[tuple[Callable[..., wiring.Signature], dict[str, Any], dict[str, Any]]] = [
    (UnitBus, {}, {}),
    (Wires, {"lanes": 8}, {"lanes": 16}),
    (EdgePort, {"lanes": 8}, {"lanes": 16}),
    (ReceiverPort, {"lanes": 8}, {"lanes": 16}),
    (AnalogPort, {"lanes": 8, "bias_rows": 2}, {"lanes": 8, "bias_rows": 3}),
    (ChipPorts, {"config": SMALL}, {"config": preset()}),
]


@pytest.mark.parametrize(("kind", "parameters", "others"), SIGNATURES)
def test_signatures_are_their_parameters(kind, parameters, others) -> None:
    one = kind(**parameters)
    assert one == kind(**parameters)
    assert hash(one) == hash(kind(**parameters))
    assert {name: getattr(one, name) for name in parameters} == parameters
    assert repr(one).startswith(f"{kind.__name__}(")
    assert all(f"{name}={value!r}" in repr(one) for name, value in parameters.items())
    if others:
        assert one != kind(**others)
    assert one != one.flip()
    assert one.flip() == kind(**parameters).flip()
    assert one != wiring.Signature(one.members), "of another kind, whatever its members"
    assert wiring.Signature({"port": In(one)}) == wiring.Signature({"port": In(kind(**parameters))})
    assert wiring.Signature({"port": In(one)}) != wiring.Signature({"port": Out(one)})
    assert isinstance(one.create(), wiring.PureInterface)


def placed(name: str, module: str, signature: wiring.Signature) -> HardMacro:
    """Made in this file, as is the next one, where nobody minds that it is not elaborated."""
    return HardMacro(name, module, signature)


def receiver(lanes: int) -> WireReceiver:
    return WireReceiver(lanes)


UNITS = {UnitKind.TILE: Tile, UnitKind.ILP: InputLandingPad, UnitKind.OLP: OutputLandingPad}
PORTS = {kind: unit(SMALL).signature for kind, unit in UNITS.items()}
COMPONENTS: list[tuple[Callable[..., wiring.Component], dict[str, Any]]] = [
    (MaskRegisters, {"lanes": 8}),
    (Mesh, {"lanes": 8}),
    (WireReceiver, {"lanes": 8}),
    (AnalogMacro, {"lanes": 8, "bias_rows": 2}),
    (BiasPulses, {"rows": 3}),
    (Sequencer, {"banks": (0, 2), "depth": 16, "loop_levels": 3}),
    (Tile, {"config": SMALL}),
    (InputLandingPad, {"config": SMALL}),
    (OutputLandingPad, {"config": SMALL}),
    (HostPort, {"config": SMALL}),
    (StatusRegister, {}),
    (Tile, {"config": SMALL, "analog": AnalogMacro}),
    (Chip, {"config": SMALL, "signatures": PORTS, "place": placed, "receiver": receiver}),
]


@pytest.mark.parametrize(("kind", "parameters"), COMPONENTS)
def test_components_show_what_they_were_built_with(kind, parameters) -> None:
    component = kind(**parameters)
    assert {name: getattr(component, name) for name in parameters} == parameters
    for name in parameters:
        with pytest.raises(AttributeError):
            setattr(component, name, None)
    assert component.signature == kind(**parameters).signature


def test_a_local_controller_has_a_member_of_a_parameters_name() -> None:
    controller = LocalController(16, 3, 2)
    assert (controller.program_depth, controller.loop_levels, controller.bias_row_count) == (16, 3, 2)
    assert len(controller.bias_rows) == 2


def test_every_component_and_signature_is_among_these() -> None:
    tried = {kind for kind, _ in COMPONENTS} | {kind for kind, _, _ in SIGNATURES} | {LocalController}
    modules = [import_module(f"rtl.{module.name}") for module in iter_modules(rtl.__path__)]
    ours = {
        thing
        for module in modules
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, wiring.Component | wiring.Signature)
        if thing.__module__.startswith("rtl.") and thing is not ParametricSignature
    }
    assert ours == tried


@pytest.mark.parametrize(
    ("kind", "parameters", "error", "message"),
    [
        (Wires, {"lanes": 0}, ValueError, "lanes must be a whole number, 1 or more, got 0"),
        (Wires, {"lanes": 2.5}, TypeError, "lanes must be a whole number, 1 or more, got 2.5"),
        (EdgePort, {"lanes": -4}, ValueError, "lanes must be"),
        (ReceiverPort, {"lanes": "8"}, TypeError, "lanes must be .*, got '8'"),
        (AnalogPort, {"lanes": 8, "bias_rows": 9}, ValueError, "bias_rows must be a whole number from 1 to 8, got 9"),
        (AnalogMacro, {"lanes": 8, "bias_rows": None}, TypeError, "bias_rows must be"),
        (ChipPorts, {"config": "small"}, TypeError, "config must be a ChipConfig, .*, got 'small'"),
        (Tile, {"config": None}, TypeError, "config must be a ChipConfig"),
        (InputLandingPad, {"config": 16}, TypeError, "config must be a ChipConfig"),
        (OutputLandingPad, {"config": 16}, TypeError, "config must be a ChipConfig"),
        (HostPort, {"config": 16}, TypeError, "config must be a ChipConfig"),
        (Mesh, {"lanes": 0}, ValueError, "lanes must be"),
        (MaskRegisters, {"lanes": 1.0}, TypeError, "lanes must be"),
        (BiasPulses, {"rows": 9}, ValueError, "rows must be a whole number from 1 to 8, got 9"),
        (Sequencer, {"banks": (0,), "depth": 2.0, "loop_levels": 1}, TypeError, "depth must be a whole number from 2"),
        (Sequencer, {"banks": (0,), "depth": 16, "loop_levels": 9}, ValueError, "loop_levels must be .* 1 to 8, got 9"),
    ],
)
def test_parameters_are_checked(kind, parameters, error, message) -> None:
    with pytest.raises(error, match=message):
        kind(**parameters)
