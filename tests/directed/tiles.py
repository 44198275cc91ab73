"""Multiply-accumulate in every mode, and what ramp, enable window, bias rows and capacitors make of it."""

from dataclasses import replace
from typing import Any

import numpy as np

from analog_models.config import AnalogConfig
from analog_models.periphery import Periphery
from analog_models.programming import WeightTargets
from tests.directed.script import (
    LANES,
    Case,
    Codes,
    Script,
    Way,
    along,
    code,
    panels,
    random_codes,
    random_weights,
    rows,
    tile,
)

#: The tile at the ILP in the south-west, the way of its outputs to the OLP there, and the one of its inputs.
HERE = (4, 0)
IN: Way = {HERE: {"west_to_rows": "all"}}
OUT: Way = along("straight", HERE, (5, 0), "OLP SW")


def tile_to_tile() -> Case:
    """While the first tile's columns answer, the second tile integrates their pulses, and an OLP counts a copy of them.

    Hidden codes are max(0, x W1 / 10), rounded and at most 255; the second tile gives 128 + hidden W2 / 30.
    """
    script = Script("tile to tile")
    there = (4, 1)
    random = np.random.default_rng(11)
    codes, first, second = random_codes(random), random_weights(random), random_weights(random)
    script.weights = {tile(HERE).index: WeightTargets(rows(first)), tile(there).index: WeightTargets(rows(second))}
    script.route(0, IN)
    script.send(0, "ILP SW", codes)
    script.integrate(0, HERE)
    script.route(1, along("columns", HERE, (3, 0), "OLP CW"), along(HERE, there, "rows"))
    script.read(1, HERE, scale=2, zero=0)
    script.count(1, "OLP CW")
    script.integrate(1, there)
    script.route(2, along("columns", there, (5, 1), (5, 0), "OLP SW"))
    script.read(2, there)
    script.count(2, "OLP SW")
    hidden = code(codes @ first, 5 * 2, zero=0)
    captions = {0: "first tile integrates", 1: "its columns drive the second tile's rows", 2: "second tile is read"}
    results = {"CW": hidden[None], "SW": code(hidden @ second, 5 * 6)[None]}
    return Case(script.experiment(), results, panels(captions))


def vertical_pair() -> Case:
    """Two tiles share their capacitors: 1,024 rows on WP1 of both, and with WP2 on top of it 2,048. The southern tile
    reads after each.

    Codes are 128 + (sum over two, then four, vectors and matrices) / 40: ten capacitors, slope 4.
    """
    script = Script("vertical pair")
    north, south = (2, 0), (3, 0)
    random = np.random.default_rng(12)
    codes = random_codes(random, 4)
    weights = [random_weights(random) for _ in range(4)]
    script.weights = {
        tile(north).index: WeightTargets(rows(weights[0]), rows(weights[2])),
        tile(south).index: WeightTargets(rows(weights[1]), rows(weights[3])),
    }
    for phase, pair in enumerate(("wp1", "wp2")):
        step = 2 * phase
        script.route(step, {north: {"west_to_rows": "all"}}, along("ILP SW", HERE, south, "rows"))
        script.send(step, "ILP CW", codes[2 * phase])
        script.send(step, "ILP SW", codes[2 * phase + 1])
        for square, side in ((north, "share_south"), (south, "share_north")):
            script.integrate(step, square, f"{pair}, capacitors=5, {side}", precharge=phase == 0)
        script.route(step + 1, along("columns", south, "OLP CW"))
        script.read(step + 1, south, scale=4)
        script.count(step + 1, "OLP CW")
    dots = [vector @ matrix for vector, matrix in zip(codes, weights, strict=True)]
    expected = [code(dots[0] + dots[1], 10 * 4), code(sum(dots), 10 * 4)]
    captions = {
        0: "WP1: 1,024 rows",
        1: "southern tile is read",
        2: "WP2 on top: 2,048 rows",
        3: "southern tile is read",
    }
    return Case(script.experiment(), {"CW": np.array(expected)}, panels(captions))


