"""Pictures of the tutorial's MAC: a run in, a picture out."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosim.figures.tutorial_mac import COLUMN, ROWS, TILE, OneMac, Readings
from cosim.files.plotting import BLUE, GREEN, GREY, ORANGE, PINK, new_figure
from cosim.files.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_balance", "draw_charge", "draw_codes", "draw_noise", "draw_ramp", "draw_waves"]

_ROW_COLOURS = (BLUE, ORANGE, GREEN)
#: Columns whose voltages are drawn: the MAC, its negative, and none at all.
_SHOWN = {COLUMN: ("column 0", BLUE), 1: ("column 1, the opposite weights", PINK), 2: ("column 2, no weight", GREY)}
_TIME = "cycle of the program = ns"
Spans = Iterable[tuple[int, int]]


def draw_waves(mac: OneMac) -> "Figure":
    """Every wire that takes part in the MAC, as a waveform viewer shows it."""
    spans = {kind: [(one.start, one.stop) for one in acts] for kind, acts in mac.activities.items()}
    lines: list[tuple[str, Spans, str]] = [
        *((f"ILP: lane {row} = row {row}", mac.row_pulses(row), _ROW_COLOURS[row]) for row in range(ROWS)),
        ("tile: precharge", spans["precharge"], "black"),
        ("tile: integrate", spans["integrate"], "black"),
        ("tile: discharge", [(a.start, a.stop) for a in mac.activities["integrate"] if a.fields["discharge"]], "black"),
        ("tile: ramp", spans["ramp"], "black"),
        (f"tile: comparator of column {COLUMN}", [mac.comparator_pulse(COLUMN)], BLUE),
        ("OLP: window open", spans["count"], "black"),
    ]
    figure, axes = new_figure(10, 0.42 * len(lines) + 0.9)
    end = mac.record.cycles + 20
    for place, (_, pulses, colour) in enumerate(lines):
        _wave(axes, len(lines) - place - 1, pulses, end, colour)
    axes.set_yticks([len(lines) - place - 0.65 for place in range(len(lines))], [name for name, _, _ in lines])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, end)
    axes.set_xlabel(_TIME)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def _wave(axes: "Axes", base: float, pulses: Spans, end: int, colour: str) -> None:
    """A digital signal, with the length of each pulse in it."""
    times, levels = [0], [0.0]
    for start, stop in pulses:
        times += [start, start, stop, stop]
        levels += [0.0, 0.7, 0.7, 0.0]
        if colour != "black":
            axes.text((start + stop) / 2, base + 0.33, f"{stop - start} ns", ha="center", va="center", fontsize=8)
    axes.plot([*times, end], base + np.array([*levels, 0.0]), color=colour, linewidth=1.2)
    axes.fill_between([*times, end], base, base + np.array([*levels, 0.0]), color=colour, alpha=0.12, linewidth=0)


def draw_charge(mac: OneMac) -> "Figure":
    """What every row adds to the current of the column's capacitor, and the voltage that follows."""
    figure, (currents, volts) = new_figure(10, 5.2, rows=2, sharex=True)
    times = np.arange(mac.record.cycles)
    up, down = np.zeros(times.size), np.zeros(times.size)
    for row in range(ROWS):
        current = mac.current_na(row, times)
        base = np.where(current < 0, down, up)
        label = f"row {row}: weight {mac.weights[row, COLUMN]:g}"
        currents.fill_between(
            times, base, base + current, color=_ROW_COLOURS[row], alpha=0.5, linewidth=0, step="post", label=label
        )
        up, down = up + current.clip(0), down + current.clip(max=0)
    currents.step(times, up + down, color="black", linewidth=1.2, where="post", label="sum: into the capacitor")
    currents.set_ylabel("mirrored current (nA)")
    currents.legend(fontsize=8, frameon=False, loc="upper right")
    course = mac.course(list(_SHOWN))
    for (name, colour), voltage in zip(_SHOWN.values(), course.volts.T, strict=True):
        volts.plot(course.cycles, voltage, color=colour)
        place = {"xytext": (0, 4), "textcoords": "offset points", "ha": "right", "fontsize": 8}
        volts.annotate(name, (mac.record.cycles, voltage[-1]), color=colour, **place)
    volts.set_ylabel("capacitor (V)")
    volts.set_xlabel(_TIME)
    volts.set_xlim(0, mac.record.cycles)
    for cycle, voltage in mac.plateaus():
        volts.annotate(
            f"{(voltage - mac.precharge_v) * 1e3:+.2f} mV",
            (cycle, voltage),
            (0, 6),
            textcoords="offset points",
            fontsize=8,
            color=BLUE,
        )
    volts.margins(y=0.15)
    for axes in (currents, volts):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_ramp(mac: OneMac) -> "Figure":
    """The ramp passes the capacitors; each comparator's pulse ends where it passes its own."""
    (_, tile), crossings = next(iter(mac.record.crossings.items()))
    assert tile == TILE
    figure, (volts, pulses) = new_figure(8, 4.8, rows=2, sharex=True, height_ratios=(3, 1.3))
    times = np.arange(256)
    volts.plot(times, mac.ramp_start_v + mac.volts_per_ns * times, color="black", linewidth=1.2, label="ramp")
    volts.set_ylim(bottom=mac.ramp_start_v)
    levels = mac.course(list(_SHOWN)).volts[-1]
    for place, ((column, (name, colour)), level) in enumerate(zip(_SHOWN.items(), levels, strict=True)):
        code, exact = int(crossings[column]), mac.crossing_ns(level)
        volts.axhline(level, color=colour, linewidth=1, label=name)
        volts.plot([exact], [level], "o", color=colour, markersize=5)
        volts.plot([exact, exact], [level, volts.get_ylim()[0]], ":", color=colour, linewidth=1)
        pulses.barh(-place, code, color=colour, alpha=0.6, height=0.7)
        pulses.text(code + 3, -place, f"{code} ns", va="center", fontsize=9)
    volts.set_ylabel("V")
    volts.legend(fontsize=8, frameon=False, loc="upper left")
    pulses.set_yticks([-place for place in range(len(_SHOWN))], [f"column {column}" for column in _SHOWN])
    pulses.set_xlabel("ns after the ramp's start")
    pulses.set_xlim(0, 255)
    for axes in (volts, pulses):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_codes(mac: OneMac) -> "Figure":
    """All columns: the code over the MAC, and the line that turns one into the other."""
    figure, axes = new_figure(6, 3.8)
    span = np.array([mac.macs.min(), mac.macs.max()]) * 1.08
    axes.plot(span, mac.code_zero + mac.code_per_mac * span, color=GREY, linewidth=1, label="zero + scale x MAC")
    axes.plot(mac.macs, mac.results, "o", color=BLUE, markersize=5, label="code of each column")
    axes.plot(mac.macs[COLUMN], mac.results[COLUMN], "o", color=ORANGE, markersize=7, label="column 0")
    axes.axhline(mac.code_zero, color=GREY, linewidth=0.6, linestyle=":")
    axes.axvline(0, color=GREY, linewidth=0.6, linestyle=":")
    axes.set_xlabel("MAC in software (weight x ns)")
    axes.set_ylabel("code")
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_noise(ideal: int, one: Readings, many: Readings, spreads: Mapping[str, float]) -> "Figure":
    """Codes of one chip's reads and of many chips, and what each mechanism alone would make the chips differ by."""
    figure, (codes, causes) = new_figure(10, 3.6, columns=2, width_ratios=(1, 1))
    bins = np.arange(many.codes.min() - 0.5, many.codes.max() + 1.5)
    for found, colour, name in (
        (many, GREY, counted(len(many.codes), "chip")),
        (one, BLUE, f"{one.codes.size:,} reads of one chip"),
    ):
        share = np.full(found.codes.size, 100 / found.codes.size)
        codes.hist(found.codes.ravel(), bins, weights=share, color=colour, alpha=0.6, label=name)
    codes.axvline(ideal, color=ORANGE, linewidth=1.5, label="ideal chip")
    codes.set_xlabel("code")
    codes.set_ylabel("share of the reads (%)")
    codes.legend(fontsize=8, frameon=False, loc="upper left")
    names = list(spreads)
    causes.barh(range(len(names)), list(spreads.values()), color=BLUE, height=0.6)
    causes.set_yticks(range(len(names)), names, fontsize=8)
    causes.invert_yaxis()
    causes.set_xlabel("rms deviation, it alone (codes)")
    for axes in (codes, causes):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_balance(plain: NDArray[np.float64], balanced: NDArray[np.float64], exact: float) -> "Figure":
    """Voltages of chips whose read paths differ, with and without asymmetry balance."""
    figure, axes = new_figure(7, 2.6)
    for place, (voltages, colour) in enumerate(((plain, ORANGE), (balanced, BLUE))):
        spread = np.linspace(-0.3, 0.3, voltages.size)
        axes.plot(voltages, -place + spread, ".", color=colour, markersize=4)
    axes.axvline(exact, color=GREY, linewidth=1)
    axes.set_yticks([0, -1], ["W on WP1 only", "W on WP1, -W on WP2"])
    axes.set_xlabel("mV above the precharge level; a point is a chip")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
