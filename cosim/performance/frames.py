"""Activity and energy of every call of a layout."""

from collections.abc import Mapping
from dataclasses import replace

from analog_models.config import AnalogConfig
from cosim.compiler.matrices.frames import Readout
from cosim.compiler.matrices.layout import Call, Layout
from cosim.performance.activity import Activity
from cosim.performance.counting import FrameCounter
from cosim.performance.numbers import MatrixNumbers, frame_data

__all__ = ["CallActivities", "operations_of", "with_duration"]


class CallActivities:
    """What a frame of each call of a layout does.

    Parameters
    ----------
    layout : Layout
    analog : AnalogConfig, optional
    """

    def __init__(self, layout: Layout, analog: AnalogConfig | None = None) -> None:
        self.layout, self.analog = layout, analog or AnalogConfig()
        self._counters: dict[tuple[int, str], FrameCounter] = {}

    def of(self, call: Call, numbers: MatrixNumbers) -> Activity:
        """Of one frame, with such numbers."""
        key = call.chip, call.entry
        if key not in self._counters:
            self._counters[key] = FrameCounter(self.layout.programs[call.chip][call.entry])
        return self._counters[key].count(frame_data(self.layout, call, numbers, self.analog), self.analog)


def operations_of(layout: Layout, call: Call, numbers: MatrixNumbers) -> int:
    """Multiplications and additions of a frame, two for each weight of the network; copies of a matrix count once."""
    blocks = [layout.blocks[output.block] for output in call.outputs]
    copies: Mapping[str, int] = layout.copies
    weights = sum(numbers.rows(block) * block.shape[1] / copies.get(block.matrix, 1) for block in blocks)
    return round(2 * weights)


def with_duration(layout: Layout, duration: int, analog: AnalogConfig | None = None) -> Layout:
    """The same layout with another longest duration: other words, nothing is placed anew.

    Parameters
    ----------
    layout : Layout
    duration : int
        Code of the largest input, and longest pulse of an output, ns.
    analog : AnalogConfig, optional
        Whose constants the ramps are made for.
    """
    analog = analog or AnalogConfig()
    readouts = {name: Readout.signed(duration, analog, one.capacitors) for name, one in layout.readouts.items()}
    return replace(layout, timing=replace(layout.timing, duration=duration), readouts=readouts)
