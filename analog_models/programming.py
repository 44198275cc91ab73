"""Closed-loop tuning: put target weights into the PCM devices of a chip, row by row, one device at a time."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.constants import ASSUMPTION, check_constants, constant
from analog_models.noise import Draw
from analog_models.programming_report import ProgrammingReport, in_use
from analog_models.tile import Tile
from analog_models.values import kept, real_numbers

__all__ = ["Programming", "WeightTargets", "program"]

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
#: (tile, pair, pulses, errors)
Watch = Callable[[int, int, int, Array], None]


@dataclass(frozen=True)
class WeightTargets:
    """Target weights of one tile, in [-1, 1]; 1 is a difference of g_max between the devices of a pair.

    Parameters
    ----------
    wp1, wp2 : (rows + bias rows, columns) float64, or None
        Targets of the first and the second pair; None leaves the pair as it is. Kept as they are now, read-only.

    Raises
    ------
    ValueError
        If targets are no matrix of real numbers.
    """

    wp1: Array | None = None
    wp2: Array | None = None

    def __post_init__(self) -> None:
        for name in ("wp1", "wp2"):
            if (given := getattr(self, name)) is None:
                continue
            array = kept(real_numbers(given, name))
            if array.ndim != 2:
                raise ValueError(f"{name} must be a matrix, rows with bias rows by columns, got shape {array.shape}")
            object.__setattr__(self, name, array)

    @classmethod
    def balanced(cls, weights: ArrayLike) -> "WeightTargets":
        """Asymmetry balance: W on WP1 and -W on WP2."""
        w = real_numbers(weights, "weights")
        return cls(w, -w)

    @classmethod
    def four_pcm(cls, weights: ArrayLike) -> "WeightTargets":
        """Four devices per weight without balance: both pairs hold W and are read together, (F + 1) W in all."""
        w = kept(real_numbers(weights, "weights"))
        return cls(w, w)


@dataclass(frozen=True)
class Programming:
    """Settings of the tuning loop."""

    tolerance: float = constant(
        0.015, "1", (1e-6, 1), f"{ASSUMPTION}: a weight is done within 1.5 % of the largest weight"
    )
    max_iterations: int = constant(24, "1", (1, 10_000), f"{ASSUMPTION}: pulses per device before it is left as it is")
    caution: float = constant(
        0.7,
        "1",
        (0.01, 1),
        f"{ASSUMPTION}: share of the missing conductance that a pulse aims at; again after each overshoot",
    )
    max_width_ns: int = constant(255, "ns", (1, 511), "Nature 620, 768 (2023): longest column pulse, 8 bits")
    reads: int = constant(
        16, "1", (1, 1_000_000), f"{ASSUMPTION}: reads averaged per verification, against the noise of each"
    )
    verify_s: float = constant(
        20e-6,
        "s",
        (1e-9, 1e3),
        f"{ASSUMPTION}: from a pulse to its verification; no average takes off 1/f noise until then",
    )
    verify_capacitors: int = constant(1, "1", (1, 8), f"{ASSUMPTION}: one weight is a small signal; smallest bank")
    verify_slope: int = constant(
        32, "1", (1, 255), f"{ASSUMPTION}: ramp slope of a verification, +-1.9 weights in range"
    )

    def __post_init__(self) -> None:
        check_constants(self)

    def readout_sigma(self, config: AnalogConfig, banks: int = 1) -> float:
        """Noise of the periphery in one read of one weight with a full pulse, in weights.

        kT/C, comparator noise and the ramp's quantisation; the fixed offset is gone with a read without pulse. `banks`
        is 2 where two tiles share their capacitors.
        """
        periphery, capacitors = config.periphery, self.verify_capacitors * banks
        volts = config.volts_per_weight_ns(capacitors, drifted=False) * periphery.ramp_full_ns
        reset_v = periphery.reset_noise_mv(capacitors * periphery.capacitor_ff) * 1e-3
        lsb_v = config.volts_per_cycle(self.verify_slope)
        return sqrt(periphery.comparator_noise_v**2 + reset_v**2 + lsb_v**2 / 12) / volts


def program(
    chip: AnalogChip,
    targets: Mapping[int, WeightTargets],
    *,
    rows: ArrayLike | None = None,
    joined: Collection[tuple[int, int]] = (),
    settings: Programming | None = None,
    written_s: float = 0.0,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> ProgrammingReport:
    """Program target weights into a chip's tiles by closed-loop tuning.

    A pair of devices holds its weight on one side: a positive weight on the first device, a negative one on the second.
    Each device of the row is RESET, then gets partial SET pulses, whose widths come over the columns, until the weight
    reads right; what overshoots is RESET and starts again. Each weight is read through its own mirror and read path, so
    that their errors are tuned away with the device's; of its capacitors, those of the verification. Afterwards the
    devices relax and begin to drift; reads see them at the age of the chip's configuration.

    Parameters
    ----------
    chip : AnalogChip
    targets : mapping of tile to WeightTargets
    rows : sequence of int, optional
        Program these word lines only, for example the bias rows, ``range(512, 520)``. Targets keep their full shape.
    joined : collection of (north, south)
        Tiles that share their capacitors in the MACs to come: their weights are read in this combined configuration.
    settings : Programming, optional
    written_s : float
        When this happens, s on the clock that the chip's age is read from; the devices' age counts from here. 0 for
        weights; later for rows that are programmed anew on a chip that has aged.
    progress : callable (done, total), optional
        Called after every pair of every tile.
    watch : callable (tile, pair, pulses, errors), optional
        Called after RESET (0 pulses) and after each round of pulses: weight minus target of every programmed weight,
        (rows, columns), as it is at that moment, without read noise. It costs time and changes nothing.

    Returns
    -------
    ProgrammingReport

    Raises
    ------
    ValueError
        If a tile is not one of the chip's, a target has a wrong shape, is NaN or outside [-1, 1], or `written_s` is
        negative.

    Source
    ------
    "Weight programming was done in an iterative row-wise fashion", "only one of the four PCM devices was programmed
    each time": Nature 620, 768 (2023), Methods; closed-loop tuning: Narayanan et al., IEEE TED 68, 6629 (2021). Pulse
    shapes, tolerance and the order of pulses are our assumption. Rows and columns do not disturb each other, so all
    rows of a tile are computed at once.
    """
    settings = settings or Programming()
    if not 0 <= written_s < inf:
        raise ValueError(f"written_s must be 0 s or later, got {written_s}")
    chosen = _rows(chip, rows)
    partners = {north: (north, south) for north, south in joined} | {south: (south, north) for north, south in joined}
    jobs: list[tuple[int, int, Array]] = []
    for index, weights in targets.items():
        if index not in chip.used:
            raise ValueError(
                f"tile {index} is not one of this chip's tiles {sorted(chip.used)}; name it in AnalogChip(tiles=...)"
            )
        for pair, target in ((1, weights.wp1), (2, weights.wp2)):
            if target is not None:
                jobs.append((index, pair, _checked(chip, index, pair, target)))
    report = ProgrammingReport({}, {}, {}, 0)
    unfinished = 0
    for done, (index, pair, target) in enumerate(jobs):
        if progress:
            progress(done, len(jobs))
        wanted = target[chosen]
        seen = None if watch is None else partial(watch, index, pair)
        job = _Job(tuple(chip.tile(one) for one in partners.get(index, (index,))), pair, chosen, wanted)
        with chip.at_work():
            errors, pulses, missed = _tune(job, settings, written_s, seen)
        used = in_use(wanted)
        report.errors[index, pair] = errors.astype(np.float32)
        report.targets[index, pair] = wanted.astype(np.float32)
        report.iterations[index, pair] = int(pulses[used].max(initial=0))
        unfinished += int(missed[used].sum())
    if progress:
        progress(len(jobs), len(jobs))
    return ProgrammingReport(report.errors, report.targets, report.iterations, unfinished)


def _rows(chip: AnalogChip, rows: ArrayLike | None) -> NDArray[np.int64]:
    if rows is None:
        return np.arange(chip.total_rows)
    chosen = np.atleast_1d(np.asarray(rows))
    if chosen.ndim != 1 or not np.issubdtype(chosen.dtype, np.integer):
        raise ValueError(f"rows must be a list of integers, got {chosen.dtype} of shape {chosen.shape}")
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < chip.total_rows:
        raise ValueError(
            f"rows span {chosen.min()} to {chosen.max()}, but a tile has rows 0 to {chip.total_rows - 1} "
            f"(bias rows from {chip.rows})"
        )
    return np.unique(chosen)


def _checked(chip: AnalogChip, index: int, pair: int, target: ArrayLike) -> Array:
    weights = real_numbers(target, f"tile {index}, WP{pair}: targets")
    expected = (chip.total_rows, chip.column_count)
    if weights.shape != expected:
        raise ValueError(
            f"tile {index}, WP{pair}: targets have shape {weights.shape}, expected {expected} "
            "(rows with bias rows, columns); fill unused cells with 0"
        )
    bad = np.argwhere(~(np.abs(weights) <= 1))  # catches NaN too
    if bad.size:
        row, column = (int(i) for i in bad[0])
        raise ValueError(
            f"tile {index}, WP{pair}, row {row}, column {column}: target is {weights[row, column]}, expected a number "
            "in [-1, 1]; scale the layer's weights by their largest magnitude"
        )
    return weights


@dataclass(frozen=True)
class _Job:
    """What is tuned: one pair of devices (1 or 2) in `rows` of the first tile, to `target` (rows, columns).

    A second tile shares its capacitors.
    """

    tiles: tuple[Tile, ...]
    pair: int
    rows: NDArray[np.int64]
    target: Array

    @property
    def tile(self) -> Tile:
        """Whose weights they are."""
        return self.tiles[0]

    @property
    def first(self) -> int:
        """The pair's first device; the second follows."""
        return 2 * (self.pair - 1)

    def capacitance(self, capacitors: int) -> Array:
        """Of so many capacitors of each tile over the nominal one: (columns,)."""
        return np.mean([tile.columns.capacitors[:capacitors].mean(axis=0) for tile in self.tiles], axis=0)


