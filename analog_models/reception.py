"""Transport: how far the end of a pulse moves between its source and its receiver.

The fabric carries pulses in whole cycles and without error. What long wires and clocks of several domains add is drawn
here, at the receiver, and is modelled, not measured:

- *skew*: a wire's falling edge is slower, or faster, than its rising one, always by the same time;
- *jitter*: the same, anew at every event;
- *rate*: the clock of a landing pad's domain is not that of the source, so that now and then the pad samples a cycle
  twice (its clock is fast), or misses one (slow).

Rows and columns of a tile have no clock: their high times change by skew and jitter only. What an output landing pad's
receiver does in which cycle is specified in docs/fabric.md, "Receivers".

Source
------
Durations from one landing pad to all six were off by at most 5 ns for 0-250 ns, and 3 ns for 0-50 ns: Nature 620, 768
(2023), Fig. 2d. The split into skew, jitter and rate, and all distributions, are our assumption.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from analog_models.constants import ASSUMPTION, check_constants, constant
from analog_models.noise import Draw, KeyedNoise

__all__ = ["MAX_MOVE", "MAX_RATE", "NO_SLIP", "SLIPS", "PadReceiver", "Receiver", "Reception", "TransportConfig"]

Frames = NDArray[np.int64]

#: Cycles by which skew and jitter together can move a pulse's end.
MAX_MOVE = 3
#: Samples that a pad's receiver repeats, or misses, in one window.
SLIPS = 3
#: Stands for a slip that does not come: no window has so many samples that matter.
NO_SLIP = 1023
#: Largest rate mismatch: a slip every hundred cycles, three in the longest pulse.
MAX_RATE = 0.01
_LAST_SLIP = 511


@dataclass(frozen=True)
class TransportConfig:
    """Constants of wires and clocks; the defaults are the nominal preset. All distributions are uniform, hence bounded.

    The error of a pulse of d ns, by all of them: at most ``round(skew + jitter) + ceil(d * rate)``, i.e. 3 ns up to
    100 ns and 5 ns up to 300 ns with the defaults.

    Raises
    ------
    ValueError
        If a constant is out of its range, or skew and jitter together reach 3.5 ns.
    """

    skew_ns: float = constant(
        1.25,
        "ns",
        (0, MAX_MOVE + 0.5),
        f"{ASSUMPTION}: largest of a wire, fixed; all together stay within the 3 ns of Fig. 2d",
    )
    jitter_ns: float = constant(
        1.2, "ns", (0, MAX_MOVE + 0.5), f"{ASSUMPTION}: largest of a wire and event, about one cycle"
    )
    rate_mismatch: float = constant(
        0.01,
        "1",
        (0, MAX_RATE),
        f"{ASSUMPTION}: largest, per OLP; the growth from 3 to 5 ns between 50 and 250 ns in Fig. 2d",
    )

    def __post_init__(self) -> None:
        check_constants(self)
        if not self.skew_ns + self.jitter_ns < MAX_MOVE + 0.5:
            raise ValueError(
                f"TransportConfig: skew_ns + jitter_ns must be below {MAX_MOVE + 0.5}, because a receiver moves a "
                f"pulse's end by {MAX_MOVE} cycles at most; got {self.skew_ns} + {self.jitter_ns}"
            )

    @classmethod
    def ideal(cls) -> "TransportConfig":
        """Durations arrive as they were sent."""
        return cls(skew_ns=0.0, jitter_ns=0.0, rate_mismatch=0.0)

    @property
    def active(self) -> bool:
        """Whether anything moves at all."""
        return bool(self.skew_ns or self.jitter_ns or self.rate_mismatch)


class Receiver:
    """Where the wires of one vector end: the rows or the columns of a tile, or a landing pad.

    Parameters
    ----------
    config : TransportConfig
    noise : KeyedNoise
        Of the tile or landing pad.
    fixed, event : Draw
        Names of its random numbers: those drawn once, and those of every event.
    wires : int

    Members
    -------
    skew_ns : (wires,) float64
        The fixed part.
    """

    def __init__(self, config: TransportConfig, noise: KeyedNoise, fixed: Draw, event: Draw, wires: int) -> None:
        self.config = config
        self.skew_ns = config.skew_ns * _symmetric(noise, np.zeros(1, np.int64), 0, fixed, wires)[0]
        self._noise, self._event = noise, event

    def moves(self, frames: Frames, cycle: int) -> NDArray[np.int8]:
        """Whole ns, -3 to 3, by which skew and jitter lengthen the pulses of the event in `cycle`: (B, wires)."""
        jitter = _symmetric(self._noise, frames, cycle, self._event, len(self.skew_ns))
        return np.rint(self.skew_ns + self.config.jitter_ns * jitter).astype(np.int8)

    def received(self, frames: Frames, cycle: int, times: NDArray[np.integer], longest: int) -> NDArray[np.integer]:
        """High times in ns as they arrive, 0 to `longest`. A wire that stays low stays low.

        ``times`` is (B, `wires` or more); what follows the wires, a tile's bias rows, is local and stays as it is.
        """
        if not self.config.active:
            return times
        heard, wires = times.copy(), len(self.skew_ns)
        sent = times[:, :wires].astype(np.int16)
        heard[:, :wires] = np.where(sent > 0, np.clip(sent + self.moves(frames, cycle), 0, longest), 0)
        return heard


@dataclass(frozen=True)
class Reception:
    """What a landing pad's receiver does in one window, for B frames.

    Parameters
    ----------
    moves : (B, lanes) int8
        Cycles, -3 to 3, by which each lane's pulses become longer.
    slips : (B, SLIPS) int16
        Samples that are repeated (`missed` false) or left out, ascending; `NO_SLIP` is none. Sample 0 is the cycle in
        which the first wire of the pad rises in the window.
    missed : bool
        The pad's clock is slow.
    """

    moves: NDArray[np.int8]
    slips: NDArray[np.int16]
    missed: bool


class PadReceiver(Receiver):
    """The receiver of an output landing pad: skew and jitter of its wires, rate of its clock.

    Parameters
    ----------
    config : TransportConfig
    noise : KeyedNoise
    wires : int

    Members
    -------
    rate : float
        Clock of the pad against that of the sources, less 1; fixed. Sources are nominal, our assumption.
    """

    #: Landing pads are keyed as if they were tiles from here on; no chip has so many.
    _FIRST = 1 << 16

    @classmethod
    def of(cls, config: TransportConfig, *, seed: int, chip: int, olp: int, wires: int) -> "PadReceiver":
        """The receiver of landing pad `olp`."""
        return cls(config, KeyedNoise(seed, chip, cls._FIRST + olp), wires)

    def __init__(self, config: TransportConfig, noise: KeyedNoise, wires: int) -> None:
        super().__init__(config, noise, Draw.PAD_SKEW, Draw.PAD, wires)
        self.rate = config.rate_mismatch * float(_symmetric(noise, np.zeros(1, np.int64), 0, Draw.PAD_RATE, 1)[0, 0])

    def reception(self, frames: Frames, cycle: int) -> Reception:
        """What happens to the window whose first counted cycle is `cycle` of its frame.

        A slip comes every ``P = ceil(1 / |rate|)`` samples, the first at a random one of the first P: that is where the
        two clocks' phases are when the pulses rise.
        """
        slips = np.full((len(frames), SLIPS), NO_SLIP, np.int16)
        # With the smallest of rates no float holds the period.
        if abs(self.rate) >= 1 / _LAST_SLIP and (period := ceil(1 / abs(self.rate))) <= _LAST_SLIP:
            first = np.floor(period * self._noise.uniforms(frames, cycle, Draw.PAD_PHASE, 1))
            samples = first + period * np.arange(SLIPS)
            slips[samples <= _LAST_SLIP] = samples[samples <= _LAST_SLIP]
        return Reception(self.moves(frames, cycle), slips, self.rate < 0)


def _symmetric(noise: KeyedNoise, frames: Frames, cycle: int, kind: Draw, count: int) -> NDArray[np.float64]:
    """Uniform numbers between -1 and 1, (B, count)."""
    return 2 * noise.uniforms(frames, cycle, kind, count) - 1
