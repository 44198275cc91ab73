"""What the paper says of its RNN-T as trends, and whether these sentences tell it so."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.files.wording import listed
from cosim.workloads.resampling import resampled_interval

__all__ = ["Readings", "Trend", "bits_for", "equivalent_rate", "trends", "verdicts"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

#: Share of software's accuracy at which a chip counts as equivalent to it: MLPerf's, and the paper's.
_EQUIVALENT = 0.99


def equivalent_rate(software: float) -> float:
    """Largest word error rate that is software-equivalent: 8.378 % for 7.452 %.

    >>> round(100 * equivalent_rate(0.07452), 3)
    8.377
    """
    return 1 - _EQUIVALENT * (1 - software)


def bits_for(bits: Sequence[float], rates: Sequence[float], rate: float) -> float:
    """The number of bits from which on the word error rate stays at `rate` or below, interpolated.

    The least of the bits if it always does, NaN if it does not even with most of them.
    """
    worse = [at for at, one in enumerate(rates) if one > rate]
    if not worse:
        return float(bits[0])
    last = worse[-1]
    if last == len(bits) - 1:
        return float("nan")
    part = (rates[last] - rate) / (rates[last] - rates[last + 1])
    return float(bits[last] + part * (bits[last + 1] - bits[last]))


@dataclass(frozen=True)
class Readings:
    """What readings of all sentences gave, one by one.

    Parameters
    ----------
    words : (sentences,)
    errors, surprise : mapping of str to (seeds, sentences)
        By reading, "software" among them. In float there is one seed.
    """

    words: Array
    errors: Mapping[str, Array]
    surprise: Mapping[str, Array]

    @property
    def count(self) -> int:
        return len(self.words)

    def rates(self, reading: str) -> Array:
        """Word error rate of every seed, (seeds,)."""
        return self.errors[reading].sum(axis=1) / self.words.sum()

    def rate(self, reading: str, rows: Rows | slice = slice(None)) -> float:
        """Mean of the seeds, over some of the sentences."""
        return float(self._errors[reading][rows].sum() / self.words[rows].sum())

    def interval(self, reading: str) -> tuple[float, float]:
        """Of the rate, over sentences drawn anew."""
        return resampled_interval(lambda rows: self.rate(reading, rows), self.count)

    def lost(self, reading: str, rows: Rows | slice = slice(None)) -> float:
        """Surprise beyond that of software, nats a decision, mean of seeds and sentences."""
        return float(self._lost[reading][rows].mean())

    @cached_property
    def _errors(self) -> dict[str, Array]:
        return {name: errors.mean(axis=0) for name, errors in self.errors.items()}

    @cached_property
    def _lost(self) -> dict[str, Array]:
        software = self.surprise["software"].mean(axis=0)
        return {name: surprise.mean(axis=0) - software for name, surprise in self.surprise.items()}


@dataclass(frozen=True)
class Trend:
    """A sentence of the paper, and what is told of it here.

    Parameters
    ----------
    paper, here : str
    margin : float
        More than zero where it is as the paper says.
    low, high : float
        Of the middle 95 % of the margin, over sentences drawn anew.
    unit : str
    """

    paper: str
    here: str
    margin: float
    low: float
    high: float
    unit: str

    @property
    def verdict(self) -> str:
        """ "holds", "does not hold", or that these sentences do not tell."""
        return "holds" if self.low > 0 else "does not hold" if self.high < 0 else "not told"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def trends(found: Readings, alone: Sequence[str], layers: Sequence[str], times: Sequence[int]) -> Iterator[Trend]:
    """Every trend, by the sentences one by one.

    Parameters
    ----------
    found : Readings
    alone : sequence of str
        Layers that were on chips alone, "alone, LAYER".
    layers : sequence of str
        That had fewer levels, "bits, LAYER".
    times : sequence of int
        Rows over inputs, "averaged N" and "expanded N".
    """

    def nats(paper: str, here: str, figure: Callable[[Rows | slice], float]) -> Trend:
        return Trend(paper, here, figure(slice(None)), *resampled_interval(figure, found.count), "nats a decision")

    def points(paper: str, here: str, figure: Callable[[Rows | slice], float]) -> Trend:
        low, high = resampled_interval(figure, found.count)
        return Trend(paper, here, 100 * figure(slice(None)), 100 * low, 100 * high, "points")

    def losses(readings: Sequence[str], form: str = "{:+.4f}") -> str:
        names = [reading.partition(", ")[2] or reading for reading in readings]
        return listed(f"{name} {form.format(found.lost(one))}" for name, one in zip(names, readings, strict=True))

    first, others = alone[0], alone[1:]
    yield nats(
        "a layer alone on a chip: Enc-LSTM0 loses most",
        f"lost: {losses(alone)} nats",
        lambda rows: found.lost(first, rows) - max(found.lost(one, rows) for one in others),
    )
    yield points(
        "each layer alone is software-equivalent",
        f"at most {equivalent_rate(found.rate('software')):.2%}; here {_rates(found, alone)}",
        lambda rows: equivalent_rate(found.rate("software", rows)) - max(found.rate(one, rows) for one in alone),
    )
    yield nats(
        "all layers together lose more than the sum of what each loses alone",
        f"{found.lost('together, all'):.4f} together, {sum(map(found.lost, alone)):.4f} the sum",
        lambda rows: found.lost("together, all", rows) - sum(found.lost(one, rows) for one in alone),
    )
    most, least = ("bits, joint-fc", "bits, enc-lstm0"), "bits, dec-lstm1"
    yield nats(
        "with few bits joint-FC and Enc-LSTM0 are the most sensitive layers",
        f"lost: {losses(layers)} nats",
        lambda rows: (
            min(found.lost(one, rows) for one in most) - max(found.lost(one, rows) for one in layers if one not in most)
        ),
    )
    yield nats(
        "and Dec-LSTM1 is the least sensitive one",
        f"lost: {losses(sorted(layers, key=found.lost)[:3])} nats, the least three",
        lambda rows: min(found.lost(one, rows) for one in layers if one != least) - found.lost(least, rows),
    )
    kinds = {how: [f"{how} {number}" for number in times if number > 1] for how in ("averaged", "expanded")}
    yield nats(
        "at equal rows of Enc-LSTM0 expansion loses less than averaging",
        f"lost: {losses([one for both in zip(*kinds.values(), strict=True) for one in both])} nats",
        lambda rows: (
            sum(found.lost(one, rows) for one in kinds["averaged"])
            - sum(found.lost(one, rows) for one in kinds["expanded"])
        ),
    )
    ends = "simulated 1", f"simulated {times[-1]}"
    yield points(
        "expansion takes away most of what few bits of Enc-LSTM0 cost",
        _rates(found, ends),
        lambda rows: (found.rate(ends[0], rows) + found.rate("software", rows)) / 2 - found.rate(ends[1], rows),
    )
    yield nats(
        "a week of drift adds less than the chips lost when they were young",
        f"{found.lost('whole'):.4f} young, {found.lost('a week'):.4f} after a week",
        lambda rows: 2 * found.lost("whole", rows) - found.lost("a week", rows),
    )
    yield nats(
        "pulses half as long on chip 4 lose more",
        f"lost: {losses(['pulses 255', 'pulses 127'])} nats",
        lambda rows: found.lost("pulses 127", rows) - found.lost("pulses 255", rows),
    )


def _rates(found: Readings, readings: Sequence[str]) -> str:
    names = [reading.partition(", ")[2] or reading for reading in readings]
    return listed(f"{name} {found.rate(one):.2%}" for name, one in zip(names, readings, strict=True))


def verdicts(told: Sequence[Mapping[str, Any]]) -> str:
    """How many trends of a measurement's numbers hold, in words."""
    by_verdict: dict[str, list[str]] = {}
    for trend in told:
        by_verdict.setdefault(trend["verdict"], []).append(trend["paper"])
    words = {"holds": "as the paper states it", "does not hold": "otherwise", "not told": "not told by these sentences"}
    return "; ".join(f"{words[verdict]}: {listed(which)}" for verdict, which in by_verdict.items())
