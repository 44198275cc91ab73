"""What a study measured: numbers, arrays, and findings beside the paper's; in one file, or why there is none."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.files.archive import ArchiveError, load_archive, write_archive
from cosim.files.typed import typed

__all__ = ["Finding", "Measurement", "Unavailable"]

_FORMAT, _VERSION = "duramesh measurement", 1


class Unavailable(Exception):
    """A study cannot be made here; the message says what it lacks, for the report."""


@dataclass(frozen=True)
class Finding:
    """One number, with all that a reader needs to trust it, beside the paper's.

    Parameters
    ----------
    what : str
        E.g. "weights within 20 % of the largest".
    value : float
        In `unit`; a share is given in %, not as a fraction.
    unit : str
        "%", "ns", "1", ... ; "" where a number has none.
    engine : str
        What gave it: "rtl", "twin", or "physics" where analog models were called directly.
    data : str
        What was put in: clips, vectors, weights.
    seeds : str
        Which chips or networks, e.g. "chips 0-19".
    low, high : float, optional
        Smallest and largest over the seeds.
    std : float, optional
        Standard deviation over the seeds.
    digits : int
        After the point.
    paper : str
        The paper's number in its own words, "" if it prints none.
    source : str
        Where the paper prints it.
    headline : bool
        Belongs into the README's evidence table.
    """

    what: str
    value: float
    unit: str
    engine: str
    data: str
    seeds: str
    low: float | None = None
    high: float | None = None
    std: float | None = None
    digits: int = 2
    paper: str = ""
    source: str = ""
    headline: bool = False

    @classmethod
    def over(cls, what: str, values: NDArray[np.float64], unit: str, **rest: Any) -> "Finding":
        """A number measured on several chips or networks, (seeds,): mean, standard deviation, smallest and largest."""
        values = np.asarray(values, np.float64)
        std = float(values.std(ddof=1)) if values.size > 1 else None
        return cls(
            what,
            float(values.mean()),
            unit,
            low=float(values.min()),
            high=float(values.max()),
            std=std,
            **rest,
        )

    @property
    def text(self) -> str:
        """Value with unit and spread: ``88.15 % ± 0.21 (87.82 to 88.37)``."""
        number = f"{self.value:,.{self.digits}f}"
        unit = f" {self.unit}" if self.unit not in ("", "1") else ""
        spread = "" if self.std is None else f" ± {self.std:.{self.digits}f}"
        if self.low is not None and self.high is not None and self.std is not None:
            spread += f" ({self.low:,.{self.digits}f} to {self.high:,.{self.digits}f})"
        return number + unit + spread


@dataclass(frozen=True)
class Measurement:
    """What a study measured.

    Parameters
    ----------
    numbers : mapping
        For machines: whatever JSON holds. It goes into `results.json`.
    arrays : mapping of str to array
        What the figures need beyond `numbers`.
    findings : tuple of Finding
    """

    numbers: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def save(self, path: Path, **about: Any) -> None:
        """Write an npz file without pickle, whole or not at all; `about` is kept with it."""
        findings = [asdict(finding) for finding in self.findings]
        meta = {"about": about, "numbers": dict(self.numbers), "findings": findings}
        write_archive(path, _FORMAT, _VERSION, meta, self.arrays)

    @classmethod
    def load(cls, path: Path) -> "tuple[Measurement, dict[str, Any]]":
        """What `save` wrote, and what it said about it.

        Raises
        ------
        ArchiveError
            If the file is damaged, or no measurement.
        FileNotFoundError
        """

        def build(meta: dict[str, Any], arrays: dict[str, NDArray]) -> "tuple[Measurement, dict[str, Any]]":
            numbers, about = (typed(dict[str, Any], meta[name], name) for name in ("numbers", "about"))
            return cls(numbers, arrays, typed(tuple[Finding, ...], meta["findings"], "findings")), about

        return load_archive(path, _FORMAT, _VERSION, build, ArchiveError)
