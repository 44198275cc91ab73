"""Programming a whole chip, or a tile to another range of conductances, and counting how the weights come out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.device import Pcm
from analog_models.programming import Programming, WeightTargets, program
from cosim.compiler import compile_network
from cosim.graph.feed_forward import FeedForwardNetwork
from rtl.config import ChipConfig

__all__ = [
    "BIN",
    "HEAT_REACH",
    "YIELD",
    "RangeResult",
    "chip_targets",
    "measure_chip",
    "measure_range",
    "measure_two_pairs",
    "same_devices",
    "squared_correlation",
    "weight_pool",
]

Array = NDArray[np.float64]

#: An analog weight counts as good within this share of the largest weight.
YIELD = 0.2
#: Errors are counted in bins so wide, in units of the largest weight, up to so far; what is beyond lies in the last.
BIN, _FAR = 0.001, 0.3
#: Heat maps: bins of target and achieved weight, and their reach; cells of a tile that are shown, each way.
_HEAT_BINS, HEAT_REACH, _SHOWN = 48, 1.2, 32


def weight_pool(network: FeedForwardNetwork) -> Array:
    """Weights of the network's large layers, each layer's largest scaled to 1."""
    large = [layer.weights for layer in network.layers if layer.outputs > 64] or [network.layers[0].weights]
    return np.concatenate([np.ravel(weights / np.abs(weights).max()) for weights in large])


def chip_targets(network: FeedForwardNetwork, config: ChipConfig, seed: int) -> Iterator[tuple[int, WeightTargets]]:
    """Targets for every cell of every tile of a chip, bias rows 0.

    The network lies on its tiles as the compiler puts it there. All other cells get weights drawn from the network's
    own, scaled to fill the range, independently for WP1 and WP2 (2-PCM).
    """
    compiled = compile_network(network, config)
    pool = weight_pool(network)
    for tile in range(config.tile_count):
        draw = np.random.default_rng([seed, tile])
        pair = np.zeros((2, config.total_rows, config.lanes))
        pair[:, : config.lanes] = draw.choice(pool, (2, config.lanes, config.lanes))
        for plan in compiled.layers:
            if tile in plan.tiles:
                own = compiled.targets[tile]
                rows = min(plan.inputs, config.lanes)
                for mine, wanted in zip(pair, (own.wp1, own.wp2), strict=True):
                    assert wanted is not None
                    mine[:rows, : plan.outputs] = wanted[:rows, : plan.outputs]
        yield tile, WeightTargets(*pair)


class _Rounds:
    """What each pair of a tile looks like after RESET and after each round of pulses: a `watch` of `program`."""

    def __init__(self, settings: Programming) -> None:
        self._settings = settings
        self._seen: dict[int, list[tuple[float, float, float]]] = {}
        self._last: Array | None = None

    def __call__(self, _tile: int, pair: int, pulses: int, errors: Array) -> None:
        pulsed = float((errors != self._last).mean()) if pulses else 0.0
        within = float((np.abs(errors) < self._settings.tolerance).mean())
        self._seen.setdefault(pair, []).append((within, float((errors**2).mean()), pulsed))
        self._last = errors

    def of(self, pair: int) -> Array:
        """(pulses, 3): share within tolerance, mean square error, share that got this pulse. What is done stays so."""
        seen = self._seen[pair]
        rest = self._settings.max_iterations + 1 - len(seen)
        return np.array(seen + [(*seen[-1][:2], 0.0)] * rest)


def _moments(x: Array, y: Array) -> Array:
    """Count and sums from which means and correlations over several tiles follow."""
    return np.array([x.size, x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()])


def squared_correlation(moments: Array) -> Array:
    """Squared correlation of what `_moments` (..., 6) has seen."""
    n, x, y, xx, yy, xy = np.moveaxis(moments, -1, 0)
    return (n * xy - x * y) ** 2 / ((n * xx - x * x) * (n * yy - y * y))


def _error_counts(errors: Array) -> NDArray[np.int64]:
    edges = np.arange(-round(_FAR / BIN), round(_FAR / BIN) + 1) * BIN
    return np.histogram(np.clip(errors, edges[0], edges[-1]), edges)[0]


def measure_chip(
    targets: Iterator[tuple[int, WeightTargets]],
    config: ChipConfig,
    seed: int,
    analog: AnalogConfig,
    *,
    every: int = 1,
    advance: Callable[[int, int], None] | None = None,
) -> dict[str, NDArray]:
    """Program a chip and hold its weights against the targets.

    Parameters
    ----------
    targets : iterator of (tile, WeightTargets)
    config : ChipConfig
    seed : int
        Of the chip.
    analog : AnalogConfig
    every : int
        Program each `every`-th row only.
    advance : callable (done, total), optional

    Returns
    -------
    dict of arrays; their first two dimensions are tiles and pairs
        counts : errors in bins of `BIN`; moments : (6,); within : weights within 20 % of the largest; mean : mean
        absolute error; low, high : 1 % and 99 % point of the errors; pulses : of the device that took most;
        rounds : (pulses, 3), see `_Rounds.of`; done : (share within tolerance, mean square error) after relaxation;
        heat : (bins, bins) counts of target and achieved weight; cells : (2, shown, shown) targets and achieved
        weights. And unfinished : a number.
    """
    settings = Programming()
    rows = np.arange(0, config.lanes, every)
    edges = np.linspace(-HEAT_REACH, HEAT_REACH, _HEAT_BINS + 1)
    shown = np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int)
    across = np.linspace(0, config.lanes - 1, min(_SHOWN, config.lanes)).astype(int)
    found: dict[str, list[list[Any]]] = {}
    unfinished = 0
    for tile, wanted in targets:
        # Tiles do not disturb each other, and random numbers are named by the tile: one at a time takes less memory.
        chip = AnalogChip(
            analog,
            tiles=[tile],
            rows=config.lanes,
            bias_rows=config.bias_rows,
            columns=config.lanes,
            seed=seed,
        )
        rounds = _Rounds(settings)
        report = program(chip, {tile: wanted}, rows=rows, settings=settings, watch=rounds)
        unfinished += report.unfinished
        pairs: dict[str, list[Any]] = {}
        for pair in (1, 2):
            errors, target = (array[tile, pair].astype(np.float64) for array in (report.errors, report.targets))
            weights = target + errors
            low, high = np.percentile(errors, (1, 99))
            for name, value in {
                "counts": _error_counts(errors),
                "moments": _moments(target, weights),
                "within": int((np.abs(errors) < YIELD).sum()),
                "mean": np.abs(errors).mean(),
                "low": low,
                "high": high,
                "pulses": report.iterations[tile, pair],
                "rounds": rounds.of(pair),
                "done": np.array([(np.abs(errors) < settings.tolerance).mean(), (errors**2).mean()]),
                "heat": np.histogram2d(target.ravel(), weights.ravel(), (edges, edges))[0].astype(np.int32),
                "cells": np.stack([target, weights])[:, shown[:, np.newaxis], across].astype(np.float32),
            }.items():
                pairs.setdefault(name, []).append(value)
        for name, values in pairs.items():
            found.setdefault(name, []).append(values)
        if advance is not None:
            advance(len(found["within"]), config.tile_count)
    return {name: np.array(values) for name, values in found.items()} | {"unfinished": np.array(unfinished)}


def measure_two_pairs(weights: Array, config: ChipConfig, seed: int, analog: AnalogConfig) -> dict[str, float]:
    """Program one tile with `weights` (rows, columns) on both pairs, W and -W: figures of each, and of their means.

    Beside them the range of its devices' drift exponents, from the 1 % to the 99 % point.
    """
    chip = AnalogChip(analog, tiles=[0], rows=len(weights), bias_rows=0, columns=config.lanes, seed=seed)
    report = program(chip, {0: WeightTargets.balanced(weights)})
    low, high = np.percentile(chip.tile(0).cells.drift_exponents(), (1, 99))
    found = {"nu low": float(low), "nu high": float(high)}
    for pairs, errors in (("one pair", report.pairs), ("two pairs", report.weights)):
        found |= {
            f"good, {pairs}": errors.within_20_percent,
            f"mean, {pairs}": errors.mean,
            f"r_squared, {pairs}": errors.r_squared,
            f"rms, {pairs}": float(np.sqrt(np.mean(errors.errors**2))),
        }
    return found


def same_devices(pcm: Pcm, factor: float) -> Pcm:
    """The same devices, where a weight of 1 is `factor` times as large a conductance."""
    return replace(pcm, g_max_us=pcm.g_max_us * factor)


@dataclass(frozen=True)
class RangeResult:
    """How weights come out whose largest is so many times g_max; errors in units of that largest weight."""

    good: float
    mean: float
    r_squared: float
    spread: float
    clipped: float
    unfinished: float


def measure_range(weights: Array, largest: float, config: ChipConfig, seed: int, nominal: AnalogConfig) -> RangeResult:
    """Program `weights`, (2, rows, columns) in [-1, 1], with 1 at `largest` times the nominal conductance.

    What no device reaches (above `Pcm.g_set_us`) is programmed to what it does reach.
    """
    reach = nominal.pcm.g_set_us / nominal.pcm.g_max_us
    chip = AnalogChip(
        replace(nominal, pcm=same_devices(nominal.pcm, reach)),
        tiles=[0],
        rows=weights.shape[1],
        bias_rows=0,
        columns=weights.shape[2],
        seed=seed,
    )
    wanted = weights * (largest / reach)
    tolerance = Programming().tolerance * largest / reach
    report = program(chip, {0: WeightTargets(*np.clip(wanted, -1, 1))}, settings=Programming(tolerance=tolerance))
    got = np.stack([report.targets[0, pair].astype(np.float64) + report.errors[0, pair] for pair in (1, 2)])
    errors = (got - wanted) * (reach / largest)
    low, high = np.percentile(errors, (1, 99))
    return RangeResult(
        good=float((np.abs(errors) < YIELD).mean()),
        mean=float(np.abs(errors).mean()),
        r_squared=float(squared_correlation(_moments(wanted, got))),
        spread=float(high - low),
        clipped=float((np.abs(wanted) > 1).mean()),
        unfinished=report.unfinished / wanted.size,
    )
