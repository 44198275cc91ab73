"""Values that users give: whole numbers, arrays of real numbers, arrays that nobody changes afterwards."""

import operator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["kept", "real_number", "real_numbers", "shown", "whole_number"]

Element = TypeVar("Element", bound=np.generic)

#: Characters of a value in a message.
_SHOWN = 60


def shown(value: object) -> str:
    """A value in a message, cut short where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python does not print integers of thousands of digits
        text = f"{type(value).__name__} of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def whole_number(value: Any, what: str, low: int, high: int) -> int:
    """A whole number, from Python or numpy, as an int.

    Parameters
    ----------
    value : int or numpy integer
    what : str
        For the message: "seed".
    low, high : int
        Range, both included.

    Raises
    ------
    ValueError
        If it is something else (1.5, "1", True), or out of range.
    """
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not low <= number <= high:
        raise ValueError(f"{what} must be a whole number, {low} to {_limit(high)}, got {shown(value)}")
    return number


def _limit(number: int) -> str:
    """A number, as a power of two where it is one less."""
    return f"2**{number.bit_length()} - 1" if number > 1 << 16 and not number & (number + 1) else str(number)


def real_number(value: Any, what: str, low: float, high: float, unit: str = "1") -> float:
    """A real number, from Python or numpy, as a float.

    Parameters
    ----------
    value : int, float or a number of numpy
    what : str
        For the message: "age_s".
    low, high : float
        Range, both included; NaN is in none.
    unit : str
        For the message; "1" for a ratio.

    Raises
    ------
    ValueError
        If it is something else ("1", True, 1j), or out of range.
    """
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not low <= value <= high:
        measure = "" if unit == "1" else f" {unit}"
        raise ValueError(f"{what} must be a number, {low:g} to {high:g}{measure}, got {shown(value)}")
    return float(value)


def real_numbers(value: ArrayLike, what: str) -> NDArray[np.float64]:
    """An array, or what numpy makes one of, in float64.

    Raises
    ------
    ValueError
        If it holds complex numbers, text or objects, or rows of different lengths.
    """
    array = np.asarray(value)  # of rows of different lengths, a ValueError of numpy's
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{what} must be real numbers, got {array.dtype} of shape {array.shape}")
    return array.astype(np.float64, copy=False)


def kept(array: NDArray[Element]) -> NDArray[Element]:
    """The array as nobody can change it afterwards: itself, if it is such a one, or else a copy."""
    if array.flags.writeable or array.base is not None:
        array = array.copy()
        array.flags.writeable = False
    return array
