"""The paper's figures of its ALBERT, predicted, over the length of a sequence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from cosim.performance.constants import EnergyConstants
from cosim.performance.report import EntryReport, entry_reports
from cosim.workloads.predictions.albert import LENGTHS, AlbertRun, AlbertSystem
from cosim.workloads.predictions.table import NATCOMM, Prediction, print_predictions

__all__ = ["TASKS", "AlbertReport", "albert_report"]

#: Where the paper says its share of operations.
_TOKENS = 64
#: Mean tokens of a sequence of GLUE's tasks, as the paper's text has them: about 10 to 128.
TASKS = (10, 128)


@dataclass(frozen=True, eq=False)
class AlbertReport:
    """Sequences of several lengths on one chip.

    Parameters
    ----------
    entries : tuple of EntryReport
        A frame of every layer-block.
    runs : tuple of AlbertRun
    """

    entries: tuple[EntryReport, ...]
    runs: tuple[AlbertRun, ...]

    @property
    def predictions(self) -> Sequence[Prediction]:
        by_length = {run.tokens: run for run in self.runs}
        figure, one = f"{NATCOMM}, Fig. 5", by_length[_TOKENS]
        tasks = [run for run in self.runs if TASKS[0] <= run.tokens <= TASKS[1]]
        least = min(run.tops_w for run in tasks)
        lowest = min(run.analog_share for run in tasks)
        return (
            Prediction(f"system, {_TOKENS} tokens", one.tops_w, "TOPS/W", 3.0, ">", figure),
            Prediction(f"system, least of {TASKS[0]} to {TASKS[1]} tokens", least, "TOPS/W", 3.0, ">", figure),
            Prediction(f"operations on the chip, {_TOKENS} tokens", 100 * one.share, "%", 98, source=figure, digits=1),
            Prediction(
                f"energy of the chip, least of {TASKS[0]} to {TASKS[1]} tokens", 100 * lowest, "%", 95, ">", figure, 1
            ),
            Prediction("energy of a token and layer, chip", 1e6 * one.chip_j / (12 * _TOKENS), "uJ"),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "name": "albert",
            "entries": [{**vars(entry), "watts": entry.watts} for entry in self.entries],
            "lengths": [
                {
                    "tokens": run.tokens,
                    "us": 1e-3 * run.ns,
                    "per_second": run.per_second,
                    "per_joule": 1 / (run.chip_j + run.host_j),
                    "tops_w": run.tops_w,
                    "operations": run.operations,
                    "host_operations": dict(run.host),
                    "share_of_operations": run.share,
                    "share_of_energy": run.analog_share,
                    "chip_j": run.chip_j,
                    "host_j": run.host_j,
                    "waiting_j": run.waiting_j,
                }
                for run in self.runs
            ],
            "predictions": [one.to_json() for one in self.predictions],
        }

    def print(self, console: Console) -> None:
        """Layer-blocks, lengths, figures."""
        blocks = Table("layer-block", box=box.SIMPLE_HEAD)
        for name in ("frame ns", "nJ", "W", "TOPS/W"):
            blocks.add_column(name, justify="right")
        for one in self.entries:
            blocks.add_row(one.entry, f"{one.frame_ns:,}", f"{one.nj:,.0f}", f"{one.watts:.3f}", f"{one.tops_w:.2f}")
        console.print(blocks)
        table = Table(box=box.SIMPLE_HEAD)
        heads = ("tokens", "us", "a second", "a joule", "TOPS/W", "operations", "energy", "waiting, mJ")
        for name in heads:
            table.add_column(name, justify="right")
        for run in self.runs:
            cells = [f"{run.tokens:,}", f"{1e-3 * run.ns:,.1f}", f"{run.per_second:,.1f}"]
            cells += [f"{1 / (run.chip_j + run.host_j):,.0f}", f"{run.tops_w:.2f}", f"{run.share:.2%}"]
            table.add_row(*cells, f"{run.analog_share:.1%}", f"{1e3 * run.waiting_j:.2f}")
        console.print(table)
        console.print("operations, energy: shares of the chip", soft_wrap=True)
        print_predictions(self.predictions, console)


def albert_report(system: AlbertSystem, constants: EnergyConstants, lengths: Sequence[int] = LENGTHS) -> AlbertReport:
    """Sequences of such lengths; 64 tokens, and the ends of the tasks' range, are always among them."""
    every = sorted({*lengths, _TOKENS, *TASKS})
    return AlbertReport(
        tuple(entry_reports(system.layout, system.numbers, constants, analog=system.analog)),
        tuple(system.run(tokens, constants) for tokens in every),
    )
