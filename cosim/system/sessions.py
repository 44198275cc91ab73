"""Chips of a system opened on an engine; and two engines as one, whose codes must be the same."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.chip import AnalogChip
from cosim.engines.checked import EngineDifference
from cosim.engines.engine import SessionEngine
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.session import ChipSession, Closing, Codes
from cosim.engines.twin.engine import TwinEngine
from cosim.files.wording import counted
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
    most : int, optional
        The RTL runs so many frames of a call at most, evenly spread; codes of the others are the twin's alone.
    """

    def __init__(self, session: ChipSession, reference: ChipSession, chip: int, *, most: int | None = None) -> None:
        self.session, self.reference, self.chip, self.most = session, reference, chip, most
        self.image = session.image
        self._compared = 0

    @property
    def statistics(self) -> Mapping[str, Any]:
        """Those of the first session, how many codes were compared, and how many frames the second one ran."""
        frames = self.reference.statistics["frames"]
        return {**self.session.statistics, "compared_codes": self._compared, "reference_frames": frames}

    def run(self, entry: str, codes: ArrayLike, frames: ArrayLike) -> Codes:
        """Run both, `ChipSession.run`, and give the reference's codes.

        Raises
        ------
        EngineDifference
            If a code differs; the message names the first.
        """
        codes, frames = np.asarray(codes), np.asarray(frames)
        chosen = self._chosen(len(frames))
        ours = self.session.run(entry, codes[chosen], frames[chosen])
        theirs = self.reference.run(entry, codes, frames)
        readers = {out.name: out.olp for out in self.image.entry(entry).outputs}
        for name, mine in ours.items():
            expected = theirs[name][chosen]
            differs = np.argwhere(mine != expected)
            if len(differs):
                frame, column = differs[0].tolist()
                raise EngineDifference(
                    f"chip {self.chip}, entry {entry}, {name} at OLP {readers[name]}, column {column}, frame "
                    f"{frames[chosen][frame]}: the RTL gives {mine[frame, column]}, the twin "
                    f"{expected[frame, column]}; {counted(len(differs), 'code')} of {mine.size} differ"
                )
            self._compared += mine.size
        return theirs

    def _chosen(self, frames: int) -> NDArray[np.int64]:
        """Which of so many frames the first session runs."""
        if self.most is None or frames <= self.most:
            return np.arange(frames)
        return np.linspace(0, frames - 1, self.most).round().astype(np.int64)

    def close(self) -> None:
        """End both sessions."""
        self.session.close()
        self.reference.close()


@contextmanager
def opened(
    engine: str,
    images: Sequence[ChipImage],
    chips: Sequence[AnalogChip],
    config: ChipConfig,
    *,
    rtl_frames: int | None = None,
) -> Iterator[list[ChipSession]]:
    """Sessions of all chips on "twin", "rtl" or "both", or on "ideal", which is the twin with chips without noise.

    On "both" the RTL runs `rtl_frames` frames of a call at most; by default all.
    """
    twin = TwinEngine()
    first: SessionEngine = RtlEngine(config) if engine in ("rtl", "both") else twin
    with ExitStack() as stack:
        sessions: list[ChipSession] = []
        for number, (image, chip) in enumerate(zip(images, chips, strict=True)):
            session: ChipSession = stack.enter_context(first.open(image, chip))
            if engine == "both":
                reference = stack.enter_context(twin.open(image, chip))
                session = CheckedSession(session, reference, number, most=rtl_frames)
            sessions.append(session)
        yield sessions
