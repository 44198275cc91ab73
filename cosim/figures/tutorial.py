"""Writes docs/tutorial.md, one MAC from code to code, and its pictures: ``python -m cosim.figures.tutorial``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import click
import numpy as np

from analog_models.config import AnalogConfig
from analog_models.programming import WeightTargets
from cosim.experiment.transcript import timeline
from cosim.figures import tutorial_pictures as pictures
from cosim.figures.mechanisms import MECHANISMS
from cosim.figures.tutorial_mac import COLUMN, ROWS, TILE, OneMac
from cosim.files.archive import write_text
from cosim.files.plotting import write_picture
from cosim.files.wording import listed
from cosim.isa.words import ILP, OLP
from cosim.isa.words import TILE as TILE_UNIT
from cosim.view.pictures import draw_routes
from rtl.chip import unit_name
from rtl.isa import CONTROL_LATENCY, RAMP_LATENCY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "IMAGES", "PAGE", "Tutorial", "wave_lines", "write_page"]

#: In the repository.
EXPERIMENT, PAGE, IMAGES = Path("docs/examples/one_mac.toml"), Path("docs/tutorial.md"), Path("docs/images/tutorial")
_TEMPLATE = Path(__file__).with_suffix(".md")
#: Reads of the one chip; chips, of which a mechanism alone takes the first; reads of each.
_READS, _CHIPS, _FIRST_CHIPS, _FEW_READS = 1000, 100, 40, 10
_SHOWN = 0.3  # codes; mechanisms that make less are left out


class Tutorial:
    """Everything that the page says and shows, measured once.

    Parameters
    ----------
    mac : OneMac
        The experiment of the page, run.
    """

    def __init__(self, mac: OneMac) -> None:
        self.mac = mac
        self.ideal, self.nominal = AnalogConfig.ideal(), AnalogConfig.nominal()
        self.one = mac.read(self.nominal, [0], _READS)
        self.many = mac.read(self.nominal, range(_CHIPS), _FEW_READS)
        self.spreads = self._spreads()
        self.mismatch = self.nominal.periphery.path_mismatch_sigma
        paths = replace(self.ideal, periphery=replace(self.ideal.periphery, path_mismatch_sigma=self.mismatch))
        wp1 = mac.experiment.weights[TILE].wp1
        assert wp1 is not None
        self.plain = mac.read(paths, range(_CHIPS), 1).v_mv.ravel()
        balanced = WeightTargets.balanced(wp1)
        self.balanced = mac.read(paths, range(_CHIPS), 1, events=mac.balanced_events(), weights=balanced).v_mv.ravel()

    def _spreads(self) -> dict[str, float]:
        """Mechanism -> rms deviation of the code from the ideal chip's, it alone; the largest first."""
        exact = int(self.mac.results[COLUMN])
        found = {}
        for mechanism in MECHANISMS:
            codes = self.mac.read(mechanism.added_to(self.ideal, self.nominal), range(_FIRST_CHIPS), _FEW_READS).codes
            found[mechanism.name] = float(np.sqrt(np.mean((codes.astype(np.float64) - exact) ** 2)))
        return dict(sorted(((name, rms) for name, rms in found.items() if rms > _SHOWN), key=lambda one: -one[1]))

    def figures(self) -> "dict[str, Figure]":
        """The plots of the page, by name."""
        exact = self.mac.plateaus()[-1][1] - self.mac.precharge_v
        return {
            "waves": pictures.draw_waves(self.mac),
            "charge": pictures.draw_charge(self.mac),
            "ramp": pictures.draw_ramp(self.mac),
            "codes": pictures.draw_codes(self.mac),
            "noise": pictures.draw_noise(int(self.mac.results[COLUMN]), self.one, self.many, self.spreads),
            "balance": pictures.draw_balance(self.plain, self.balanced, exact * 1e3),
        }

    def page(self) -> str:
        """The page, as Markdown."""
        return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
            self._steps() | self._noise() | self._balance() | {"waves_table": _table(wave_lines(self.mac))}
        )

    def _steps(self) -> dict[str, str]:
        """What sections 1 to 7 say."""
        mac, analog, periphery = self.mac, self.ideal, self.ideal.periphery
        codes, weights = mac.codes[:ROWS], mac.weights[:ROWS, COLUMN]
        g_us = np.abs(weights) * analog.pcm.g_max_us
        rows = range(ROWS)
        table = [
            (str(row), f"{codes[row]}", f"{weights[row]:g}", *_devices(weights[row], g_us[row]), _product(mac, row))
            for row in rows
        ]
        signed = codes * weights * analog.pcm.g_max_us  # uS ns
        first, second = float(signed[codes > 0].sum()), float(signed[codes < 0].sum())
        (_, top), (_, last) = mac.plateaus()
        controls = mac.ramp.controls
        assert controls is not None
        send = mac.activities["send"][0]
        result = int(mac.results[COLUMN])
        return {
            "codes_text": listed(f"{code:g}" for code in codes),
            "weights_text": listed(f"{weight:g}" for weight in weights),
            "mac": f"{mac.macs[COLUMN]:g}",
            "rows_table": _table(table),
            **{f"code_{row}": f"{abs(codes[row])}" for row in rows},
            **{f"weight_{row}": f"{weights[row]:g}" for row in rows},
            **{f"g_{row}": f"{g_us[row]:g}" for row in rows},
            "g_max": f"{analog.pcm.g_max_us:g}",
            "sum_first": f"{first:,.0f}",
            "sum_second": f"{abs(second):,.0f}",
            "q_first": f"{first * periphery.charge_fc_per_us_ns:.4f}",
            "v_first": f"{(top - mac.precharge_v) * 1e3:.2f}",
            "v_second": f"{(top - last) * 1e3:.2f}",
            "v_last": f"{(last - mac.precharge_v) * 1e3:.2f}",
            "v_abs": f"{last:.4f}",
            "mv_per_mac": f"{analog.volts_per_weight_ns(1) * 1e3:.3f}",
            "fire": str(send.start - CONTROL_LATENCY),
            "rise": str(send.start),
            "read_v": f"{periphery.read_voltage_v:g}",
            "mirror": f"{1 / periphery.mirror_ratio:g}",
            "i_array": f"{g_us[0] * periphery.read_voltage_v:g}",
            "i_0": f"{g_us[0] * periphery.charge_fc_per_us_ns * 1e3:g}",
            "precharge": f"{periphery.precharge_v:g}",
            "cap": f"{periphery.capacitor_ff:g}",
            "ramp_start": str(controls.ramp_start),
            "ramp_v": f"{mac.ramp_start_v:g}",
            "slope": str(controls.ramp_slope),
            "step": f"{mac.volts_per_ns * 1e3:.4f}",
            "crossing": f"{mac.crossing_ns(last):.2f}",
            "zero": f"{mac.code_zero:g}",
            "scale": f"{mac.code_per_mac:.4f}",
            "latency": str(RAMP_LATENCY),
            "pulse": str(mac.comparator_pulse(COLUMN)[0]),
            "result": str(result),
            "back": f"{(result - mac.code_zero) / mac.code_per_mac:.1f}",
            "half": f"{0.5 / mac.code_per_mac:.1f}",
            "timeline": timeline(mac.experiment, replace(mac.record, engine="rtl")),
        }

    def _noise(self) -> dict[str, str]:
        """What section 8 says."""
        mac, pcm = self.mac, self.nominal.pcm
        codes, weights = mac.codes[:ROWS], mac.weights[:ROWS, COLUMN]
        times = np.abs(codes)
        devices = np.array([weights.clip(0), (-weights).clip(0)]) * pcm.g_max_us  # (2, rows)
        charges = times * pcm.pulse_sigma_us(devices, times)
        floor = pcm.pulse_noise_floor * pcm.g_max_us
        share = pcm.pulse_sigma_us(np.zeros(ROWS), times) / floor
        lines = [
            (str(row), str(times[row]), f"{100 * share[row]:.2f}", *(f"{one:.1f} uS ns" for one in charges[:, row]))
            for row in range(ROWS)
        ]
        total = float(np.sqrt((charges**2).sum()))
        millivolts = total * self.ideal.periphery.charge_fc_per_us_ns / self.ideal.periphery.capacitor_ff * 1e3
        (alone,) = (one for one in MECHANISMS if one.name == "noise of a read")
        reads = mac.read(alone.added_to(self.ideal, self.nominal), [0], _READS)
        return {
            "reads": f"{_READS:,}",
            "chips": str(_CHIPS),
            "one_mean": f"{self.one.codes.mean():.1f}",
            "one_spread": f"{self.one.codes.std():.1f}",
            "many_mean": f"{self.many.codes.mean():.1f}",
            "many_spread": f"{self.many.codes.std():.1f}",
            "drift_percent": f"{100 * (1 - pcm.expected_retention(self.nominal.age_s)):.0f}",
            "floor": f"{floor:.2f}",
            "noise_table": "".join(f"  {line}\n" for line in _table(lines).splitlines()),
            "noise_sum": f"{total:.1f}",
            "noise_mv": f"{millivolts:.2f}",
            "noise_codes": f"{millivolts / mac.volts_per_ns / 1e3:.2f}",
            "noise_seen": f"{reads.v_mv.std():.2f}",
        }

    def _balance(self) -> dict[str, str]:
        """What section 9 says."""
        return {
            "mismatch": f"{100 * self.mismatch:g}",
            "plain": f"{self.plain.std():.2f}",
            "balanced": f"{self.balanced.std():.2f}",
        }


