"""From a full scale to capacitors and a ramp: what a block must be set to, so that its products fill the codes.

The full scale moves the capacitors by the swing of 0.45 V or less; the ramp starts a swing below the precharge level
and passes it in half of the longest duration.
"""

from dataclasses import dataclass
from math import ceil

from analog_models.config import AnalogConfig
from analog_models.periphery import BANK
from cosim.compiler.matrices.frames import Readout
from cosim.compiler.matrices.layout import Block
from cosim.compiler.ramp import SWING_V, signed_ramp

__all__ = ["Scale"]

_STEEPEST = 255


@dataclass(frozen=True)
class Scale:
    """What the readout of a block can tell.

    Parameters
    ----------
    block : Block
    tiles : int
        One, or two that share their capacitors.
    duration : int
        Longest one, ns.
    analog : AnalogConfig
    """

    block: Block
    tiles: int
    duration: int
    analog: AnalogConfig

    @property
    def smallest(self) -> float:
        """Smallest full scale, in units of a weight of 1 times an input of the longest duration."""
        return self.full_scale(Readout(1, 0, 1))

    @property
    def largest(self) -> float:
        """Largest full scale within the swing."""
        return self._swing_v / self._volts(BANK)

    @property
    def _swing_v(self) -> float:
        """The nominal swing, or what the steepest ramp passes."""
        return min(SWING_V, self.duration / 2 * self.analog.volts_per_cycle(_STEEPEST))

    def full_scale(self, readout: Readout) -> float:
        """Of a readout whose zero is in the middle."""
        return self.duration / 2 * self.analog.volts_per_cycle(readout.ramp_slope) / self._volts(readout.capacitors)

    def readout(self, full_scale: float) -> Readout:
        """The one whose full scale is this, or a little more, with the fewest capacitors that stay within the swing."""
        fitting = (count for count in range(1, BANK) if full_scale * self._volts(count) <= self._swing_v)
        capacitors = next(fitting, BANK)
        swing_of_1 = self.duration / 2 * self.analog.volts_per_cycle(1)
        slope = min(max(ceil(full_scale * self._volts(capacitors) / swing_of_1 - 1e-6), 1), _STEEPEST)
        return Readout(capacitors, *signed_ramp(self.duration, self.analog, slope * swing_of_1))

    def _volts(self, capacitors: int) -> float:
        """Of a product of 1."""
        volts = self.analog.volts_per_weight_ns(capacitors * self.tiles)
        return volts * self.duration * self.block.mode.gain