def _tune(
    job: _Job, settings: Programming, written_s: float, seen: Callable[[int, Array], None] | None
) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
    """Do it: errors at t0, pulses, and which weights were given up, (rows, columns) each."""
    tile, rows, target = job.tile, job.rows, job.target
    pcm = tile.config.pcm
    devices = slice(job.first, job.first + 2)
    negative = target < 0
    draws = tile.next_draws()  # programming again draws anew
    stuck = np.stack([tile.stuck(device, rows) for device in (job.first, job.first + 1)])
    if pcm.exact_write:
        g_us = np.stack([np.where(negative, 0, target), np.where(negative, -target, 0)]) * pcm.g_max_us
        g_us[stuck < 0], g_us[stuck > 0] = pcm.g_reset_us, pcm.g_set_us
        nu = pcm.drift_exponent(g_us, draws(Draw.DRIFT, g_us.size).reshape(g_us.shape))
        tile.writable.write(rows, devices, g_us, nu, written_s=written_s)
        return _weights(tile, g_us) - target, np.zeros(target.shape, np.int64), np.zeros(target.shape, bool)
    g_us = pcm.after_reset(draws(Draw.RESET, target.size * 2)).reshape(2, *target.shape)
    g_us[stuck > 0] = pcm.g_set_us
    g_us, pulses, missed = _loop(job, g_us, stuck != 0, draws, settings, seen)
    # What was SET relaxes until t0; what was only RESET has its spread already.
    active = _chosen(g_us, negative)
    tuned = (_weights(tile, g_us) - target)[(pulses > 0) & ~missed]
    tuned_us = pcm.g_max_us * sqrt(np.mean(tuned**2)) if tuned.size else 0.0
    relaxed = pcm.relaxed(active, draws(Draw.RELAXATION, target.size).reshape(target.shape), tuned_us)
    moved = (pulses > 0) & (_chosen(stuck, negative) == 0)
    g_us = _replaced(g_us, negative, np.where(moved, relaxed, active))
    nu = pcm.drift_exponent(g_us, draws(Draw.DRIFT, g_us.size).reshape(g_us.shape))
    tile.writable.write(rows, devices, g_us, nu, written_s=written_s)
    return _weights(tile, g_us) - target, pulses, missed


