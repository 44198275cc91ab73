"""Chips of a system opened on an engine; and two engines as one, whose codes must be the same."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analog_models.chip import AnalogChip
from cosim.engines.checked import EngineDifference
from cosim.engines.engine import SessionEngine
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.session import ChipSession, Closing, Codes
from cosim.engines.twin.engine import TwinEngine
from cosim.program import ChipImage
from rtl.config import ChipConfig

__all__ = ["ENGINES", "CheckedSession", "opened"]

#: What runs a network: numpy alone, a chip without noise, the twin, the RTL, the RTL held against the twin.
ENGINES = "float", "ideal", "twin", "rtl", "both"


class CheckedSession(Closing):
    """The RTL's session, every code of it held against the twin's; `cosim.engines.session.ChipSession`.

    Parameters
    ----------
    session, reference : ChipSession
        Of one chip.
    chip : int
        Its number, for messages.
    """

    def __init__(self, session: ChipSession, reference: ChipSession, chip: int) -> None:
        self.session, self.reference, self.chip = session, reference, chip
        self.image = session.image
        self._compared = 0

    @property
    def statistics(self) -> Mapping[str, Any]:
        """Those of the first session, and how many codes were compared."""
        return {**self.session.statistics, "compared_codes": self._compared}

    def run(self, entry: str, codes: ArrayLike, frames: ArrayLike) -> Codes:
        """Run both: `ChipSession.run`.

        Raises
        ------
        EngineDifference
            If a code differs; the message names the first.
        """
        ours, theirs = (one.run(entry, codes, frames) for one in (self.session, self.reference))
        readers = {out.name: out.olp for out in self.image.entry(entry).outputs}
        for name, mine in ours.items():
            differs = np.argwhere(mine != theirs[name])
            if len(differs):
                frame, column = differs[0].tolist()
                raise EngineDifference(
                    f"chip {self.chip}, entry {entry}, {name} at OLP {readers[name]}, column {column}, frame "
                    f"{np.asarray(frames)[frame]}: the RTL gives {mine[frame, column]}, the twin "
                    f"{theirs[name][frame, column]}; {len(differs)} codes of {mine.size} differ"
                )
            self._compared += mine.size
        return ours

    def close(self) -> None:
        """End both sessions."""
        self.session.close()
        self.reference.close()


@contextmanager
def opened(
    engine: str, images: Sequence[ChipImage], chips: Sequence[AnalogChip], config: ChipConfig
) -> Iterator[list[ChipSession]]:
    """Sessions of all chips on "twin", "rtl" or "both", or on "ideal", which is the twin with chips without noise."""
    twin = TwinEngine()
    first: SessionEngine = RtlEngine(config) if engine in ("rtl", "both") else twin
    with ExitStack() as stack:
        sessions: list[ChipSession] = []
        for number, (image, chip) in enumerate(zip(images, chips, strict=True)):
            session: ChipSession = stack.enter_context(first.open(image, chip))
            if engine == "both":
                session = CheckedSession(session, stack.enter_context(twin.open(image, chip)), number)
            sessions.append(session)
        yield sessions
