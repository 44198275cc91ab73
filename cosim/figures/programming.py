"""Study: how well the weights of a whole chip are programmed (Extended Data Fig. 4)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.device import Pcm
from analog_models.programming import Programming
from cosim.compiler import compile_network
from cosim.figures import programming_pictures as pictures
from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.measurement import Finding, Measurement, Unavailable
from cosim.figures.programming_measurement import (
    BIN,
    RangeResult,
    chip_targets,
    measure_chip,
    measure_range,
    measure_two_pairs,
    squared_correlation,
    weight_pool,
)
from cosim.figures.study import Figure, Study
from cosim.files.wording import counted, span_in_words
from rtl.config import ChipConfig

__all__ = ["STUDY", "measure", "summarise"]

Array = NDArray[np.float64]

_NATURE = "Nature 620, 768 (2023), Methods and Extended Data Fig. 4"
_CHIPS = 3
#: Kinds of defects, constants of `Pcm`, and shares of devices that have them.
_DEFECTS, _SHARES = ("stuck_reset", "stuck_set"), (0.0, 0.001, 0.003, 0.01, 0.03)
_PAPER_YIELD = 99.0
#: Quick mode programs every eighth row.
_QUICK_ROWS = 8
#: Largest weights that are tried, in units of the nominal one, and what the devices can reach, `Pcm.g_set_us`.
_RANGES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0)


def measure(campaign: Campaign) -> Measurement:
    """Whole chips, and one tile for every range."""
    if campaign.analog.pcm.exact_write:
        raise Unavailable("these devices take every weight exactly: there is no loop to measure")
    config, network = campaign.config, campaign.model.network
    seeds = list(campaign.seeds[: 1 if campaign.quick else _CHIPS])
    every = _QUICK_ROWS if campaign.quick else 1
    parts = campaign.parts({f"chip {seed}": partial(_chip_part, campaign, seed, every)} for seed in seeds)
    chips = [parts[f"chip {seed}"] for seed in seeds]
    ranges = _RANGES[::3] if campaign.quick else _RANGES
    rows = 64 if campaign.quick else config.lanes
    parts = campaign.parts(
        {f"range {largest:g}, chip {seed}": partial(_range_part, campaign, rows, largest, seed) for seed in seeds}
        for largest in ranges
    )
    results = {largest: [parts[f"range {largest:g}, chip {seed}"] for seed in seeds] for largest in ranges}
    shares = _SHARES[::2] if campaign.quick else _SHARES
    defects = [(kind, share) for kind in _DEFECTS for share in shares]
    parts = campaign.parts(
        {_two_pairs(kind, share, seed): partial(_two_pairs_part, campaign, rows, kind, share, seed) for seed in seeds}
        for kind, share in {_kind_of(*defect): defect for defect in reversed(defects)}.values()
    )
    both = {defect: [parts[_two_pairs(*defect, seed)] for seed in seeds] for defect in defects}
    compiled = compile_network(network, config)
    largest_weights = {
        tile: max(float(np.abs(pair).max()) for pair in (own.wp1, own.wp2) if pair is not None)
        for tile, own in sorted(compiled.targets.items())
    }
    return summarise(
        chips, results, both, config, seeds, campaign.analog.pcm, network=largest_weights, rows_of_one_tile=rows
    )


def _chip_part(campaign: Campaign, seed: int, every: int) -> dict[str, NDArray]:
    targets = chip_targets(campaign.model.network, campaign.config, campaign.seed)
    return measure_chip(targets, campaign.config, seed, campaign.analog, every=every, advance=campaign.advance)


def _weights(campaign: Campaign, rows: int) -> Array:
    """What tiles are programmed with: two matrices (2, rows, columns)."""
    pool = weight_pool(campaign.model.network)
    return np.random.default_rng(campaign.seed).choice(pool, (2, rows, campaign.config.lanes))


def _range_part(campaign: Campaign, rows: int, largest: float, seed: int) -> dict[str, Any]:
    return dict(vars(measure_range(_weights(campaign, rows), largest, campaign.config, seed, campaign.analog)))


def _kind_of(kind: str, share: float) -> str:
    return f"{kind} {share:g}" if share else "no defects"  # of neither kind, and measured once


def _two_pairs(kind: str, share: float, seed: int) -> str:
    return f"two pairs, {_kind_of(kind, share)}, chip {seed}"


def _two_pairs_part(campaign: Campaign, rows: int, kind: str, share: float, seed: int) -> dict[str, float]:
    changes: dict[str, Any] = {kind: share}
    analog = replace(campaign.analog, pcm=replace(campaign.analog.pcm, **changes))
    return measure_two_pairs(_weights(campaign, rows)[0], campaign.config, seed, analog)


def summarise(
    chips: list[dict[str, NDArray]],
    ranges: Mapping[float, list[dict[str, NDArray]]],
    both: Mapping[tuple[str, float], list[dict[str, NDArray]]],
    config: ChipConfig,
    seeds: list[int],
    pcm: Pcm,
    *,
    network: Mapping[int, float],
    rows_of_one_tile: int,
) -> Measurement:
    """Numbers, arrays and findings of chips from `measure_chip`, ranges from `measure_range`, `measure_two_pairs`.

    Parameters
    ----------
    network : mapping of tile index to float
        The tiles that hold the network, and the largest weight there, in units of the largest of all.
    rows_of_one_tile : int
        That were programmed where one tile was: for the ranges, and on two pairs.
    """
    first = chips[0]
    cells = float(first["moments"][..., 0].sum())
    per_chip = {
        "yield_percent": [100 * float(chip["within"].sum()) / cells for chip in chips],
        "beyond_per_million": [1e6 * (1 - float(chip["within"].sum()) / cells) for chip in chips],
        "r_squared": [float(squared_correlation(chip["moments"].sum(axis=(0, 1)))) for chip in chips],
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
        name: {wp: spread.tolist() for wp, spread in zip(pictures.WP, np.moveaxis(values, -1, 0), strict=True)}
        for name, values in {
            "spread_1_to_99_percent": spreads[0],
            "yield_percent": 100 * first["within"] / first["moments"][..., 0],
            "r_squared": squared_correlation(first["moments"]),
            "mean_error_percent": 100 * first["mean"],
        }.items()
    }
    names = list(RangeResult.__dataclass_fields__)
    swept = {
        name: [[float(part[name]) for part in parts] for parts in ranges.values()] for name in names
    }  # (ranges, chips)
    settings = Programming()
    whole = both[_DEFECTS[0], 0.0]
    numbers = {
        "seeds": seeds,
        "weights_per_chip": int(cells),
        "tiles": config.tile_count,
        "lanes": config.lanes,
        "rows_per_tile": round(cells / (2 * config.tile_count * config.lanes)),
        "rows_of_one_tile": rows_of_one_tile,
        "network": [
            {"square": list(config.floorplan.tiles[tile]), "largest_weight": largest}
            for tile, largest in network.items()
        ],
        **per_chip,
        "two_pairs": _figures_of(whole, "two pairs"),
        "defects": {
            "shares": sorted({share for _, share in both}),
            **{kind: _swept(both, kind) for kind in _DEFECTS},
        },
        "drift_exponents": [[float(part["nu low"]), float(part["nu high"])] for part in whole],
        "per_tile": tiles,
        "tolerance_percent": 100 * settings.tolerance,
        "range": {"largest": list(ranges), "g_max_us": pcm.g_max_us, "g_set_us": pcm.g_set_us, **swept},
    }
    arrays = {name: first[name] for name in ("counts", "heat", "cells")}
    arrays |= {"squares": np.array(config.floorplan.tiles), "spreads": spreads}
    arrays |= {name: np.stack([chip[name].mean(axis=(0, 1)) for chip in chips]) for name in ("rounds", "done")}
    return Measurement(numbers, arrays, tuple(_findings(numbers, spreads)))


def _figures_of(parts: list[dict[str, NDArray]], pairs: str) -> dict[str, list[float]]:
    """Of weights on one or on two pairs, for each chip."""
    return {
        name: [scale * float(part[f"{key}, {pairs}"]) for part in parts]
        for name, key, scale in (
            ("yield_percent", "good", 100),
            ("r_squared", "r_squared", 1),
            ("mean_error_percent", "mean", 100),
            ("rms_error_percent", "rms", 100),
        )
    }


def _swept(both: Mapping[tuple[str, float], list[dict[str, NDArray]]], kind: str) -> dict[str, dict[str, list]]:
    """The same by the share of defective devices: (shares, chips)."""
    shares = sorted(share for name, share in both if name == kind)
    found: dict[str, dict[str, list]] = {}
    for pairs in ("one pair", "two pairs"):
        every = [_figures_of(both[kind, share], pairs) for share in shares]
        found[pairs] = {name: [figures[name] for figures in every] for name in every[0]}
    return found


def _spread(counts: NDArray) -> float:
    """Distance from the 1 % to the 99 % point of errors counted in bins."""
    cumulative = np.cumsum(counts) / counts.sum()
    edges = (np.arange(len(counts)) + 1) * BIN
    low, high = np.interp((0.01, 0.99), cumulative, edges)
    return float(high - low)


def _findings(numbers: Mapping[str, Any], spreads: Array) -> Iterator[Finding]:
    """What `summarise` has found; `spreads` are those of the tiles, (chips, tiles, pairs), in %."""
    swept = numbers["range"]
    ranges = swept["largest"]
    common: dict[str, Any] = {
        "engine": "physics",
        "data": (
            f"{numbers['weights_per_chip'] / 1e6:.1f} million weights per chip, keyword-spotting network and draws "
            "from its weights"
        ),
        "seeds": describe_seeds(numbers["seeds"]),
    }

    def over(what: str, values: list[float], unit: str, **rest: Any) -> Finding:
        return Finding.over(what, np.array(values), unit, **common, **rest)

    yield over(
        "weights on one pair within 20 % of the largest",
        numbers["yield_percent"],
        "%",
        digits=4,
        paper="around 99 %",
        source=_NATURE,
        headline=True,
    )
    yield over("weights off by more than 20 % of the largest", numbers["beyond_per_million"], "per million", digits=1)
    yield over(
        "R² of achieved and target weights on one pair",
        numbers["r_squared"],
        "1",
        digits=4,
        paper="> 0.98",
        source="Nat. Commun. 16, 8661 (2025), ALBERT",
        headline=True,
    )
    yield over(
        "mean error on one pair, share of the largest weight",
        numbers["mean_error_percent"],
        "%",
        paper="< 3 % average weight error",
        source="Narayanan et al., IEEE TED 68, 6629 (2021), an earlier chip",
        headline=True,
    )
    yield over("rms error on one pair, share of the largest weight", numbers["rms_error_percent"], "%")
    yield from _on_two_pairs(numbers, common)
    yield over(
        "1-99 % spread of the errors, whole chip",
        numbers["spread_1_to_99_percent"],
        "%",
        paper="Extended Data Fig. 4e, no figure in the text",
        source=_NATURE,
    )
    for wp, values in zip(pictures.WP, np.moveaxis(spreads, -1, 0), strict=True):
        yield Finding(
            f"1-99 % spread of a tile's errors, {wp}",
            float(np.median(values)),
            "%",
            **{**common, "data": f"median of {counted(values.size, 'tile')}, from smallest to largest"},
            low=float(values.min()),
            high=float(values.max()),
            std=float(values.std(ddof=1)),
        )
    yield over("rms error when the loop ends, before the devices relax", numbers["rms_error_of_loop_percent"], "%")
    yield over("weights within the loop's tolerance when it ends", numbers["within_tolerance_percent"], "%")
    yield over("pulses per weight", numbers["pulses"], "1")
    yield over("pulses of the slowest weight", numbers["most_pulses"], "1", digits=0)
    yield over("weights given up by the loop", numbers["unfinished_percent"], "%", digits=4)
    for largest in (ranges[0], *(r for r in ranges if r == 1.0), ranges[-1]):
        at = ranges.index(largest)
        where = f"largest weight at {largest:g} x g_max"
        data = {
            **common,
            "data": (
                f"{pictures.one_tile(numbers)}, {100 * float(np.mean(swept['clipped'][at])):.2f} % out of the devices' "
                "reach"
            ),
        }
        paper = "Max W = 80 for some tiles, no figure for them" if largest == 0.5 else ""
        source = _NATURE if paper else ""
        yield Finding.over(
            f"mean error, {where}", 100 * np.array(swept["mean"][at]), "%", **data, paper=paper, source=source
        )
        yield Finding.over(f"weights within 20 %, {where}", 100 * np.array(swept["good"][at]), "%", **data, digits=3)


def _on_two_pairs(numbers: Mapping[str, Any], common: Mapping[str, Any]) -> Iterator[Finding]:
    """The papers' weights are four devices each, W and -W or W twice; and what one tile of them shows besides."""
    both = numbers["two_pairs"]
    tile = {**common, "data": f"{pictures.one_tile(numbers)}, W and -W on the two pairs of each cell"}

    def over(what: str, values: Any, unit: str, **rest: Any) -> Finding:
        return Finding.over(what, np.array(values), unit, **tile, **rest)

    yield over(
        "weights on two pairs within 20 % of the largest",
        both["yield_percent"],
        "%",
        digits=4,
        paper="around 99 %, four devices a weight",
        source=_NATURE,
    )
    yield over(
        "R² of achieved and target weights on two pairs",
        both["r_squared"],
        "1",
        digits=4,
        paper="> 0.98, four devices a weight",
        source="Nat. Commun. 16, 8661 (2025), ALBERT",
        headline=True,
    )
    yield over("mean error on two pairs, share of the largest weight", both["mean_error_percent"], "%")
    yield over("rms error on two pairs, share of the largest weight", both["rms_error_percent"], "%")
    yield from _defects_at_the_papers_yield(numbers["defects"], tile)
    for point, values in zip(("1", "99"), np.transpose(numbers["drift_exponents"]), strict=True):
        yield over(
            f"drift exponent, {point} % point over devices",
            values,
            "1",
            digits=3,
            paper="0.01 to 0.10",
            source="Nat. Commun. 16, 8661 (2025)",
        )