def two_pcm() -> Case:
    """Two devices per weight: one vector times WP1, then another times WP2, on the same capacitors. Codes are
    128 + (x1 W1 + x2 W2) / 30.
    """
    script = Script("2-PCM")
    random = np.random.default_rng(13)
    codes, first, second = random_codes(random, 2), random_weights(random), random_weights(random)
    script.weights[tile(HERE).index] = WeightTargets(rows(first), rows(second))
    script.route(0, IN)
    for step, pair in enumerate(("wp1", "wp2")):
        script.send(step, "ILP SW", codes[step])
        script.integrate(step, HERE, f"{pair}, capacitors=5", precharge=step == 0)
    _read_out(script, 2)
    expected = code(codes[0] @ first + codes[1] @ second, 5 * 6)
    captions = {0: "first vector on WP1", 1: "second vector on WP2", 2: "1,024 rows are read"}
    return Case(script.experiment(), {"SW": expected[None]}, panels(captions))


def four_pcm() -> Case:
    """Four devices per weight: the rows read both pairs at once. Codes are 128 + 2 x W / 48."""
    script = Script("4-PCM")
    random = np.random.default_rng(14)
    codes, weights = random_codes(random), random_weights(random)
    script.weights[tile(HERE).index] = WeightTargets.four_pcm(rows(weights))
    script.route(0, IN)
    script.send(0, "ILP SW", codes)
    script.integrate(0, HERE, "wp1, wp2, capacitors=8")
    _read_out(script, 1)
    captions = {0: "WP1 and WP2 together", 1: "twice the MAC is read"}
    return Case(script.experiment(), {"SW": code(2 * (codes @ weights), 8 * 6)[None]}, panels(captions))


#: What is wrong with the column circuits in each of the balance's experiments; all else is ideal. Sigmas over columns.
ASYMMETRIES: dict[str, dict[str, Any]] = {
    "none": {},
    "paths": {"path_mismatch_sigma": 0.2},
    "polarity": {"polarity_mismatch_sigma": 0.2},
    "offset": {"phase_offset_sigma_fc": 10.0},
}


def asymmetry_balance(asymmetry: str) -> Case:
    """W on WP1 and -W on WP2; signed inputs in four steps; then the same MAC from WP1 alone, also in four steps. Both
    give 128 + 2 x W / 48.

    The program runs four times: with ideal column circuits, and with one asymmetry each (see below).
    """
    script = Script("asymmetry balance")
    random = np.random.default_rng(15)
    weights = random_weights(random)
    signed = random.integers(-255, 256, LANES)
    positive, negative = np.maximum(signed, 0), np.maximum(-signed, 0)
    script.weights[tile(HERE).index] = WeightTargets.balanced(rows(weights))
    balanced = (("wp1", positive, False), ("wp1", negative, True), ("wp2", positive, True), ("wp2", negative, False))
    plain = balanced[:2] * 2
    for first, phases in ((0, balanced), (5, plain)):
        script.route(first, IN)
        for number, (pair, codes, discharge) in enumerate(phases):
            script.send(first + number, "ILP SW", codes)
            polarity = ", discharge" if discharge else ""
            script.integrate(first + number, HERE, f"{pair}, capacitors=8{polarity}", precharge=number == 0)
        _read_out(script, first + 4)
    captions = {
        0: "W on WP1, positive inputs charge",
        1: "W on WP1, negative inputs discharge",
        2: "-W on WP2, positive inputs discharge",
        3: "-W on WP2, negative inputs charge",
        4: "twice the MAC is read",
    }
    analog = AnalogConfig.ideal()
    circuits = replace(Periphery.ideal(), **ASYMMETRIES[asymmetry])
    experiment = script.experiment(
        replace(analog, periphery=circuits), name=f"{script.name}{'' if asymmetry == 'none' else f', {asymmetry}'}"
    )
    expected = code(2 * (signed @ weights), 8 * 6)
    steps = panels(captions) if asymmetry == "none" else {}  # the others run the same program
    return Case(experiment, {"SW": np.array([expected, expected])}, steps)


