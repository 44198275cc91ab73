"""How a network shall be mapped: what a user or a calibration may choose, network-wide and layer by layer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from analog_models.config import AnalogConfig
from analog_models.values import real_number, shown, whole_number
from cosim.compiler.errors import MappingError
from cosim.files.json_text import from_json, to_json
from cosim.files.typed import typed
from cosim.program import WEIGHT_UNITS, Mode
from rtl.config import Square

__all__ = ["LayerOptions", "MappingOptions"]


#: Options that are whole numbers, with the lowest and the highest.
_LAYER_RANGES = (
    ("capacitors", 1, 8),
    ("enable_offset", 0, 23),
    ("readout_bits", 7, 8),
    ("max_weight", 1, WEIGHT_UNITS),
)
_RANGES = (("steps", 1, 255), ("frames_per_run", 1, 1 << 16), ("bias_duration", 0, 255), ("duration", 1, 255))
_LAYERS = 1 << 16
#: Range of the swing and of the scale of weights.
_REAL = 1e-9, 1e3


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

    Raises
    ------
    MappingError
        On an option of another type, or out of its range.
    """

    mode: Mode | None = None
    capacitors: int | None = None
    swing_v: float | None = None
    weight_scale: float | None = None
    enable_offset: int | None = None
    bias_durations: tuple[int, ...] | None = None
    readout_bits: int = 8
    max_weight: int | None = None

    def __post_init__(self) -> None:
        try:
            if self.mode is not None:
                object.__setattr__(self, "mode", _mode(self.mode))
            for name, low, high in _LAYER_RANGES:
                if (value := getattr(self, name)) is not None:
                    object.__setattr__(self, name, whole_number(value, name, low, high))
            for name in ("swing_v", "weight_scale"):
                if (value := getattr(self, name)) is not None:
                    object.__setattr__(self, name, real_number(value, name, *_REAL))
            if self.bias_durations is not None:
                durations = tuple(whole_number(ns, "bias durations", 0, 255) for ns in self.bias_durations)
                object.__setattr__(self, "bias_durations", durations)
        except ValueError as error:
            raise MappingError(str(error)) from None


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

    Raises
    ------
    MappingError
        On an option of another type, or out of its range.
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

    def __post_init__(self) -> None:
        try:
            for name, low, high in _RANGES:
                if (value := getattr(self, name)) is not None:
                    object.__setattr__(self, name, whole_number(value, name, low, high))
            for name in ("overlapped", "balance", "observe"):
                if not isinstance(getattr(self, name), bool | np.bool_):
                    raise ValueError(f"{name} must be true or false, got {shown(getattr(self, name))}")
                object.__setattr__(self, name, bool(getattr(self, name)))
            layers = {whole_number(index, "layer", 0, _LAYERS): layer for index, layer in self.layers.items()}
            placement = {
                whole_number(index, "layer", 0, _LAYERS): tuple(_square(one) for one in squares)
                for index, squares in self.placement.items()
            }
        except ValueError as error:
            raise MappingError(str(error)) from None
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "placement", placement)

    def layer(self, index: int) -> LayerOptions:
        """The options of one layer."""
        return self.layers.get(index, LayerOptions())

    def to_json(self) -> dict[str, Any]:
        """The options as what JSON holds."""
        return {**asdict(self), "analog": from_json(self.analog.to_json())}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "MappingOptions":
        """Inverse of `to_json`.

        Raises
        ------
        ValueError
            If an option is missing or unknown, or of another type or range.
        """
        analog = AnalogConfig.from_json(to_json(fields.get("analog")))
        return typed(cls, {**fields, "analog": analog})


def _square(square: Square) -> Square:
    row, column = (whole_number(number, "row or column of a square", 0, 255) for number in square)
    return row, column


def _mode(value: Any) -> Mode:
    choices = [mode.value for mode in Mode]
    if value not in choices:
        raise ValueError(f"mode must be one of {', '.join(choices)}, got {shown(value)}")
    return Mode(value)
