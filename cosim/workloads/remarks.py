"""What a reader of a result should know of the clips behind it: counted by kind, with the first names of each."""

from itertools import islice

from cosim.workloads.audio import SAMPLE_RATE, Sound

__all__ = ["Remarks"]

#: Names that a line shows.
_SHOWN = 3


class Remarks:
    """Kinds of things that were noticed, and the clips or files that each is true of."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}

    def add(self, kind: str, name: str) -> None:
        """Note that `kind`, in words that stand before a count, is true of `name`; once, however often it is met."""
        self._names.setdefault(kind, {})[name] = None

    def add_sound(self, sound: Sound, name: str, *, may_be_silent: bool = False) -> None:
        """Note what was done to a recording, and whether there is nothing in it."""
        if sound.recorded_hz != SAMPLE_RATE:
            self.add(f"resampled from {sound.recorded_hz:,} to {SAMPLE_RATE:,} Hz", name)
        if sound.silent and not may_be_silent:
            self.add("without any sound", name)

    def lines(self) -> tuple[str, ...]:
        """A line for each kind: ``silent: 5 (no/a.wav, no/b.wav, no/c.wav, ...)``."""
        return tuple(
            f"{kind}: {len(names)} ({', '.join(islice(names, _SHOWN))}{', ...' if len(names) > _SHOWN else ''})"
            for kind, names in self._names.items()
        )
