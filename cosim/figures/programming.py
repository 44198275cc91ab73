"""Study: how well the weights of a whole chip are programmed (Extended Data Fig. 4)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.device import Pcm
from analog_models.programming import Programming, WeightTargets, program
from cosim.compiler import compile_network
from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.study import Figure, Study
from cosim.files.plotting import BLUE, GREEN, GREY, ORANGE, new_figure
from cosim.graph.feed_forward import FeedForwardNetwork
from rtl.config import ChipConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["STUDY"]

Array = NDArray[np.float64]

_NATURE = "Nature 620, 768 (2023), Methods and Extended Data Fig. 4"
_CHIPS = 3
#: Quick mode programs every eighth row.
_QUICK_ROWS = 8
#: An analog weight counts as good within this share of the largest weight.
_YIELD = 0.2
#: Errors are counted in bins so wide, in units of the largest weight, up to so far; what is beyond lies in the last.
_BIN, _FAR = 0.001, 0.3
#: Heat maps: bins of target and achieved weight, and their reach; cells of a tile that are shown, each way.
_HEAT_BINS, _HEAT_REACH, _SHOWN = 48, 1.2, 32
#: Largest weights that are tried, in units of the nominal one, and what the devices can reach, `Pcm.g_set_us`.
_RANGES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0)
_WP = ("WP1", "WP2")


# What is programmed ---------------------------------------------------------------------------------------------------


def _pool(network: FeedForwardNetwork) -> Array:
    """Weights of the network's large layers, each layer's largest scaled to 1."""
    large = [layer.weights for layer in network.layers if layer.outputs > 64] or [network.layers[0].weights]
    return np.concatenate([np.ravel(weights / np.abs(weights).max()) for weights in large])


def chip_targets(network: FeedForwardNetwork, config: ChipConfig, seed: int) -> Iterator[tuple[int, WeightTargets]]:
    """Targets for every cell of every tile of a chip, bias rows 0.

    The network lies on its tiles as the compiler puts it there. All other cells get weights drawn from the network's
    own, scaled to fill the range, independently for WP1 and WP2 (2-PCM).
    """
    compiled = compile_network(network, config)
    pool = _pool(network)
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


# One chip -------------------------------------------------------------------------------------------------------------


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


def _r_squared(moments: Array) -> Array:
    """Squared correlation of what `_moments` (..., 6) has seen."""
    n, x, y, xx, yy, xy = np.moveaxis(moments, -1, 0)
    return (n * xy - x * y) ** 2 / ((n * xx - x * x) * (n * yy - y * y))


def _error_counts(errors: Array) -> NDArray[np.int64]:
    edges = np.arange(-round(_FAR / _BIN), round(_FAR / _BIN) + 1) * _BIN
    return np.histogram(np.clip(errors, edges[0], edges[-1]), edges)[0]


def measure_chip(
    targets: Iterator[tuple[int, WeightTargets]],
    config: ChipConfig,
    seed: int,
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
    every : int
        Program each `every`-th row only.
    advance : callable (done, total), optional

    Returns
    -------
    dict of arrays; their first two dimensions are tiles and pairs
        counts : errors in bins of `_BIN`; moments : (6,); within : weights within 20 % of the largest; mean : mean
        absolute error; low, high : 1 % and 99 % point of the errors; pulses : of the device that took most;
        rounds : (pulses, 3), see `_Rounds.of`; done : (share within tolerance, mean square error) after relaxation;
        heat : (bins, bins) counts of target and achieved weight; cells : (2, shown, shown) targets and achieved
        weights. And unfinished : a number.
    """
    settings = Programming()
    rows = np.arange(0, config.lanes, every)
    edges = np.linspace(-_HEAT_REACH, _HEAT_REACH, _HEAT_BINS + 1)
    shown = np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int)
    across = np.linspace(0, config.lanes - 1, min(_SHOWN, config.lanes)).astype(int)
    found: dict[str, list[list[Any]]] = {}
    unfinished = 0
    for tile, wanted in targets:
        # Tiles do not disturb each other, and random numbers are named by the tile: one at a time takes less memory.
        chip = AnalogChip(
            AnalogConfig(),
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
                "within": int((np.abs(errors) < _YIELD).sum()),
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


# A larger and a smaller range -----------------------------------------------------------------------------------------


def same_devices(pcm: Pcm, factor: float) -> Pcm:
    """The same devices, where a weight of 1 is `factor` times as large a conductance.

    The fits are given over g/g_max; here they are written over the new g_max, and are what they were in uS.
    """
    shift = log(factor)
    return replace(
        pcm,
        g_max_us=pcm.g_max_us * factor,
        programming_noise_1_us=pcm.programming_noise_1_us * factor,
        programming_noise_2_us=pcm.programming_noise_2_us * factor**2,
        nu_mean_offset=pcm.nu_mean_offset + pcm.nu_mean_slope * shift,
        nu_sigma_offset=pcm.nu_sigma_offset + pcm.nu_sigma_slope * shift,
        read_noise_q=pcm.read_noise_q * factor**-pcm.read_noise_exponent,
    )


@dataclass(frozen=True)
class _RangeResult:
    """How weights come out whose largest is so many times g_max; errors in units of that largest weight."""

    good: float
    mean: float
    r_squared: float
    spread: float
    clipped: float
    unfinished: float


def measure_range(weights: Array, largest: float, config: ChipConfig, seed: int) -> _RangeResult:
    """Program `weights`, (2, rows, columns) in [-1, 1], with 1 at `largest` times the nominal conductance.

    What no device reaches (above `Pcm.g_set_us`) is programmed to what it does reach.
    """
    nominal = AnalogConfig()
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
    return _RangeResult(
        good=float((np.abs(errors) < _YIELD).mean()),
        mean=float(np.abs(errors).mean()),
        r_squared=float(_r_squared(_moments(wanted, got))),
        spread=float(high - low),
        clipped=float((np.abs(wanted) > 1).mean()),
        unfinished=report.unfinished / wanted.size,
    )


# The measurement ------------------------------------------------------------------------------------------------------


def measure(campaign: Campaign) -> Measurement:
    """Whole chips, and one tile for every range."""
    config, network = campaign.config, campaign.model.network
    seeds = list(campaign.seeds[: 1 if campaign.quick else _CHIPS])
    every = _QUICK_ROWS if campaign.quick else 1
    chips = []
    for seed in seeds:
        campaign.say(f"programming chip {seed}: {config.tile_count} tiles")
        targets = chip_targets(network, config, campaign.seed)
        make = partial(measure_chip, targets, config, seed, every=every, advance=campaign.advance)
        chips.append(campaign.part(f"chip {seed}", make))
    ranges = _RANGES[::3] if campaign.quick else _RANGES
    rows = 64 if campaign.quick else config.lanes
    weights = np.random.default_rng(campaign.seed).choice(_pool(network), (2, rows, config.lanes))
    results: dict[float, list[dict[str, NDArray]]] = {}
    for done, largest in enumerate(ranges):
        campaign.say(f"programming with a largest weight of {largest:g} x g_max")
        for seed in seeds:
            make_range = partial(_range_part, weights, largest, config, seed)
            results.setdefault(largest, []).append(campaign.part(f"range {largest:g}, chip {seed}", make_range))
        campaign.advance(done + 1, len(ranges))
    return summarise(chips, results, config, seeds)


def _range_part(weights: Array, largest: float, config: ChipConfig, seed: int) -> dict[str, Any]:
    return dict(vars(measure_range(weights, largest, config, seed)))


def summarise(
    chips: list[dict[str, NDArray]],
    ranges: Mapping[float, list[dict[str, NDArray]]],
    config: ChipConfig,
    seeds: list[int],
) -> Measurement:
    """Numbers, arrays and findings of chips from `measure_chip` and ranges from `measure_range`."""
    first = chips[0]
    cells = float(first["moments"][..., 0].sum())
    per_chip = {
        "yield_percent": [100 * float(chip["within"].sum()) / cells for chip in chips],
        "beyond_per_million": [1e6 * (1 - float(chip["within"].sum()) / cells) for chip in chips],
        "r_squared": [float(_r_squared(chip["moments"].sum(axis=(0, 1)))) for chip in chips],
        "mean_error_percent": [100 * float(chip["mean"].mean()) for chip in chips],
        "spread_1_to_99_percent": [100 * _spread(chip["counts"].sum(axis=(0, 1))) for chip in chips],
        "unfinished_percent": [100 * float(chip["unfinished"]) / cells for chip in chips],
        "pulses": [float(chip["rounds"][..., 2].mean(axis=(0, 1)).sum()) for chip in chips],
        "most_pulses": [float(chip["pulses"].max()) for chip in chips],
        "rms_error_percent": [100 * float(np.sqrt(chip["done"][..., 1].mean())) for chip in chips],
        "rms_error_of_loop_percent": [100 * float(np.sqrt(chip["rounds"][..., -1, 1].mean())) for chip in chips],
        "within_tolerance_percent": [100 * float(chip["rounds"][..., -1, 0].mean()) for chip in chips],
    }
    spreads = 100 * np.stack([chip["high"] - chip["low"] for chip in chips])  # (chips, tiles, pairs)
    tiles = {
        name: {wp: spread.tolist() for wp, spread in zip(_WP, np.moveaxis(values, -1, 0), strict=True)}
        for name, values in {
            "spread_1_to_99_percent": spreads[0],
            "yield_percent": 100 * first["within"] / first["moments"][..., 0],
            "r_squared": _r_squared(first["moments"]),
            "mean_error_percent": 100 * first["mean"],
        }.items()
    }
    names = list(_RangeResult.__dataclass_fields__)
    swept = {
        name: [[float(part[name]) for part in parts] for parts in ranges.values()] for name in names
    }  # (ranges, chips)
    pcm, settings = Pcm(), Programming()
    numbers = {
        "seeds": seeds,
        "weights_per_chip": int(cells),
        **per_chip,
        "per_tile": tiles,
        "tolerance_percent": 100 * settings.tolerance,
        "range": {"largest": list(ranges), "g_max_us": pcm.g_max_us, "g_set_us": pcm.g_set_us, **swept},
    }
    arrays = {name: first[name] for name in ("counts", "heat", "cells")}
    arrays |= {"squares": np.array(config.floorplan.tiles), "spreads": spreads}
    arrays |= {name: np.stack([chip[name].mean(axis=(0, 1)) for chip in chips]) for name in ("rounds", "done")}
    return Measurement(numbers, arrays, tuple(_findings(per_chip, spreads, swept, list(ranges), cells, seeds)))


def _spread(counts: NDArray) -> float:
    """Distance from the 1 % to the 99 % point of errors counted in bins."""
    cumulative = np.cumsum(counts) / counts.sum()
    edges = (np.arange(len(counts)) + 1) * _BIN
    low, high = np.interp((0.01, 0.99), cumulative, edges)
    return float(high - low)


def _findings(
    per_chip: Mapping[str, list[float]],
    spreads: Array,
    swept: Mapping[str, list[list[float]]],
    ranges: list[float],
    cells: float,
    seeds: list[int],
) -> Iterator[Finding]:
    text = describe_seeds(seeds)
    common: dict[str, Any] = {
        "engine": "physics",
        "data": f"{cells / 1e6:.1f} million weights per chip, keyword-spotting network and draws from its weights",
        "seeds": text,
    }

    def over(what: str, values: list[float], unit: str, **rest: Any) -> Finding:
        return Finding.over(what, np.array(values), unit, **common, **rest)

    yield over(
        "weights within 20 % of the largest",
        per_chip["yield_percent"],
        "%",
        digits=4,
        paper="around 99 %",
        source=_NATURE,
        headline=True,
    )
    yield over("weights off by more than 20 % of the largest", per_chip["beyond_per_million"], "per million", digits=1)
    yield over(
        "R² of achieved and target weights",
        per_chip["r_squared"],
        "1",
        digits=4,
        paper="> 0.98",
        source="Nat. Commun. 16, 8661 (2025), ALBERT",
        headline=True,
    )
    yield over(
        "mean error, share of the largest weight",
        per_chip["mean_error_percent"],
        "%",
        paper="< 3 % average weight error",
        source="Narayanan et al., IEEE TED 68, 6629 (2021), an earlier chip",
        headline=True,
    )
    yield over("rms error, share of the largest weight", per_chip["rms_error_percent"], "%")
    yield over(
        "1-99 % spread of the errors, whole chip",
        per_chip["spread_1_to_99_percent"],
        "%",
        paper="Extended Data Fig. 4e, no figure in the text",
        source=_NATURE,
    )
    for wp, values in zip(_WP, np.moveaxis(spreads, -1, 0), strict=True):
        yield Finding(
            f"1-99 % spread of a tile's errors, {wp}",
            float(np.median(values)),
            "%",
            **{**common, "data": f"median of {values.size} tiles, from smallest to largest"},
            low=float(values.min()),
            high=float(values.max()),
            std=float(values.std(ddof=1)),
        )
    yield over("rms error when the loop ends, before the devices relax", per_chip["rms_error_of_loop_percent"], "%")
    yield over("weights within the loop's tolerance when it ends", per_chip["within_tolerance_percent"], "%")
    yield over("pulses per weight", per_chip["pulses"], "1")
    yield over("pulses of the slowest weight", per_chip["most_pulses"], "1", digits=0)
    yield over("weights given up by the loop", per_chip["unfinished_percent"], "%", digits=4)
    for largest in (ranges[0], *(r for r in ranges if r == 1.0), ranges[-1]):
        at = ranges.index(largest)
        where = f"largest weight at {largest:g} x g_max"
        data = {
            **common,
            "data": f"one tile, {100 * float(np.mean(swept['clipped'][at])):.2f} % out of the devices' reach",
        }
        paper = "Max W = 80 for some tiles, no figure for them" if largest == 0.5 else ""
        source = _NATURE if paper else ""
        yield Finding.over(
            f"mean error, {where}", 100 * np.array(swept["mean"][at]), "%", **data, paper=paper, source=source
        )
        yield Finding.over(f"weights within 20 %, {where}", 100 * np.array(swept["good"][at]), "%", **data, digits=3)


# Pictures -------------------------------------------------------------------------------------------------------------


def _mosaic(axes: Any, tiles: Array, squares: NDArray, **style: Any) -> Any:
    """Show pictures of tiles (tiles, height, width) laid out like the floorplan, each with its square above it."""
    _, height, width = tiles.shape
    gap = height // 5
    rows, columns = squares.max(axis=0) + 1
    canvas = np.full((rows * (height + gap), columns * (width + gap) - gap), np.nan)
    for picture, (row, column) in zip(tiles, squares, strict=True):
        top, left = row * (height + gap) + gap, column * (width + gap)
        canvas[top : top + height, left : left + width] = picture
        axes.text(left, top - 1, f"{row},{column}", fontsize=5.5, va="bottom")
    axes.set_axis_off()
    return axes.imshow(canvas, interpolation="nearest", **style)


def _said(measurement: Measurement, chips: int | None = None) -> str:
    seeds = measurement.numbers["seeds"][:chips]
    return "analog models, closed-loop programming, " + describe_seeds(seeds)


def draw_correlation(measurement: Measurement) -> "Picture":
    """Achieved against target weights of every tile."""
    import matplotlib as mpl
    from matplotlib.colors import LogNorm

    heat, squares = measurement.arrays["heat"].astype(np.float64), measurement.arrays["squares"]
    figure, panels = new_figure(10.0, 5.6, 1, 2, gridspec_kw={"wspace": 0.06})
    colours = mpl.colormaps["viridis_r"].with_extremes(under="#ededed", bad="white")
    for pair, axes in enumerate(panels):
        upright = heat[:, pair].transpose(0, 2, 1)[:, ::-1]  # achieved upwards, target to the right
        upright = np.maximum(upright, 0.5)  # what is empty is below the scale
        image = _mosaic(axes, upright, squares, cmap=colours, norm=LogNorm(1, heat.max()))
        r2 = np.array(measurement.numbers["per_tile"]["r_squared"][_WP[pair]])
        axes.set_title(f"{_WP[pair]}: R² of a tile {r2.min():.4f} to {r2.max():.4f} (ALBERT paper: > 0.98)", fontsize=9)
    bar = figure.colorbar(image, ax=panels, shrink=0.8, pad=0.01)
    bar.set_label("weights per bin", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(
        f"In each tile: target weight to the right, achieved weight upwards, both from {-_HEAT_REACH:g} to "
        f"{_HEAT_REACH:g} x the largest\n({_said(measurement, 1)}; tiles as on the chip)",
        fontsize=10,
    )
    return figure


def draw_maps(measurement: Measurement) -> "Picture":
    """Target and achieved weights where they sit."""
    cells, squares = measurement.arrays["cells"].astype(np.float64), measurement.arrays["squares"]
    figure, panels = new_figure(10.0, 10.4, 2, 2, gridspec_kw={"wspace": 0.06})
    for pair, column in np.ndindex(2, 2):
        axes = panels[pair, column]
        image = _mosaic(axes, cells[:, pair, column], squares, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_title(f"{_WP[pair]}, {('target', 'achieved')[column]}", fontsize=9)
    bar = figure.colorbar(image, ax=panels, shrink=0.6, pad=0.01)
    bar.set_label("weight, largest = 1", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    _, _, _, height, width = cells.shape
    figure.suptitle(
        f"Single cells, {height} x {width} of each tile's 512 x 512 ({_said(measurement, 1)}; tiles as on the chip)",
        fontsize=10,
    )
    return figure


def draw_errors(measurement: Measurement) -> "Picture":
    """Distribution of the errors, its tails, and its width tile by tile."""
    counts = measurement.arrays["counts"].astype(np.float64)
    numbers = measurement.numbers
    percent = 100 * _BIN * (np.arange(1, counts.shape[-1] + 1) - counts.shape[-1] // 2)
    figure, (left, middle, right) = new_figure(11.0, 4.2, 1, 3)
    colours = dict(zip(_WP, (BLUE, ORANGE), strict=True))
    for pair, (wp, colour) in enumerate(colours.items()):
        for tile, one in enumerate(counts[:, pair]):
            label = f"{wp}, each tile" if tile == 0 else None
            left.plot(percent, 100 * np.cumsum(one) / one.sum(), color=colour, lw=0.4, alpha=0.5, label=label)
            middle.plot(*_beyond(one), color=colour, lw=0.4, alpha=0.5)
    total = counts.sum(axis=(0, 1))
    left.plot(percent, 100 * np.cumsum(total) / total.sum(), color="black", lw=1.8, label="all")
    middle.plot(*_beyond(total), color="black", lw=1.8)
    left.set(xlim=(-12, 12), ylim=(0, 100), ylabel="weights with a smaller error (%)")
    for share in (1, 99):
        left.axhline(share, color=GREY, lw=0.7, ls=":")
    left.legend(fontsize=7, frameon=False, loc="upper left")
    left.set_title("error", fontsize=9)
    middle.set_yscale("log")
    middle.set(xlim=(0, 25), ylim=(1e-5, 100), ylabel="weights with a larger error (%)")
    middle.axvline(100 * _YIELD, color=GREEN, lw=1, ls="--", label="limit of the yield, 20 %")
    middle.plot([100 * _YIELD], [1], "v", color=GREEN, ms=6, label="paper: yield around 99 %")
    middle.legend(fontsize=7, frameon=False, loc="lower left")
    middle.set_title(f"magnitude; yield here {numbers['yield_percent'][0]:.4f} %", fontsize=9)
    for axes in (left, middle):
        axes.set_xlabel("error, % of the largest weight")
    per_tile = numbers["per_tile"]["spread_1_to_99_percent"]
    for wp, marker in zip(_WP, "os", strict=True):
        right.plot(per_tile[wp], marker, color=colours[wp], ms=3.5, label=wp)
    right.axhline(numbers["spread_1_to_99_percent"][0], color="black", lw=1, label="whole chip")
    right.set(
        xlabel="tile",
        ylabel="1-99 % spread (% of the largest weight)",
        ylim=(0, 1.15 * max(map(max, per_tile.values()))),
    )
    right.legend(fontsize=7, frameon=False, loc="lower right")
    right.set_title("spread of each tile", fontsize=9)
    figure.suptitle(
        f"Programming errors of {numbers['weights_per_chip'] / 1e6:.1f} million weights ({_said(measurement, 1)})",
        fontsize=10,
    )
    return figure


def _beyond(counts: Array) -> tuple[Array, Array]:
    """Magnitude of an error in %, and the share of errors beyond it in %, NaN where there is none."""
    half = len(counts) // 2
    magnitude = counts[half:] + counts[:half][::-1]
    beyond = 100 * (magnitude.sum() - np.cumsum(magnitude)) / magnitude.sum()
    return 100 * _BIN * (np.arange(half, dtype=np.float64) + 1), np.where(beyond > 0, beyond, np.nan)


def draw_convergence(measurement: Measurement) -> "Picture":
    """Share within tolerance, rms error and share of weights still pulsed, pulse by pulse."""
    rounds, done = measurement.arrays["rounds"], measurement.arrays["done"]
    tolerance = measurement.numbers["tolerance_percent"]
    figure, (left, right) = new_figure(9.5, 4.0, 1, 2)
    steps = np.arange(rounds.shape[1])
    for chip, (one, end) in enumerate(zip(rounds, done, strict=True)):
        first = chip == 0
        left.plot(
            steps, 100 * one[:, 0], "o-", color=BLUE, ms=3, label="true weight within tolerance" if first else None
        )
        left.plot(steps[1:], 100 * one[1:, 2], "s-", color=ORANGE, ms=3, label="got this pulse" if first else None)
        right.plot(steps, 100 * np.sqrt(one[:, 1]), "o-", color=BLUE, ms=3, label="in the loop" if first else None)
        label = "after relaxation, 20 s later" if first else None
        right.axhline(100 * np.sqrt(end[1]), color=ORANGE, lw=1.2, ls="--", label=label)
    left.set(xlabel="pulses", ylabel="weights (%)", ylim=(0, 101))
    left.set_title(f"tolerance: {tolerance:.1f} % of the largest weight", fontsize=9)
    left.legend(fontsize=8, frameon=False, loc="center right")
    right.set_yscale("log")
    right.set(xlabel="pulses", ylabel="rms error (% of the largest weight)")
    right.axhline(tolerance, color=GREY, lw=0.8, ls=":", label="tolerance")
    right.set_title("rms error", fontsize=9)
    right.legend(fontsize=8, frameon=False)
    figure.suptitle(
        f"Closed-loop tuning, pulse by pulse; 0 is after RESET ({_said(measurement)}, all weights)", fontsize=10
    )
    return figure


def draw_range(measurement: Measurement) -> "Picture":
    """What a larger or smaller conductance for the largest weight does."""
    swept = measurement.numbers["range"]
    g_us = np.array(swept["largest"]) * swept["g_max_us"]
    figure, panels = new_figure(11.0, 4.2, 1, 3)
    shown = (
        ("good", 100, "weights within 20 % of the largest (%)", "around 99 %", 99.0, (None, 100.2)),
        ("mean", 100, "mean error (% of the largest weight)", "< 3 %, an earlier chip", 3.0, (0, 3.3)),
        ("r_squared", 1, "R²", "> 0.98, ALBERT", 0.98, (None, 1.0)),
    )
    for axes, (name, scale, label, paper, value, limits) in zip(panels, shown, strict=True):
        values = scale * np.array(swept[name])
        low, high, mean = values.min(axis=1), values.max(axis=1), values.mean(axis=1)
        axes.errorbar(g_us, mean, (mean - low, high - mean), fmt="o-", color=BLUE, ms=3.5, capsize=2, label="here")
        axes.axhline(value, color=GREEN, lw=1, ls="--", label="paper")
        axes.text(g_us[0], value, f"paper: {paper}", color=GREEN, fontsize=7, va="bottom")
        axes.axvline(swept["g_max_us"], color=GREY, lw=0.8, ls=":", label="nominal")
        axes.axvline(swept["g_set_us"], color=ORANGE, lw=0.8, ls="-.", label="most that a device reaches")
        axes.set(xlabel="conductance of the largest weight (uS)", ylabel=label, ylim=limits)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False
    )
    figure.suptitle(
        f"A smaller and a larger range, one tile of the network's weights ({_said(measurement)}; bars: smallest to "
        "largest)",
        fontsize=10,
    )
    return figure


STUDY = Study(
    name="programming",
    title="Programming a whole chip",
    about="""Both pairs of all 512 x 512 cells of all 34 tiles are tuned in the closed loop: RESET, then partial SET
    pulses until a weight, read through its own column, is within 1.5 % of the largest. The shipped keyword-spotting
    network lies on its four tiles as the compiler puts it there; all other cells hold weights drawn from the
    network's own distribution, scaled to fill the range, independently for WP1 and WP2. Errors are those at 20 s, after
    the devices have relaxed, before they drift, in units of the largest weight, a difference of 25 uS. Convergence is
    that of the true weights, which the loop sees through read noise only. For the range, one tile's weights are mapped
    to other conductances, up to twice the nominal one; what lies beyond 30 uS, where partial SET pulses saturate, is
    programmed to 30 uS and counts with what it lacks, and the loop's tolerance stays 1.5 % of the largest weight. The
    papers' weights are other networks'. Device statistics are those of another generation of devices, so that the
    yield, which in silicon has to do with defective devices, can only be better here: the model has no defects.""",
    measure=measure,
    figures=(
        Figure(
            "programming-correlation",
            "Every tile's weights, achieved over target, for both pairs of devices; as Extended Data Fig. 4a, b. "
            "Tiles 0,0, 0,1, 1,0 and 1,1 hold the network, whose strongest weights do not fill the range.",
            draw_correlation,
        ),
        Figure(
            "programming-maps",
            "Targets and achieved weights of single cells. A cell shown is one cell, not a mean.",
            draw_maps,
        ),
        Figure(
            "programming-errors",
            "Distribution of the errors of every tile (thin) and of the chip (thick), its tails against the limit of "
            "the yield, and the distance from its 1 % to its 99 % point; as Extended Data Fig. 4c-e.",
            draw_errors,
        ),
        Figure(
            "programming-convergence",
            "Share of weights within tolerance and share still pulsed, and rms error, after each round of pulses.",
            draw_convergence,
        ),
        Figure(
            "programming-range",
            "Yield, mean error and R² if the largest weight is a smaller or a larger conductance: a smaller range "
            "drowns in the devices' noise, a larger one saturates. The paper has some tiles with 'Max W equal to 80', "
            "a smaller range than usual, and a chip with a larger one and a slightly lower yield.",
            draw_range,
        ),
    ),
)
