"""Compares the analog models with ngspice on random MACs, and writes docs/spice.md: `make spice`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from analog_models.chip import AnalogChip
from analog_models.config import DEVICE_MODELS, AnalogConfig
from cosim.files.archive import write_text
from cosim.verification.spice import Case, Phase, SpiceError, Verdict, compare, linear, quiet, spice_version
from rtl.docs import markdown_table

__all__ = ["MODES", "page", "random_case", "table"]

#: How the phases of a MAC read the cells: (wp1, wp2, discharge, which pulses), by mode of the devices.
MODES = {
    "2-PCM": ((True, False, False, 0), (True, False, True, 1), (False, True, False, 2), (False, True, True, 3)),
    "4-PCM": ((True, True, False, 0), (True, True, True, 1)),
    "balanced": ((True, False, False, 0), (True, False, True, 1), (False, True, True, 0), (False, True, False, 1)),
}
#: Start and slope of the ramp: signed readout, ReLU, verification, and one of any kind.
_RAMPS = ((60, 128), (150, 64), (127, 32), None)
_DAY = 86_400.0
#: Cells of a full column: the few of a case get as much of a wire, and mirrors that compress as soon.
_FULL = 520
#: Codes by which the models' approximations may be off before something is wrong.
_APPROXIMATE = 3


def random_case(seed: int, number: int, *, nonlinear: bool = True) -> tuple[str, Case]:
    """A MAC of random weights, inputs, devices, circuits and settings, and its mode; a third is driven to the rails."""
    rng = np.random.default_rng([seed, number])
    mode = list(MODES)[number % len(MODES)]
    tiles = 1 + number // len(MODES) % 2
    rows = int(rng.integers(32, 65) if nonlinear else rng.integers(4, 25))
    config = quiet(AnalogConfig.nominal(list(DEVICE_MODELS)[number // 6 % len(DEVICE_MODELS)]))
    config = replace(config, age_s=float(rng.choice([20.0, 3600.0, 30 * _DAY])))
    loud = rng.random() < 1 / 3
    if not nonlinear:
        config = linear(config)
    elif not loud:  # as a full column of such weights no wire would bear it
        config = _loaded(config, rows)
    pairs = {0: 1} if tiles == 2 else {}
    chip = AnalogChip(config, tiles=range(tiles), pairs=pairs, rows=rows, bias_rows=0, columns=3, seed=number)
    for tile in range(tiles):
        weights = rng.normal(0.8 if loud else 0.0, 0.3, (rows, 3)).clip(-1, 1)
        other = -weights if mode == "balanced" else weights if mode == "4-PCM" else rng.permutation(weights)
        signed = np.stack([weights, -weights, other, -other]).clip(0, None)
        devices = (signed + rng.normal(0, 0.02, signed.shape)).clip(0, 1) * config.pcm.g_max_us
        chip.tile(tile).set_conductances(devices, rng.uniform(0.02, 0.1, signed.shape))
    inputs = [rng.integers(0, 256, (2, tiles, rows)) for _ in range(2)]
    pulses = [np.where(sign, values[0], 0) if loud else _half(values, sign) for values in inputs for sign in (1, 0)]
    phases = tuple(
        Phase(wp1, wp2, discharge, tuple(pulses[which].astype(np.uint16))) for wp1, wp2, discharge, which in MODES[mode]
    )
    ramp = _RAMPS[number % len(_RAMPS)] or (int(rng.integers(20, 240)), int(rng.integers(16, 256)))
    capacitors = int(rng.integers(1, 3)) if loud else int(rng.integers(1, 9))
    return mode, Case(chip, int(rng.integers(3)), capacitors, phases, *ramp)


def _loaded(config: AnalogConfig, rows: int) -> AnalogConfig:
    """With so few rows the losses of a full column."""
    periphery, times = config.periphery, _FULL / rows
    periphery = replace(
        periphery,
        wire_ohm=periphery.wire_ohm * times**2,
        compression_per_ua=periphery.compression_per_ua * times,
    )
    return replace(config, periphery=periphery)


def _half(values: NDArray[np.int64], sign: int) -> NDArray[np.int64]:
    """The inputs of one sign: a row has a pulse of one of them."""
    return np.where((values[1] % 2) == sign, values[0], 0)


def table(found: Sequence[tuple[str, int, Verdict]]) -> str:
    """What was found, by mode and number of tiles: (mode, tiles, verdict) of every case."""
    rows = []
    for mode in (*MODES, "all"):
        for tiles in (1, 2):
            chosen = [one for name, count, one in found if count == tiles and mode in (name, "all")]
            if not chosen:
                continue
            apart = [_codes_apart(one) for one in chosen]
            rows.append(
                (
                    f"{mode}, {'one tile' if tiles == 1 else 'two tiles that share'}",
                    str(len(chosen)),
                    str(sum(one.at_rail for one in chosen)),
                    f"{max(abs(one.model_mv) for one in chosen):.0f}",
                    f"{max(abs(one.difference_uv) for one in chosen):.2f}",
                    str(sum(one.tie for one in chosen)),
                    str(apart.count(1)),
                    str(sum(codes > 1 for codes in apart)),
                )
            )
    headings = (
        "mode",
        "cases",
        "of them at a rail",
        "largest voltage (mV)",
        "worst difference (µV)",
        "ties",
        "codes off by one",
        "by more",
    )
    return markdown_table(headings, rows, numbers_from=1)


def _summary(found: Sequence[tuple[str, int, Verdict]]) -> str:
    """The worst voltage, and what became of the codes."""
    wrong, ties = sum(not one.agrees for _, _, one in found), sum(one.tie for _, _, one in found)
    codes = "no code is wrong" if not wrong else f"{wrong} of {len(found)} codes are wrong"
    if ties:
        codes += (
            f"; {ties} of the codes {'differs' if ties == 1 else 'differ'} by one where the circuit's ramp crosses "
            "within 0.01 ns of the limit between two codes, for its capacitor leaks on while the ramp runs"
        )
    return f"The worst voltage is {max(abs(one.difference_uv) for _, _, one in found):.2f} µV off, and {codes}."


def _closeness(found: Sequence[tuple[str, int, Verdict]]) -> str:
    """How close approximate models come."""
    apart = [_codes_apart(one) for _, _, one in found]
    volts = [abs(one.difference_uv) for _, _, one in found]
    further = sum(codes > 1 for codes in apart)
    return (
        f"The median voltage is {np.median(volts):.0f} µV off, the worst {max(volts) / 1e3:.1f} mV; of {len(apart)} "
        f"codes {apart.count(0)} are the circuit's, {apart.count(1)} the next one, and {further} are off by more, "
        f"{max(apart)} at most."
    )


def _codes_apart(verdict: Verdict) -> int:
    return 0 if verdict.tie else abs(verdict.model_code - verdict.spice_code)


def page(
    plain: Sequence[tuple[str, int, Verdict]],
    full: Sequence[tuple[str, int, Verdict]],
    at_once: Sequence[Verdict],
    seed: int,
    version: str,
) -> str:
    """docs/spice.md: MACs without the nonlinearities and with them, and with rails that hold at once."""
    lines = [
        "# Checked against ngspice",
        "",
        f"`make spice` wrote this page: {len(plain)} random MACs without nonlinearities and "
        f"{len(full)} with them, seed {seed}, {version}.",
        "",
        "Each MAC is one column as a circuit (`cosim/verification/spice.py`), written from the parameters of a tile of "
        "`analog_models`: a switch and a resistor for every",
        "device, a wire along each branch, ammeters at its end, mirrors with the column's gains, its capacitors, the "
        "charge of the switches, the leak, rails, and a ramp with its bow",
        "that passes capacitor and comparator offset. Weights, inputs, rows, capacitors, ages, both device models, "
        "ramps and the column's mismatch are drawn anew for every case. Noise is off on both sides.",
        "",
        "## Charge in proportion to pulses",
        "",
        f"Without wires, compression, output resistance and the capacitors' voltage dependence. {_summary(plain)}",
        "",
        table(plain),
        "## With every nonlinearity",
        "",
        "Here the models approximate what the circuit solves: losses to first order, over blocks of rows and bins of "
        "time; the mirrors' output resistance by the trapezoidal rule,",
        "for a block's mean currents, and with even shares of the halves of a balanced MAC. The 32 to 64 rows of a "
        "case that is not driven to the rails have the wire of a full column,",
        f"and mirrors that compress as soon. {_closeness(full)}",
        "",
        table(full),
    ]
    if at_once:
        lines += [
            "## Rails",
            "",
            "The models judge the rails at the end of each phase, and so do the circuits above. "
            f"Where its rails hold the capacitor at once instead, of {len(at_once)} MACs that reach a rail "
            f"{sum(one.model_code != one.spice_code for one in at_once)} have another code, and the voltage before the "
            f"ramp is up to {max(abs(one.difference_uv) for one in at_once) / 1e3:.0f} mV off: what a phase takes away "
            "after it went past a rail counts from the rail.",
            "",
        ]
    return "\n".join(lines)


@click.command()
@click.option("--cases", type=click.IntRange(min=1), default=240, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the page there.")
def main(cases: int, seed: int, out: Path | None) -> None:
    """Compare the analog models with ngspice."""
    console = Console()
    version = spice_version()
    if version is None:
        console.print("skipped: ngspice is not on PATH; install it, e.g. `apt install ngspice`")
        return
    plain: list[tuple[str, int, Verdict]] = []
    full: list[tuple[str, int, Verdict]] = []
    at_once: list[Verdict] = []
    try:
        for number in track(range(cases), "columns in ngspice", console=Console(stderr=True)):
            for nonlinear, found in ((False, plain), (True, full)):
                mode, case = random_case(seed, number, nonlinear=nonlinear)
                verdict = compare(case)
                found.append((mode, len(case.tiles), verdict))
                if verdict.at_rail and not nonlinear:
                    at_once.append(compare(replace(case, clamp_at_once=True)))
    except SpiceError as error:
        raise click.ClickException(str(error)) from error
    text = page(plain, full, at_once, seed, version)
    console.print(text, markup=False, soft_wrap=True)
    if out:
        write_text(out, text)
        console.print(f"wrote {out}")
    wrong = [number for number, (_, _, one) in enumerate(plain) if not one.agrees]
    wrong += [number for number, (_, _, one) in enumerate(full) if _codes_apart(one) > _APPROXIMATE]
    if wrong:
        raise click.ClickException(f"wrong codes in cases {wrong} of seed {seed}")


if __name__ == "__main__":
    main()