def _defects_at_the_papers_yield(defects: Mapping[str, Any], tile: Mapping[str, Any]) -> Iterator[Finding]:
    """Shares of stuck devices with which the yield is the paper's, where the sweep meets it."""
    for kind in _DEFECTS:
        for pairs in ("one pair", "two pairs"):
            yields = np.mean(defects[kind][pairs]["yield_percent"], axis=1)
            if yields.min() <= _PAPER_YIELD <= yields.max():
                # Yields fall with the share.
                share = 100 * float(np.interp(-_PAPER_YIELD, -yields, defects["shares"]))
                yield Finding(
                    f"devices {kind.replace('_', ' ')} with which 99 % of weights on {pairs} are within 20 %",
                    share,
                    "%",
                    **{**tile, "data": f"{tile['data']}; interpolated between shares; an assumption, off by default"},
                    paper="nothing is said of what the missing 1 % are",
                    source=_NATURE,
                )


def _about(measurement: Measurement) -> str:
    """What was done, of this run."""
    numbers = measurement.numbers
    swept, lanes, rows = numbers["range"], numbers["lanes"], numbers["rows_per_tile"]
    reach = swept["g_set_us"] / swept["g_max_us"]
    cells = f"all {lanes} x {lanes}" if rows == lanes else f"{rows} of {lanes} rows of the"
    return (
        f"Both pairs of {cells} cells of {counted(numbers['tiles'], 'tile')} are tuned in the closed loop: RESET, then "
        f"partial SET pulses until a weight, read through its own column, is within {numbers['tolerance_percent']:g} % "
        f"of the largest. The shipped keyword-spotting network lies on its {counted(len(numbers['network']), 'tile')} "
        "as the compiler puts it there; all other cells hold weights drawn from the network's own distribution, "
        "scaled to fill the range, independently for WP1 and WP2. Errors are those after the devices have relaxed, "
        "before they drift, in units of the largest weight, a difference of g_max. The papers' weights are four "
        f"devices each: W and -W are on {pictures.one_tile(numbers)} more, a weight being the mean of its pairs. "
        "Convergence is that of the true weights, which the loop sees through noise only. For the range, its weights "
        f"are mapped to other conductances, {span_in_words(swept['largest'])} times the chip's own; what lies beyond "
        f"{reach:g} g_max, where partial SET pulses saturate, is programmed to that and counts with what it lacks, and "
        "the loop's tolerance stays the same share of the largest weight. The papers' weights are other networks'. A "
        "yield has to do with defective devices, of which the papers say nothing and the model has none by default: a "
        f"sweep assumes some that stay RESET or SET, up to {100 * numbers['defects']['shares'][-1]:g} %, on the tile "
        "with W and -W."
    )


STUDY = Study(
    name="programming",
    title="Programming a whole chip",
    about=_about,
    measure=measure,
    figures=(
        Figure("programming-correlation", pictures.caption_of_correlation, pictures.draw_correlation),
        Figure(
            "programming-maps",
            "Targets and achieved weights of single cells. A cell shown is one cell, not a mean.",
            pictures.draw_maps,
        ),
        Figure("programming-errors", pictures.caption_of_errors, pictures.draw_errors),
        Figure("programming-convergence", pictures.caption_of_convergence, pictures.draw_convergence),
        Figure("programming-range", pictures.caption_of_range, pictures.draw_range),
        Figure("programming-defects", pictures.caption_of_defects, pictures.draw_defects),
    ),
)
