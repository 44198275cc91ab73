"""The five chips of the paper's RNN-T: which matrices they hold, and what a frame of each does.

Source: Nature 620, 768 (2023), Methods and Extended Data Figs. 4 and 7; shapes of MLPerf's RNN-T.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import Call, Layout, LayoutOptions, MatrixOptions, lay_out
from cosim.performance.activity import Activity
from cosim.performance.data import Codes
from cosim.performance.fit import FittedChip
from cosim.performance.frames import CallActivities, with_duration
from cosim.performance.numbers import StandIn
from cosim.program import Mode
from cosim.system.reuse import reused
from rtl.config import ChipConfig, preset

__all__ = ["CHIPS", "EXPANDED", "PlacedChip", "RnntChip", "fitted_chip", "paper_chips", "placed"]

#: Deterministic time of the solver, which sends all vectors of a chip at once.
_SOLVER_S = 30.0
#: Copies of the collapsed embedding's 28 rows.
_COPIES, _LABELS = 9, 28


@dataclass(frozen=True)
class RnntChip:
    """Matrices of one chip.

    Parameters
    ----------
    name : str
    shapes : mapping of str to (rows, columns)
    modes : mapping of str to Mode
    weights : int
        Of the network, that a frame multiplies: each counts for two operations, however often it is there.
    one_hot : mapping of str to int
        Matrices whose first rows are copies of labels, of which one is on; how many rows.
    """

    name: str
    shapes: Mapping[str, tuple[int, int]]
    modes: Mapping[str, Mode]
    weights: int
    one_hot: Mapping[str, int] = field(default_factory=dict)

    def numbers(self, mean_code: float, duration: int) -> StandIn:
        """Stand-ins for its inputs, whose mean code would be that with durations to 255 ns."""
        scale = duration / 255
        special = {
            matrix: _with_labels(rows, self.shapes[matrix][0], mean_code * scale, duration)
            for matrix, rows in self.one_hot.items()
        }
        return StandIn(mean_code * scale, special=special)


def _with_labels(labels: int, rows: int, mean_code: float, duration: int) -> Codes:
    even = Codes.even(rows, mean_code)
    mean, share = even.mean.copy(), even.share.copy()
    mean[:, :labels] = np.array([[duration / _LABELS], [0.0]])
    share[:, :labels] = np.array([[1 / _LABELS], [0.0]])
    return Codes(mean, share)


_BALANCED, _STACKED = Mode.BALANCED, Mode.STACKED

#: As in the paper; Wx of Enc-LSTM0 is there four times.
CHIPS = (
    RnntChip("chip 1", {"wx": (960, 4096), "wh": (1024, 4096)}, {"*": _BALANCED}, (240 + 1024) * 4096),
    RnntChip("chip 2", {"wx": (1024, 4096), "wh": (1024, 4096)}, {"*": _BALANCED}, 2048 * 4096),
    RnntChip("chip 3", {"wx": (2048, 4096), "wh": (1024, 4096)}, {"wx": _STACKED, "wh": _BALANCED}, 3072 * 4096),
    RnntChip(
        "chip 4",
        {"lstm3": (2048, 4096), "lstm4": (2048, 4096), "fc": (1024, 512)},
        {"*": _STACKED},
        2 * 2048 * 4096 + 1024 * 512,
    ),
    RnntChip(
        "chip 5",
        {"lstm0": (_COPIES * _LABELS + 320, 1280), "lstm1": (640, 1280), "fc": (320, 512)},
        {"*": _BALANCED},
        28 * 320 + 2 * 640 * 1280 + 320 * 512,  # the embedding and Wx apart, as the paper counts them
        one_hot={"lstm0": _COPIES * _LABELS},
    ),
)
#: With weight expansion chip 1 holds 1,024 rows of Wx; the operations are the same.
EXPANDED = (
    RnntChip("chip 1", {"wx": (1024, 4096), "wh": (1024, 4096)}, {"*": _BALANCED}, (240 + 1024) * 4096),
    *CHIPS[1:],
)


@dataclass(frozen=True)
class PlacedChip:
    """One chip with its layout.

    Parameters
    ----------
    chip : RnntChip
    layout : Layout
    index : int
        Of the chip in the layout.
    """

    chip: RnntChip
    layout: Layout
    index: int = 0

    @property
    def calls(self) -> tuple[Call, ...]:
        """One frame of each is a step."""
        return tuple(call for calls in self.layout.calls.values() for call in calls if call.chip == self.index)

    @property
    def operations(self) -> int:
        """Of a frame."""
        return 2 * self.chip.weights

    @property
    def frame_ns(self) -> int:
        return sum(self.layout.frames[self.index][call.entry].ns for call in self.calls)

    def activity(self, mean_code: float, duration: int = 255, analog: AnalogConfig | None = None) -> Activity:
        """Of a frame, all calls of it."""
        layout = self.layout if duration == 255 else with_duration(self.layout, duration)
        activities, numbers = CallActivities(layout, analog), self.chip.numbers(mean_code, duration)
        return Activity.sum((activities.of(call, numbers), 1.0) for call in self.calls)


def placed(chip: RnntChip, config: ChipConfig | None = None) -> PlacedChip:
    """A chip with its matrices laid out, now or by an earlier run.

    Raises
    ------
    MappingError
        Where the solver is missing: the extra `compile`.
    """
    config = config or preset()
    matrices = {name: MatrixOptions(mode=mode) for name, mode in chip.modes.items()}
    options = LayoutOptions(chips=1, matrices=matrices, effort=0, solver_s=_SOLVER_S)
    layout = reused(
        "layouts",
        [repr((chip.shapes, options, config))],
        lambda: lay_out(chip.shapes, [tuple(chip.shapes)], options, config),
        save=lambda made, folder: made.save(folder / "layout.npz"),
        load=lambda folder: Layout.load(folder / "layout.npz"),
    )
    return PlacedChip(chip, layout)


def paper_chips(*, expanded: bool = False, config: ChipConfig | None = None) -> tuple[PlacedChip, ...]:
    """All five, laid out."""
    return tuple(placed(chip, config) for chip in (EXPANDED if expanded else CHIPS))


def fitted_chip(chip: PlacedChip) -> FittedChip:
    """What the fit needs of chip 4."""
    return FittedChip(chip.operations, chip.activity, lambda mean_code: chip.activity(mean_code, 127))
