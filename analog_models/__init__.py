"""Behavioural numpy models of the analog part of a chip: PCM devices, crossbars, column circuits, programming.

Events come in, crossing times go out:

>>> import numpy as np
>>> from analog_models import AnalogChip, AnalogConfig, EventKind, TileControls, TileEvent, WeightTargets, program
>>> chip = AnalogChip(AnalogConfig.ideal(), tiles=[0], rows=16, bias_rows=0, columns=2)
>>> _ = program(chip, {0: WeightTargets(wp1=np.tile([1.0, -0.5], (16, 1)))})
>>> controls = TileControls(wp1=True, capacitors=1)
>>> pulses = np.full((1, 16), 10, np.uint16)
>>> events = [
...     TileEvent(0, EventKind.PRECHARGE, 10),
...     TileEvent(0, EventKind.INTEGRATE, 300, controls, pulses),
...     TileEvent(0, EventKind.RAMP, 310, controls),
... ]
>>> chip.serve(np.array([0]), events)[0]  # zero is 127.5 ns, one weight read for 1 ns is 0.47 mV on 50 fF
array([[149, 117]], dtype=uint16)
"""

from analog_models.chip import AnalogChip, AnalogFileError
from analog_models.config import DEVICE_MODELS, AnalogConfig
from analog_models.consumption import Consumption
from analog_models.device import Pcm
from analog_models.events import EventKind, TileControls, TileEvent
from analog_models.hermes import Hermes
from analog_models.pcm_like import PcmLike
from analog_models.periphery import Periphery
from analog_models.programming import Programming, WeightTargets, program
from analog_models.programming_report import ProgrammingReport
from analog_models.reception import TransportConfig
from analog_models.tile import Tile

__all__ = [
    "DEVICE_MODELS",
    "AnalogChip",
    "AnalogConfig",
    "AnalogFileError",
    "Consumption",
    "EventKind",
    "Hermes",
    "Pcm",
    "PcmLike",
    "Periphery",
    "Programming",
    "ProgrammingReport",
    "Tile",
    "TileControls",
    "TileEvent",
    "TransportConfig",
    "WeightTargets",
    "program",
]