def _loop(
    job: _Job,
    g_us: Array,
    stuck: NDArray[np.bool_],
    draws: Callable[[int, int], Array],
    settings: Programming,
    seen: Callable[[int, Array], None] | None,
) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
    """Verify and pulse until every weight reads right: conductances, pulses, and which weights were given up.

    Only one device of a pair ever gets SET pulses, so the passes over the first and over the second device touch
    disjoint cells and are computed together.
    """
    tile, target, first = job.tile, job.target, job.first
    config, pcm = tile.config, tile.config.pcm
    readout_variance = settings.readout_sigma(config, len(job.tiles)) ** 2
    capacitance = job.capacitance(settings.verify_capacitors)
    columns = target.shape[1]
    negative = target < 0
    sign = np.where(negative, -1.0, 1.0).ravel()
    magnitude = np.abs(target).ravel()
    g, other = _chosen(g_us, negative).ravel(), _chosen(g_us, ~negative).ravel()
    set_time, reach = (
        _chosen((of(first, job.rows), of(first + 1, job.rows)), negative).ravel()
        for of in (tile.set_time_ns, tile.reach_us)
    )
    still = _chosen(stuck, negative).ravel()
    pulses = np.zeros(g.size, np.int64)
    caution = np.full(g.size, settings.caution)
    todo = np.arange(g.size)

    def placed() -> Array:
        """Both devices of each weight, (2, rows, columns)."""
        return _replaced(g_us, negative, g.reshape(target.shape))

    if seen is not None:
        seen(0, _weights(tile, placed()) - target)
    for iteration in range(settings.max_iterations):
        column = todo % columns
        positive = sign[todo] > 0
        active, rest = g[todo], other[todo]
        pair_us = np.stack([np.where(positive, active, rest), np.where(positive, rest, active)])
        weight = sign[todo] * tile.weights_of(pair_us, column, capacitance=capacitance)[0]
        sigma_us = _verify_sigma_us(config, settings, active, rest)
        sigma = np.sqrt((sigma_us / pcm.g_max_us) ** 2 + readout_variance / settings.reads)
        missing = magnitude[todo] - (weight + sigma * draws(Draw.VERIFY, todo.size))
        # A weight that RESET left too high, being smaller than what RESET leaves behind, cannot come closer.
        out = np.abs(missing) > settings.tolerance
        out &= (missing > 0) | (pulses[todo] > 0)
        todo, missing, active = todo[out], missing[out], active[out]
        if not todo.size:
            break
        # A device that overshoots is faster than planned: its next attempts aim lower.
        goal = active + caution[todo] * missing * pcm.g_max_us
        width = np.clip(np.rint(pcm.planned_width_ns(active, goal)), 1, settings.max_width_ns)
        z = draws(Draw.PULSE, todo.size)
        too_high = missing < 0
        after = np.where(too_high, pcm.after_reset(z), pcm.after_set(active, width, set_time[todo], z, reach[todo]))
        g[todo] = np.where(still[todo], active, after)
        caution[todo[too_high]] *= settings.caution
        pulses[todo] += 1
        if seen is not None:
            seen(iteration + 1, _weights(tile, placed()) - target)
    missed = np.zeros(g.size, bool)
    missed[todo] = True
    return placed(), pulses.reshape(target.shape), missed.reshape(target.shape)


