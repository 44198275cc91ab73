"""What a chip has answered: a batch that asks the same again need not be computed again."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.events import EventKind, TileEvent
from analog_models.reception import PadReceiver
from cosim.files.digest import digest, digest_of_arrays

__all__ = ["Answers"]

Frames = NDArray[np.int64]
Crossings = NDArray[np.uint16]

#: Bytes of answers that are kept.
_KEPT = 256 << 20


class Answers:
    """Crossing times of ramps that one chip has answered with.

    An answer is known by all that determines it: the frames, the devices as they are, and every event since the batch
    began, with its pulses, of the tile and of the one that it may share capacitors with. So codes are the same with
    answers and without. What a tile does is put off until an answer is not known.

    Parameters
    ----------
    chip : AnalogChip
    """

    def __init__(self, chip: AnalogChip) -> None:
        self.chip = chip
        self._partners = {**chip.pairs, **{south: north for north, south in chip.pairs.items()}}
        self._known: OrderedDict[str, Crossings] = OrderedDict()
        self._bytes = 0

    def batch(self, frames: Frames) -> "_Asking":
        """The chip for one batch of frames, from its first event on; nothing in it may write devices."""
        return _Asking(self, frames)

    def tiles(self, tile: int) -> tuple[int, ...]:
        """A tile, and its neighbour across a capacitor switch where there is one."""
        return tuple(sorted({tile, self._partners.get(tile, tile)}))

    def find(self, name: str) -> Crossings | None:
        """An answer by its name."""
        if name in self._known:
            self._known.move_to_end(name)
        return self._known.get(name)

    def keep(self, name: str, crossings: Crossings) -> None:
        """Remember an answer; the ones that nobody has asked for longest are forgotten."""
        crossings.setflags(write=False)
        self._known[name] = crossings
        self._bytes += crossings.nbytes
        while self._bytes > _KEPT:
            self._bytes -= self._known.popitem(last=False)[1].nbytes


@dataclass
class _Asked:
    """What has been asked of tiles since the batch began: its name so far, and the events that still wait."""

    name: str
    waiting: list[TileEvent] = field(default_factory=list)


class _Asking:
    """A `Physics` that asks the chip only for what is not known."""

    def __init__(self, answers: Answers, frames: Frames) -> None:
        self._answers, self._frames = answers, frames
        self._asked: dict[tuple[int, ...], _Asked] = {}
        #: Names of arrays of pulses, and the arrays, which keep their identities: tiles that hear the same share them.
        self._pulses: dict[int, tuple[str, NDArray]] = {}

    def serve(
        self, frames: Frames, events: Sequence[TileEvent], columns: Mapping[int, int] | None = None
    ) -> dict[int, Crossings]:
        """`Physics.serve`, for the frames of this batch."""
        found: dict[int, Crossings] = {}
        for event in sorted(events, key=lambda event: (event.cycle, event.kind, event.tile)):
            tiles = self._answers.tiles(event.tile)
            asked = self._asked.get(tiles) or self._begin(tiles, columns)
            asked.waiting.append(event)
            what = repr((event.tile, event.kind, event.cycle, event.controls))
            asked.name = digest([asked.name, what, "" if event.row_time is None else self._name(event.row_time)])
            if event.kind is EventKind.RAMP:
                found[event.tile] = self._answer(asked, event.tile, columns)
        return found

    def pad_receiver(self, olp: int) -> PadReceiver:
        """`Physics.pad_receiver`."""
        return self._answers.chip.pad_receiver(olp)

    def _begin(self, tiles: tuple[int, ...], columns: Mapping[int, int] | None) -> _Asked:
        looked_at = columns or {}
        state = [(tile, self._answers.chip.revision(tile), looked_at.get(tile)) for tile in tiles]
        self._asked[tiles] = _Asked(digest([repr(state), self._name(self._frames)]))
        return self._asked[tiles]

    def _name(self, array: NDArray) -> str:
        if id(array) not in self._pulses:
            self._pulses[id(array)] = digest_of_arrays(array), array
        return self._pulses[id(array)][0]

    def _answer(self, asked: _Asked, tile: int, columns: Mapping[int, int] | None) -> Crossings:
        known = self._answers.find(asked.name)
        if known is None:
            known = self._ask(asked, tile, columns)
            self._answers.keep(asked.name, known)
        return known

    def _ask(self, asked: _Asked, tile: int, columns: Mapping[int, int] | None) -> Crossings:
        """Let the tiles catch up, ramp by ramp: looking changes what they do next."""
        events, asked.waiting = asked.waiting, []
        since = 0
        for number, event in enumerate(events, 1):
            if event.kind is EventKind.RAMP:
                crossings = self._answers.chip.serve(self._frames, events[since:number], columns)
                since = number
        return crossings[tile]
