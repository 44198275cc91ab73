"""A chip that stays open: the host starts an entry of its image, reads the codes, and decides what to start next."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.chip import AnalogChip
from analog_models.values import whole_number
from cosim.files.errors import UserError
from cosim.program import ChipImage, ProgramError

__all__ = [
    "ChipSession",
    "Closing",
    "Codes",
    "SessionClosedError",
    "check_chip",
    "checked_first_frame",
    "frame_numbers",
]

#: Of each output, (frames, width).
Codes = dict[str, NDArray[np.uint8]]


class SessionClosedError(UserError, RuntimeError):
    """A session was asked to run after it had been closed, by its owner or by an error."""


class Closing(ABC):
    """What is open until it is closed; a context manager closes it at its end."""

    @abstractmethod
    def close(self) -> None:
        """End it; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ChipSession(Protocol):
    """An image on a chip, ready to run; made by an engine's `open`, a context manager that closes it.

    Engines agree bit by bit: codes depend on the chip, the entry, the inputs and the frame numbers, and on nothing
    else; not on what ran before, on how frames are grouped, or on their order.

    Members
    -------
    image : ChipImage
    statistics : mapping of str to number
        Sums over all runs: `frames`, `wall_s` and the parts of it that the engine tells apart.
    """

    image: ChipImage

    @property
    def statistics(self) -> Mapping[str, Any]: ...

    def run(self, entry: str, codes: ArrayLike, frames: ArrayLike) -> Codes:
        """Run one frame for each row of `codes`.

        Parameters
        ----------
        entry : str
            Of the image.
        codes : (n, width)
            Inputs: floats in [-1, 1], or integers as signed codes, -255 to 255.
        frames : (n,) int
            Number of each frame, 0 or more; it keys the noise.

        Returns
        -------
        dict of str to uint8 (n, width)
            Output-landing-pad codes of every output of the entry.

        Raises
        ------
        ProgramError, VectorError
            On an entry that the image does not have, inputs or frame numbers of another shape or range.
        SessionClosedError
        """

    def close(self) -> None:
        """End the session; a second call does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def check_chip(image: ChipImage, chip: AnalogChip) -> None:
    """Make sure that a chip is of the size that an image is for, and has weights wherever the image has some.

    Raises
    ------
    ProgramError
    """
    config = image.config
    ours, theirs = (config.lanes, config.bias_rows, config.lanes), (chip.rows, chip.bias_rows, chip.column_count)
    if ours != theirs:
        raise ProgramError(f"the program's tiles have {ours} rows, bias rows and columns, the analog chip's {theirs}")
    empty = [tile for tile in image.tiles if not chip.tile(tile).programmed]
    if empty:
        raise ProgramError(
            f"tile {', '.join(map(str, empty))} of the analog chip has never been programmed; "
            "put the weights in with analog_models.program(chip, program.targets)"
        )


def frame_numbers(codes: NDArray[np.int16], frames: ArrayLike) -> NDArray[np.int64]:
    """Frame numbers of a run, checked: the same rule for every engine.

    Raises
    ------
    ProgramError
        If there is not one whole number, 0 or more, for each row of `codes`.
    """
    numbers = np.asarray(frames)
    if numbers.shape != (len(codes),) or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ProgramError(
            f"expected {len(codes)} frame numbers, one whole number for each row of the inputs, got "
            f"{numbers.dtype} {numbers.shape}"
        )
    if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < 1 << 63:
        raise ProgramError(f"frame numbers must be 0 to 2**63 - 1, got {numbers.min()} to {numbers.max()}")
    return numbers.astype(np.int64)


def checked_first_frame(first: int, count: int) -> int:
    """Number of the first of so many frames, as an int.

    Raises
    ------
    ProgramError
        If it is no whole number, or a frame's number is out of range.
    """
    try:
        return whole_number(first, "first_frame", 0, (1 << 63) - 1 - count)
    except ValueError as error:
        raise ProgramError(str(error)) from None
