"""The paper's figures of its RNN-T, predicted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from cosim.files.wording import counted
from cosim.performance.constants import EnergyConstants
from cosim.performance.report import EntryReport, frame_report
from cosim.workloads.predictions.rnnt import LONGEST_S, RnntRun, RnntSystem, Utterance
from cosim.workloads.predictions.rnnt_chips import paper_chips
from cosim.workloads.predictions.table import NATURE, Prediction, print_predictions
from rtl.config import ChipConfig

__all__ = ["RnntReport", "rnnt_report"]

_DERIVED = f"{NATURE}, Methods: 4.44 J less 0.11 J of digital units"
_OPERATIONS = f"{NATURE}, Methods: 6.704 TOPS/W x 2,513 / 546.6 samples a second and watt"
#: Utterances of the paper's set, and the chip that the model was fitted on.
_PAPER = 2513
FITTED = {"chip 4": 12.40}


@dataclass(frozen=True, eq=False)
class RnntReport:
    """A set of utterances on five chips, and the figures.

    Parameters
    ----------
    run : RnntRun
        As the paper maps it.
    expanded : RnntRun
        With weight expansion of Enc-LSTM0.
    chips : tuple of EntryReport
        A frame of every chip.
    constants : EnergyConstants
    left_out : int
        Utterances of the manifest that last longer than MLPerf's longest.
    """

    run: RnntRun
    expanded: RnntRun
    chips: tuple[EntryReport, ...]
    constants: EnergyConstants
    left_out: int = 0

    @property
    def predictions(self) -> Sequence[Prediction]:
        """Beside the paper's; those that grow with the set only where it has as many utterances as the paper's."""
        run, wide, count = self.run, self.expanded, len(self.run.utterances)
        seconds, audio = run.ns * 1e-9, sum(one.seconds for one in run.utterances)
        chips = sum(run.chips_j(self.constants))
        whole = chips + run.host_j(self.constants)
        wide_j = sum(wide.chips_j(self.constants)) + wide.host_j(self.constants)
        host, wide_host = sum(run.host.values()), sum(wide.host.values())
        methods, figure = f"{NATURE}, Methods", f"{NATURE}, Fig. 6"

        def of_all(what: str, value: float, unit: str, paper: float, source: str, digits: int) -> Prediction:
            return Prediction(what, value, unit, paper if count == _PAPER else None, "=", source, digits)

        powers = (
            Prediction(one.entry, one.tops_w, "TOPS/W", FITTED.get(one.entry), "=", figure, fitted=one.entry in FITTED)
            for one in self.chips
        )
        return (
            of_all("time of all", seconds, "s", 1.2877, methods, 4),
            of_all("samples a second", count / seconds, "", 1951.59, methods, 1),
            of_all("mean time of a sample", seconds / count * 1e6, "us", 500, figure, 0),
            Prediction("real-time factor x 1e5", 1e5 * seconds / audio, "", 8, "=", figure),
            of_all("operations on chips", run.operations * 1e-12, "TOP", 30.82, _OPERATIONS, 2),
            *powers,
            of_all("energy of chips", chips, "J", 4.33, _DERIVED, 2),
            Prediction("chips together", run.operations * 1e-12 / chips, "TOPS/W", 7.09, "=", figure),
            of_all("digital energy", run.host_j(self.constants), "J", 0.11, methods, 3),
            Prediction("system", (run.operations + host) * 1e-12 / whole, "TOPS/W", 6.94, "=", methods),
            Prediction("operations, chips over host", run.operations / host, "", 325, "=", figure, 0),
            Prediction("expanded: operations, chips over host", wide.operations / wide_host, "", 88, "=", figure, 1),
            of_all("expanded: digital energy", wide.host_j(self.constants), "J", 0.26, methods, 3),
            # The additional operations are no credit, in the paper neither.
            Prediction("expanded: system", (wide.operations + host) * 1e-12 / wide_j, "TOPS/W", 6.704, "=", methods),
            of_all("expanded: samples a second and watt", count / wide_j, "", 546.6, methods, 1),
            of_all("expanded: power", wide_j / seconds, "W", 3.57, methods, 2),
        )

    def to_json(self) -> dict[str, Any]:
        run = self.run
        return {
            "name": "rnnt",
            "entries": [{**vars(chip), "watts": chip.watts} for chip in self.chips],
            "utterances": len(run.utterances),
            "left_out": self.left_out,
            "frames": dict(zip((chip.entry for chip in self.chips), run.frames, strict=True)),
            "host_operations": dict(run.host),
            "waiting_j": run.idle_j(self.constants),
            "latency_us": {"mean": 1e-3 * sum(run.latencies_ns) / len(run.latencies_ns)},
            "predictions": [one.to_json() for one in self.predictions],
        }

    def print(self, console: Console) -> None:
        """Chips, then figures."""
        run = self.run
        table = Table("chip", box=box.SIMPLE_HEAD)
        for name in ("frame ns", "W", "1.5 V, W", "frames", "at work", "J", "pins ns"):
            table.add_column(name, justify="right")
        for chip, frames, joules in zip(self.chips, run.frames, run.chips_j(self.constants), strict=True):
            busy = frames * chip.frame_ns / run.ns
            cells = [f"{chip.frame_ns:,}", f"{chip.watts:.3f}", f"{chip.by_supply['1.5 V'] / chip.frame_ns:.3f}"]
            table.add_row(chip.entry, *cells, f"{frames:,}", f"{busy:.0%}", f"{joules:.3f}", f"{chip.pins_ns:,.0f}")
        console.print(table)
        print_predictions(self.predictions, console)
        without = f", without {self.left_out:,} that last longer than {LONGEST_S:g} s" if self.left_out else ""
        console.print(
            f"{counted(len(run.utterances), 'utterance')}{without}; clocks and leakage of chips that wait, in none "
            f"of the figures: {run.idle_j(self.constants):.2f} J",
            soft_wrap=True,
        )


def rnnt_report(
    utterances: Sequence[Utterance],
    constants: EnergyConstants,
    system: RnntSystem,
    config: ChipConfig | None = None,
) -> RnntReport:
    """All figures of a set of utterances on a system without expansion; `config` is of its chips if not the paper's."""
    run = system.run(utterances)
    wide = replace(system, chips=paper_chips(expanded=True, config=config), expanded=True)
    expanded = replace(run, system=wide, host=wide.host_of(utterances))
    chips = tuple(
        frame_report(chip.name, activity, chip.operations, constants, pins=bool(system.host.port_gbps))
        for chip, activity in zip(system.chips, system.activities, strict=True)
    )
    return RnntReport(run, expanded, chips, constants)
