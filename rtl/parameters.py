"""What components and signatures are built from: checked when they are built, readable and compared afterwards."""

from operator import index
from typing import Any, ClassVar

from amaranth.lib import wiring

from rtl.config import ChipConfig

__all__ = ["ParametricSignature", "chip_config", "whole"]


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """`value` as an int, if it is a whole number from `least` to `most`.

    Raises
    ------
    TypeError, ValueError
        If it is none, with its name.
    """
    expected = f"a whole number from {least} to {most:,}" if most is not None else f"a whole number, {least} or more"
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be {expected}, got {value!r}") from None
    if number < least or (most is not None and number > most):
        raise ValueError(f"{name} must be {expected}, got {number}")
    return number


def chip_config(value: Any) -> ChipConfig:
    """`value`, if it is a `ChipConfig`.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not isinstance(value, ChipConfig):
        raise TypeError(f"config must be a ChipConfig, e.g. rtl.config.preset('small'), got {value!r}")
    return value


class ParametricSignature(wiring.Signature):
    """A signature that equals every other of its class with the same parameters, as Amaranth's anonymous ones do."""

    #: Names of the properties that say what it was built from.
    PARAMETERS: ClassVar[tuple[str, ...]] = ()

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.PARAMETERS)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._values() == self._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        values = zip(self.PARAMETERS, self._values(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in values)})"
