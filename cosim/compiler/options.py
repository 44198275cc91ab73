"""How a network shall be mapped: what a user or a calibration may choose, network-wide and layer by layer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from analog_models.config import AnalogConfig
from cosim.files.errors import UserError
from cosim.program import Mode
from rtl.config import Square

__all__ = ["LayerOptions", "MappingError", "MappingOptions"]


class MappingError(UserError, ValueError):
    """The network does not fit the chip, or the frame; the message says what does not fit where."""


@dataclass(frozen=True)
class LayerOptions:
    """What calibration or a user may set for one layer; None leaves the choice to the compiler.

    Parameters
    ----------
    mode : Mode
    capacitors : int
        1 to 8 per tile.
    swing_v : float
        Capacitor voltage, from the precharge level, that is a full-scale output. Nominally 0.45 V.
    weight_scale : float
        Programmed weight per network weight.
    enable_offset : int
        Cycles from the first cycle of the pulses to the output-enable window, 0 to 23.
    bias_durations : tuple of int
        ns of each bias row.
    readout_bits : int
        Of an OLP's codes, 8 or 7: with 7 it drops the lowest bit when it stores ("7-bit quantization at the OLPs", Nat.
        Commun. 16, 8661, 2025). What goes on to other tiles keeps its length.
    max_weight : int, optional
        The largest weight, 1 to 160, in units of 1/160 of what a pair of devices holds: weights are rounded to whole
        units. The papers' integer weights end at 80 in tiles of a smaller conductance range (Nature 620, 768, 2023,
        Extended Data Fig. 4), and at 160 otherwise, which is our assumption. By default weights have no grid.
    """

    mode: Mode | None = None
    capacitors: int | None = None
    swing_v: float | None = None
    weight_scale: float | None = None
    enable_offset: int | None = None
    bias_durations: tuple[int, ...] | None = None
    readout_bits: int = 8
    max_weight: int | None = None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "LayerOptions":
        """Inverse of `dataclasses.asdict`, after JSON has made lists and text of what it does not know."""
        mode, durations = fields["mode"], fields["bias_durations"]
        known = {
            "mode": None if mode is None else Mode(mode),
            "bias_durations": None if durations is None else tuple(durations),
        }
        return cls(**{**fields, **known})


@dataclass(frozen=True)
class MappingOptions:
    """How to map.

    Parameters
    ----------
    steps : int
        Most steps that a frame may take; asymmetry balance goes to the layers, first to last, while it lasts.
    overlapped : bool
        Let the output's readout overlap the next frame's first step.
    balance : bool
        Use asymmetry balance at all.
    observe : bool
        Multicast the hidden layers' outputs to OLPs.
    frames_per_run : int, optional
        Frames per start; by default what the pads' SRAMs hold.
    bias_duration : int
        ns of every bias row, unless a layer's options say otherwise.
    duration : int, optional
        ns of an input of 1, and of a full-scale output that a ReLU lets through; by default the largest code, 255.
        Half of it takes half the integration time and half the charge (15.4 instead of 12.4 TOPS/W, Nature 620, 768,
        2023, Fig. 6).
    layers : mapping of layer number to LayerOptions
    placement : mapping of layer number to squares
        Tiles of a layer, north first; layers left out are placed by the compiler.
    analog : AnalogConfig
        Constants that the scales are computed from.
    """

    steps: int = 8
    overlapped: bool = False
    balance: bool = True
    observe: bool = True
    frames_per_run: int | None = None
    bias_duration: int = 128
    duration: int | None = None
    layers: Mapping[int, LayerOptions] = field(default_factory=dict)
    placement: Mapping[int, Sequence[Square]] = field(default_factory=dict)
    analog: AnalogConfig = field(default_factory=AnalogConfig)

    def layer(self, index: int) -> LayerOptions:
        """The options of one layer."""
        return self.layers.get(index, LayerOptions())

    def to_json(self) -> dict[str, Any]:
        """The options as what JSON holds."""
        return {**asdict(self), "analog": json.loads(self.analog.to_json())}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "MappingOptions":
        """Inverse of `to_json`, through JSON or not."""
        known = {
            "layers": {int(index): LayerOptions.from_json(layer) for index, layer in fields["layers"].items()},
            "placement": {
                int(index): tuple((row, column) for row, column in squares)
                for index, squares in fields["placement"].items()
            },
            "analog": AnalogConfig.from_json(json.dumps(fields["analog"])),
        }
        return cls(**{**fields, **known})
