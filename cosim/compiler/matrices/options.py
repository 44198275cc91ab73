"""How the matrices of a network shall be mapped: what one may choose, for all of them and one by one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from analog_models.config import AnalogConfig
from cosim.compiler.errors import MappingError
from cosim.compiler.matrices.frames import Timing
from cosim.program import Mode

__all__ = ["LayoutOptions", "MatrixOptions"]


@dataclass(frozen=True)
class MatrixOptions:
    """What one may choose for a matrix; None leaves the choice to the compiler.

    Parameters
    ----------
    mode : Mode, optional
    joined : bool, optional
        Use vertical pairs of tiles with shared capacitors where the rows need two tiles, instead of sums on the host.
    apart : int
        Of a joined matrix, so many blocks of columns, the first ones, are not joined all the same.
    first_rows : int, optional
        Rows on the first tile of each joined pair; by default as many as it holds.
    copies : int
        On so many times as many rows, whose sum averages errors of devices.
    host : bool
        Leave the matrix to the host.
    chip : int, optional
        Where to put it. If one matrix is given its chip, all are.
    """

    mode: Mode | None = None
    joined: bool | None = None
    copies: int = 1
    host: bool = False
    chip: int | None = None
    apart: int = 0
    first_rows: int | None = None

    def __post_init__(self) -> None:
        if self.apart < 0 or (self.first_rows is not None and self.first_rows < 1):
            raise MappingError(
                f"blocks apart must be 0 or more, first rows 1 or more, got {self.apart}, {self.first_rows}"
            )
        if self.mode is not None:
            try:
                object.__setattr__(self, "mode", Mode(self.mode))
            except ValueError:
                known = ", ".join(mode.value for mode in Mode)
                raise MappingError(f"mode must be one of {known}, got {self.mode!r}") from None
        if not 1 <= self.copies <= 64:
            raise MappingError(f"copies of a matrix must be 1 to 64, got {self.copies}")


@dataclass(frozen=True)
class LayoutOptions:
    """How to lay out.

    Parameters
    ----------
    chips : int, optional
        By default as few as possible.
    matrices : mapping of str to MatrixOptions
        By name, or by a pattern such as "encoder/*/fc?"; the first that fits is taken.
    duration : int
        Code of the largest input, and longest pulse of an output, ns: 127 halves integration, charge and readout.
    readout_bits : int
        Of an OLP's codes, 8 or 7.
    frames_per_run : int, optional
        By default as many as the pads hold; a run of fewer frames is stopped after its last one.
    spread : bool
        Use all tiles of a chip: blocks share one only where none is empty. By default they are put together, which
        leaves tiles to others.
    alike : tuple of tuple of str
        Matrices that always get the same input: side by side they share rows of a tile, and vectors.
    merged : tuple of (str, str)
        Matrices of a wave whose last columns, half a tile at most, are read as one vector: those of the first stand on
        even columns of their tiles, those of the second on odd ones.
    analog : AnalogConfig
        Whose constants the first readouts are made for.
    effort : int
        Changes of a chip's placement that are tried to save readouts and to shorten ways.
    solver_s : float
        Deterministic time of the solver for each chip where calls are split all the same, because the ways of their
        vectors do not fit side by side. It needs the extra `compile`; with 0 they stay split.
    """

    chips: int | None = None
    matrices: Mapping[str, MatrixOptions] = field(default_factory=dict)
    duration: int = 255
    readout_bits: int = 8
    frames_per_run: int | None = None
    spread: bool = False
    alike: tuple[tuple[str, ...], ...] = ()
    merged: tuple[tuple[str, str], ...] = ()
    analog: AnalogConfig = field(default_factory=AnalogConfig)
    effort: int = 100
    solver_s: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("duration", 1, 255),
            ("readout_bits", 7, 8),
            ("chips", 1, 1 << 10),
            ("effort", 0, 1 << 20),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise MappingError(f"{name} must be {low} to {high}, got {value}")

    def of(self, matrix: str) -> MatrixOptions:
        """Those of a matrix."""
        if matrix in self.matrices:
            return self.matrices[matrix]
        return next((one for name, one in self.matrices.items() if fnmatchcase(matrix, name)), MatrixOptions())

    @property
    def timing(self) -> Timing:
        return Timing(self.duration, self.readout_bits, self.frames_per_run)