def activations() -> Case:
    """One MAC, read four times. With y = 128 + x W / 30, the enable window that opens with the pulses makes it y; one
    that opens 128 cycles later a ReLU, max(0, y - 128); one of 64 cycles a hard sigmoid, min(max(0, y - 96), 64); one
    of a single cycle a comparison.
    """
    script = Script("activations")
    random = np.random.default_rng(16)
    codes, weights = random_codes(random), random_weights(random)
    script.weights[tile(HERE).index] = WeightTargets(rows(weights))
    script.route(0, IN)
    script.send(0, "ILP SW", codes)
    script.integrate(0, HERE)
    script.route(1, OUT)
    windows = {"linear": (0, 255), "ReLU": (128, 255), "hard sigmoid": (96, 160), "one cycle": (128, 129)}
    dot = codes @ weights
    for step, window in enumerate(windows.values(), start=1):
        script.read(step, HERE, window=window)
        script.count(step, "OLP SW")
    expected = [code(dot, 5 * 6, window=window) for window in windows.values()]
    captions = {1: "linear: open all the time"}
    panel = panels(captions) | panels({2: "ReLU: opens at the zero, 128 cycles late"}, 150)
    panel |= panels({3: "hard sigmoid: open for 64 cycles"}, 150)
    return Case(script.experiment(), {"SW": np.array(expected)}, panel)


def bias_rows() -> Case:
    """Eight rows that the local controller drives, for 0 to 255 ns: added while the inputs integrate, then taken off
    again while the inputs are silent. Codes are 128 + (x W + b B) / 24, then 128 + x W / 24.
    """
    script = Script("bias rows")
    random = np.random.default_rng(17)
    codes, weights = random_codes(random), random_weights(random)
    bias = random.integers(-64, 65, (8, LANES))
    durations: Codes = np.array([0, 1, 20, 77, 128, 200, 254, 255], np.int64)
    script.weights[tile(HERE).index] = WeightTargets(rows(weights, bias))
    script.route(0, IN)
    listed = ", ".join(f"durations[{row}]={ns}" for row, ns in enumerate(durations))
    script.issue(0, 1, tile(HERE), f"BIAS {listed}")
    script.send(0, "ILP SW", codes)
    script.integrate(0, HERE, "wp1, capacitors=4")
    _read_out(script, 1)
    script.integrate(2, HERE, "wp1, capacitors=4, discharge", precharge=False)
    _read_out(script, 3)
    with_bias = code(codes @ weights + durations @ bias, 4 * 6)
    captions = {0: "512 rows and 8 bias rows", 1: "the sum is read", 2: "bias rows alone, discharging"}
    expected = np.array([with_bias, code(codes @ weights, 4 * 6)])
    return Case(script.experiment(), {"SW": expected}, panels(captions))


def capacitor_select() -> Case:
    """The same MAC on 0 to 8 capacitors: codes are 128 + x W / (6 C). Without any, the node goes to a rail: 255 or 0,
    and 128 where no charge came.
    """
    script = Script("capacitor select")
    random = np.random.default_rng(18)
    codes, weights = random_codes(random, top=100), random_weights(random)
    weights[:, :3] = 0, 64, -64
    script.weights[tile(HERE).index] = WeightTargets(rows(weights))
    dot = codes @ weights
    expected = []
    for capacitors in range(9):
        step = 2 * capacitors
        script.route(step, IN)
        script.send(step, "ILP SW", codes)
        script.integrate(step, HERE, f"wp1, capacitors={capacitors}")
        _read_out(script, step + 1)
        rail = np.where(dot == 0, 128, np.where(dot > 0, 255, 0))
        expected.append(code(dot, capacitors * 6) if capacitors else rail)
    captions = {2: "one capacitor", 3: "is read", 16: "eight capacitors"}
    return Case(script.experiment(), {"SW": np.array(expected)}, panels(captions))


def _read_out(script: Script, step: int) -> None:
    """Columns of the tile at the ILP in the south-west, to the OLP there."""
    script.route(step, OUT)
    script.read(step, HERE)
    script.count(step, "OLP SW")
