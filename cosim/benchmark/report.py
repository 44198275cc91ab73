"""What a benchmark found out, as a table, a picture and JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cosim.benchmark.suite import Benchmark, RtlSeries
from cosim.benchmark.timing import Series
from cosim.files.archive import write_text
from cosim.files.json_text import to_json
from cosim.files.wording import counted

__all__ = ["plot", "print_benchmark", "write_json"]

#: Panels of the picture: key of `Benchmark.scaling`, axis, unit.
_PANELS = (
    ("batch", "batch", "per second"),
    ("lanes", "rows and columns of a tile", "MVM per second"),
    ("tiles", "tiles at work", "MVM per second"),
    ("processes", "processes side by side", "speed over one"),
    ("rtl lanes", "lanes of the chip", "cycles per second"),
    ("rtl tiles", "tiles at work", "cycles per second"),
)


def print_benchmark(result: Benchmark, console: Console) -> None:
    """Machine, main figures with their spread, ratios, scaling."""
    machine, plan = result.machine, result.plan
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    console.print(f"machine  {_in_short(machine)}", style="bold")
    console.print(f"         {machine['system']}, Python {machine['python']}, {versions}", soft_wrap=True)
    console.print(f"         {machine['compiler']}; {machine['blas']}; aihwkit {machine['aihwkit']}", soft_wrap=True)
    console.print(f"         devices {plan.analog.devices}, constants {plan.analog.describe()}\n", soft_wrap=True)

    rates = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for heading in ("one process", "per second", "spread", "by the clock", "what"):
        rates.add_column(heading, justify="left" if heading in ("one process", "what") else "right")
    for case, series in result.rtl.items():
        _rate(rates, f"RTL, {case}", series.cycles, "cycles, host transfers and physics included")
        _rate(rates, "  its model alone", series.bare, "cycles of the bare Verilator loop, same process")
        _rate(
            rates,
            "  its frames",
            series.frames,
            f"frames on {counted(series.tiles, 'tile')} of {counted(series.lanes, 'lane')}",
        )
    lanes = plan.lanes[-1]
    for work, what in (
        ("twin mvm", f"signed {lanes} x {lanes} MVM to 8-bit codes, noise drawn"),
        ("products", "the eight products of such an MVM, phase by phase, in float32"),
        ("numpy mvm", "bare float32 products"),
        ("aihwkit mvm", "MVM of a PCM tile, read noise drawn"),
        ("twin frames", "keyword-spotting frames"),
        ("numpy frames", "the same network in float32"),
    ):
        for batch in plan.batches:
            if any(case.work == work for case in result.one_process):
                _rate(rates, f"{work}, batch {batch:,}", result.series(work, batch), what)
    for batch in plan.full_batches:
        what = "frames that fill the chip: 33 tiles, 17 outputs"
        _rate(rates, f"twin full frames, batch {batch:,}", result.series("twin full frames", batch), what)
    if result.speech:
        what = (
            f"seconds of speech, {counted(plan.sentences, 'sentence')} side by side, transcription network on one chip"
        )
        _rate(rates, "twin transcription", result.speech, what)
    console.print(rates)

    main, batch = result.rtl[plan.rtl[0]], plan.batches[-1]
    twin, products = result.series("twin mvm"), result.series("products64")
    frames = result.series("twin frames").per_s / main.frames.per_s
    ratios = Table(box=None, pad_edge=False, show_header=False)
    ratios.add_column(justify="right", style="bold")
    ratios.add_column()
    ratios.add_row(f"{main.ratio:.2f}", f"RTL co-simulation over its bare model, cycles a second{_cheap(main)}")
    if main.model_share is not None:
        what = "share of the co-simulation's time that the bare model takes for its programs' cycles"
        ratios.add_row(f"{main.model_share:.2f}", what)
    ratios.add_row(f"{result.over_own_matmuls:.2f}", f"time of the twin over these products, batch {batch:,}")
    ratios.add_row(f"{twin.over(products):.2f}", "the same, products in float64")
    ratios.add_row(f"{frames:,.0f}", f"frames of the twin, batch {batch:,}, for each of the RTL")
    for name, latency in result.latency.items():
        spent = ", ".join(f"{name} {ms:.0f}" for name, ms in latency.parts_ms.items())
        ratios.add_row(
            f"{latency.ms:,.0f}",
            f"ms, a frame that fills the chip on an open session, {name}" + (spent and f": {spent}"),
        )
    side = result.side_by_side
    ratios.add_row(f"{side.gain:.2f}", f"throughput of {plan.sessions} RTL sessions side by side over one by one")
    if result.first_use_s is not None:
        ratios.add_row(f"{1000 * result.first_use_s:,.0f}", "ms, the twin's first frame that fills the chip")
    if result.peak_mib is not None:
        ratios.add_row(
            f"{result.peak_mib:,.0f}", f"MiB, largest memory of a process with {counted(batch, 'frame')} in a batch"
        )
    build = main.build
    took = f"{build.wall_s:.0f} s by the clock, {build.cpu_s:.0f} s of CPU" if build else "not known"
    ratios.add_row("", f"building the simulator once: {took}")
    console.print()
    console.print(ratios)
    console.print()
    if result.interrupted:
        console.print(
            f"interrupted: figures of {result.rounds} of {counted(plan.repeats, 'round')}", style="bold", soft_wrap=True
        )
    if result.busy:
        console.print(result.busy, style="bold", soft_wrap=True)
    for key, axis, unit in _PANELS:
        for name, values in result.scaling()[key].items():
            line = "   ".join(f"{x:,}: {_short(y)}" for x, y in sorted(values.items()))
            console.print(f"{name}, {unit}, by {axis}:  {line}", soft_wrap=True)


def _cheap(rtl: RtlSeries) -> str:
    """Why the co-simulation may have more cycles a second than the model alone."""
    if rtl.running is None:
        return ""
    return f": {1 - rtl.running:.0%} of its cycles are transfers at the host port, in which most of the chip rests"


def _in_short(machine: Mapping[str, Any]) -> str:
    load = "" if machine["load"] is None else f", load {machine['load']:.1f} at the start"
    return f"{machine['cpu']}, {counted(machine['cores'], 'core')}{load}"


def _rate(table: Table, name: str, series: Series, what: str) -> None:
    table.add_row(name, _short(series.per_s), f"{series.spread:.0%}", _short(series.wall_per_s), what)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def write_json(result: Benchmark, path: Path) -> None:
    """Write the documented keys (docs/benchmarks.md), whole or not at all."""
    write_text(path, to_json(result.to_json(), indent=1) + "\n")


def plot(result: Benchmark, path: Path) -> Path:
    """Draw how speed scales, a panel for each kind."""
    from cosim.files.plotting import new_figure, write_picture

    scaling = result.scaling()
    figure, panels = new_figure(12, 7, 2, 3)
    for axes, (key, axis, unit) in zip(panels.ravel(), _PANELS, strict=True):
        _panel(axes, scaling[key], log=key in ("batch", "lanes", "rtl lanes"))
        axes.set_xlabel(axis)
        axes.set_ylabel(unit)
    figure.suptitle(_in_short(result.machine), fontsize=10)
    write_picture(figure, path)
    return path


def _panel(axes, curves: Mapping[str, Mapping[int, float]], *, log: bool) -> None:
    for name, values in curves.items():
        xs = sorted(values)
        axes.plot(xs, [values[x] for x in xs], marker="o", label=name)
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.1 * max(max(values.values()) for values in curves.values()))
    xs = sorted({x for values in curves.values() for x in values})
    axes.set_xticks(xs, [f"{x:,}" for x in xs])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
