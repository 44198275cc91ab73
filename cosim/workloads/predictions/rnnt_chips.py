"""The five chips of the paper's RNN-T, as `cosim.workloads.rnnt` maps them: what a frame of each does.

Source: Nature 620, 768 (2023), Methods; shapes of MLPerf's RNN-T.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import Call, Layout
from cosim.performance.activity import Activity
from cosim.performance.data import Codes
from cosim.performance.fit import FittedChip
from cosim.performance.frames import CallActivities, with_duration
from cosim.performance.numbers import StandIn
from cosim.workloads.rnnt.mapping import PAPER, FirstLayer, laid_out, paper_layout
from cosim.workloads.rnnt.model import EMBEDDINGS
from rtl.config import ChipConfig

__all__ = ["WEIGHTS", "RnntChip", "fitted_chip", "paper_chips"]

#: Of the network, that a frame of each chip multiplies, however often they are there. Those of the first layer's input
#: are 240 rows, and the embedding and the matrix behind it are counted apart, as the paper counts them.
WEIGHTS = (
    (240 + 1024) * 4096,
    2048 * 4096,
    3072 * 4096,
    2 * 2048 * 4096 + 1024 * 512,
    28 * 320 + 2 * 640 * 1280 + 320 * 512,
)
#: Its first rows are copies of the labels, of which one is on.
_ONE_HOT = "prediction/lstm0"


@dataclass(frozen=True)
class RnntChip:
    """One chip.

    Parameters
    ----------
    index : int
    layout : Layout
        Of all five.
    """

    index: int
    layout: Layout

    @property
    def name(self) -> str:
        return f"chip {self.index + 1}"

    @property
    def operations(self) -> int:
        """Of a frame."""
        return 2 * WEIGHTS[self.index]

    @property
    def calls(self) -> tuple[Call, ...]:
        """One frame of each is a step."""
        return tuple(call for calls in self.layout.calls.values() for call in calls if call.chip == self.index)

    @property
    def frame_ns(self) -> int:
        return sum(self.layout.frames[self.index][call.entry].ns for call in self.calls)

    @property
    def beats(self) -> int:
        """Of a frame's vectors, on a host port."""
        return sum(self.layout.frames[self.index][call.entry].beats(self.layout.config) for call in self.calls)

    def activity(self, mean_code: float, duration: int = 255, analog: AnalogConfig | None = None) -> Activity:
        """Of a frame, whose inputs would have that mean code with durations to 255 ns."""
        return self.counted(duration, analog)(mean_code)

    def counted(self, duration: int = 255, analog: AnalogConfig | None = None) -> Callable[[float], Activity]:
        """The same for many mean codes."""
        layout = self.layout if duration == 255 else with_duration(self.layout, duration)
        activities = CallActivities(layout, analog)

        def activity(mean_code: float) -> Activity:
            numbers = _numbers(mean_code, duration)
            return Activity.sum((activities.of(call, numbers), 1.0) for call in self.calls)

        return activity


def _numbers(mean_code: float, duration: int) -> StandIn:
    scaled = mean_code * duration / 255
    labels = PAPER.labels - 1
    even = Codes.even(EMBEDDINGS * labels + PAPER.prediction, scaled)
    mean, share = even.mean.copy(), even.share.copy()
    mean[:, : EMBEDDINGS * labels] = np.array([[duration / labels], [0.0]])
    share[:, : EMBEDDINGS * labels] = np.array([[1 / labels], [0.0]])
    return StandIn(scaled, special={_ONE_HOT: Codes(mean, share)})


@cache
def paper_chips(*, expanded: bool = False, config: ChipConfig | None = None) -> tuple[RnntChip, ...]:
    """All five: as they are stored, or laid out anew on other chips than the paper's.

    Raises
    ------
    MappingError
        If they do not fit, or the solver is missing: the extra `compile`.
    """
    first = FirstLayer.EXPANDED if expanded else FirstLayer.AVERAGED
    layout = paper_layout(first) if config is None else laid_out(first, config)
    return tuple(RnntChip(index, layout) for index in range(len(layout.frames)))


def fitted_chip() -> FittedChip:
    """What the fit needs of chip 4."""
    chip = paper_chips()[3]
    return FittedChip(chip.operations, chip.counted(), chip.counted(127))
