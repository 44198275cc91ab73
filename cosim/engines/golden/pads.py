"""Landing pads: pulses from codes, and codes from pulses.

Source: docs/fabric.md, "Input landing pad" and "Output landing pad".
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cosim.engines.golden.receiver import PadShell

__all__ = ["InputLandingPad", "OutputLandingPad", "Pulse"]

Lanes = NDArray[np.bool_]


class Pulse:
    """Lanes that rise together in cycle `start` and fall after `times` cycles, (lanes,); 0 does not rise."""

    def __init__(self, start: int, times: NDArray[np.integer]) -> None:
        self.start, self.times = start, times
        self.end = start + max(int(times.max()), 1)

    @property
    def changes(self) -> list[int]:
        """Cycles in which a lane rises or falls."""
        return [self.start, *(self.start + np.unique(self.times)).tolist()]

    def high(self, cycle: int) -> Lanes:
        return (self.start <= cycle) & (cycle - self.start < self.times)


class InputLandingPad:
    """Vectors (depth, lanes) and a pointer; `pulse` is the vector being sent."""

    def __init__(self, vectors: NDArray[np.uint8], seen: Counter[tuple]) -> None:
        self.vectors, self.pointer, self.seen = vectors, 0, seen
        self.pulse = Pulse(0, np.zeros(1, np.int64))

    def write(self, cycle: int, bank: Mapping[str, int]) -> bool:
        """A PULSE bank takes force; whether a pulse begins."""
        depth = len(self.vectors)
        if bank["load_pointer"]:
            self.seen["ilp", "pointer loaded"] += 1
            self.pointer = bank["pointer"] % depth
        if not bank["fire"]:
            return False
        codes = self.vectors[self.pointer].astype(np.int64)
        if self.sending(cycle):
            self.seen["ilp", "fire during a pulse"] += 1
        for code in (0, 1, 127, 128, 255):
            self.seen["ilp", f"code {code}"] += int((codes == code).any())
        self.pulse = Pulse(cycle, codes)
        moved = self.pointer + bank["advance"]
        if bank["advance"]:
            how = "wraps" if not 0 <= moved < depth else "goes back" if bank["advance"] < 0 else "goes on"
            self.seen["ilp", f"pointer {how}"] += 1
        self.pointer = moved % depth
        return True

    def sending(self, cycle: int) -> bool:
        """Whether the pad is an enabled driver: from the cycle in which lanes may rise until the last has fallen."""
        return self.pulse.start <= cycle < self.pulse.end


class OutputLandingPad:
    """Counters (lanes,) that measure high time up to the first falling edge, while a window is open.

    `shell` is what the wires go through before them in this window; None are wires.
    """

    def __init__(self, lanes: int, depth: int, seen: Counter[tuple]) -> None:
        self.depth, self.seen = depth, seen
        self.pointer, self.open, self.illegal, self.fresh = 0, False, False, False
        self._before = np.zeros(lanes, np.bool_)
        self._fell = np.zeros(lanes, np.bool_)  # in an earlier window
        self.count = np.zeros(lanes, np.int64)
        self.fallen = np.zeros(lanes, np.bool_)
        self.shell: PadShell | None = None

    def elapse(self, cycles: int, high: Lanes) -> None:
        """So many cycles pass while the wires `high` are."""
        if self.open and self.shell is not None:
            for _ in range(cycles):
                self._listen(1, self.shell.step(high))
        else:
            self._listen(cycles, high)

    def _listen(self, cycles: int, high: Lanes) -> None:
        if self.open:
            if (self.fallen & high).any():
                self.seen["olp", "second pulse"] += 1
            if self.fresh:
                self.seen["olp", "high when the window opens"] += int((self._before & high).any())
                self.fresh = False
            self.fallen |= (self.count > 0) & ~high
            self.count[high & ~self.fallen] += cycles
        self._before = high

    def write(self, bank: Mapping[str, int]) -> tuple[int, NDArray[np.uint8]] | None:
        """A COUNT bank takes force: (slot, codes) if it stores. `illegal` is whether it could not."""
        result: tuple[int, NDArray[np.uint8]] | None = None
        self.illegal = bool(bank["store"] and not self.open)
        if bank["load_pointer"]:
            self.seen["olp", "pointer loaded"] += 1
            self.pointer = bank["pointer"] % self.depth
        if bank["store"] and self.open:
            result = self.pointer, self._codes(bank["seven_bits"])
            self.seen["olp", "pointer wraps" if self.pointer == self.depth - 1 else "pointer goes on"] += 1
            self.pointer = (self.pointer + 1) % self.depth
        elif bank["store"]:
            self.seen["illegal", "OLP", "store without a window"] += 1
        if bank["open"]:
            self.seen["olp", "store and open" if bank["store"] else "open again" if self.open else "open"] += 1
            self.fresh = True
            self.count[:], self.fallen[:] = 0, False
        elif bank["store"]:
            self.seen["olp", "store"] += 1
        self.open = bool(bank["open"] or (self.open and not bank["store"]))
        return result

    def _codes(self, seven_bits: int) -> NDArray[np.uint8]:
        codes = np.minimum(self.count, 255).astype(np.uint8) >> np.uint8(seven_bits)
        self.seen["olp", "counts again what fell before"] += int((self._fell & (self.count > 1)).any())
        self._fell |= self.fallen
        for name, some in (
            ("0", self.count == 0),
            ("1 to 254", (self.count > 0) & (self.count < 255)),
            ("255", self.count == 255),
            ("saturated", self.count > 255),
        ):
            self.seen["olp", f"code {name}"] += int(some.any())
        self.seen["olp", "seven bits" if seven_bits else "eight bits"] += 1
        return codes