def wave_lines(mac: OneMac) -> list[tuple[str, str, str]]:
    """(cycle, signal, what happens) of everything that one sees of the MAC in a trace."""
    config = mac.experiment.config
    ilp, tile, olp = (f"chip.{unit_name(config, kind, 0)}" for kind in (ILP, TILE_UNIT, OLP))
    found = [
        (one.start, f"{tile}.crossbar.integrate", f"the tile integrates until cycle {one.stop}")
        for one in mac.activities["integrate"]
    ]
    for row in range(ROWS):
        for start, stop in mac.row_pulses(row):
            found.append((start, f"{ilp}.data[{row}]", f"rises, and with it `{tile}.crossbar.rows[{row}]`"))
            found.append((stop, f"{ilp}.data[{row}]", f"falls, {stop - start} ns later"))
    found += [
        (one.stop, f"{tile}.crossbar.event_strobe", "the integration is over") for one in mac.activities["integrate"]
    ]
    found += [  # the voltage is traced in the cycle after the event that changed it
        (cycle + 1, f"{tile}.crossbar.volts_{COLUMN}", f"the capacitor's voltage: {volts:.4f} V")
        for cycle, volts in mac.plateaus()
    ]
    start, stop = mac.comparator_pulse(COLUMN)
    (window,) = mac.activities["count"]
    found += [
        (one.start, f"{tile}.crossbar.discharge", "the polarity is turned")
        for one in mac.activities["integrate"]
        if one.fields["discharge"]
    ]
    found += [
        (mac.ramp.cycle, f"{tile}.crossbar.ramp", "the ramp starts"),
        (window.start, f"{olp}.counting", f"the window is open until cycle {window.stop}, when the codes are stored"),
        (start, f"{tile}.crossbar.columns_out[{COLUMN}]", "the comparator's pulse begins"),
        (stop, f"{tile}.crossbar.columns_out[{COLUMN}]", f"and ends after {stop - start} ns"),
    ]
    return [(str(cycle), f"`{signal}`", what) for cycle, signal, what in sorted(found, key=lambda one: one[0])]


def _devices(weight: float, g_us: float) -> tuple[str, str]:
    """Conductances of G+ and G-, in words."""
    return (f"{g_us:g} uS", "0") if weight > 0 else ("0", f"{g_us:g} uS")


def _product(mac: OneMac, row: int) -> str:
    return f"{mac.codes[row] * mac.weights[row, COLUMN]:g}"


def _table(lines: Sequence[tuple[str, ...]]) -> str:
    """Lines of a Markdown table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_page(root: Path) -> list[Path]:
    """The page and its pictures, in the repository at `root`."""
    tutorial = Tutorial(OneMac.run(root / EXPERIMENT))
    written = [root / PAGE, root / IMAGES / "routes.svg"]
    write_text(written[0], tutorial.page())
    draw_routes(tutorial.mac.experiment, written[1])
    for name, figure in tutorial.figures().items():
        written.append(root / IMAGES / f"{name}.png")
        write_picture(figure, written[-1], metadata={"Software": None})
    return written


@click.command()
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=".", help="The repository.")
def main(root: Path) -> None:
    """Write docs/tutorial.md and its pictures."""
    for path in write_page(root):
        click.echo(path)


if __name__ == "__main__":
    main()