def _chosen(devices: Sequence[NDArray] | NDArray, second: NDArray[np.bool_]) -> NDArray:
    """Of the two devices of each pair (2, rows, columns) the first or the second one: (rows, columns)."""
    return np.where(second, devices[1], devices[0])


def _replaced(devices: Array, second: NDArray[np.bool_], values: Array) -> Array:
    """The devices, with `values` (rows, columns) for those that `_chosen` takes."""
    return np.stack([np.where(second, devices[0], values), np.where(second, values, devices[1])])


def _verify_sigma_us(config: AnalogConfig, settings: Programming, active: Array, rest: Array) -> Array:
    """Spread of a verification by the two devices of each weight: what all of its reads share, and what they do not."""
    pcm, width, variance = config.pcm, settings.max_width_ns, np.zeros(active.shape)
    for g_us in (active, rest):
        shared = g_us * pcm.accumulated_noise(g_us, settings.verify_s)
        each = pcm.pulse_sigma_us(g_us, width) ** 2 + config.periphery.shot_noise_us2(g_us, width)
        variance += shared**2 + each / settings.reads
    return np.sqrt(variance)


def _weights(tile: Tile, g_us: Array) -> Array:
    """Weights of one pair of devices (2, rows, columns), read through their columns."""
    return tile.weights_of(g_us)[0]
