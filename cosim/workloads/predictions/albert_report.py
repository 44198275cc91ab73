"""The paper's figures of its ALBERT, predicted, over the length of a sequence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from cosim.performance.constants import EnergyConstants
from cosim.performance.report import EntryReport, entry_reports
from cosim.workloads.predictions.albert import LAYERS, LENGTHS, AlbertRun, AlbertSystem
from cosim.workloads.predictions.albert_tasks import TaskLengths, TaskRun, run_tasks
from cosim.workloads.predictions.table import NATCOMM, Prediction, print_predictions

__all__ = ["TASKS", "AlbertReport", "albert_report"]

#: Where the paper says its share of operations; and what it has more TOPS/W than.
_TOKENS, _LEAST = 64, 3.0
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
    tasks : tuple of TaskRun
        Of GLUE, where their lengths were given.
    """

    entries: tuple[EntryReport, ...]
    runs: tuple[AlbertRun, ...]
    tasks: tuple[TaskRun, ...] = ()

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        by_length = {run.tokens: run for run in self.runs}
        figure, one = f"{NATCOMM}, Fig. 5", by_length[_TOKENS]
        tasks = [run for run in self.runs if TASKS[0] <= run.tokens <= TASKS[1]]
        least = min(run.tops_w for run in tasks)
        lowest = min(run.analog_share for run in tasks)
        return (
            Prediction(f"system, {_TOKENS} tokens", one.tops_w, "TOPS/W", _LEAST, ">", figure),
            Prediction(f"system, least of {TASKS[0]} to {TASKS[1]} tokens", least, "TOPS/W", _LEAST, ">", figure),
            Prediction(f"operations on the chip, {_TOKENS} tokens", 100 * one.share, "%", 98, source=figure, digits=1),
            Prediction(
                f"energy of the chip, least of {TASKS[0]} to {TASKS[1]} tokens", 100 * lowest, "%", 95, ">", figure, 1
            ),
            Prediction("energy of a token and layer, chip", 1e6 * one.chip_j / (LAYERS * _TOKENS), "uJ"),
            *(
                Prediction(f"system, {run.lengths.task}", run.tops_w, "TOPS/W", _LEAST, ">", figure)
                for run in self.tasks
            ),
        )

    @property
    def needed(self) -> dict[str, tuple[float, float]]:
        """Of each fitted constant its value, and the one at which 64 tokens would take the paper's 3 TOPS/W.

        All others stay as they are; nothing is fitted. A negative one says that no value does.
        """
        one = next(run for run in self.runs if run.tokens == _TOKENS)
        fitted, energy = one.constants.fitted, one.joules
        missing = energy - one.all_operations * 1e-12 / _LEAST
        shares = {
            "column_uw": self._share_j(one, "column amplifiers"),
            "chip_w": self._share_j(one, "clock and static"),
            "mean_code": self._share_j(one, "array"),
        }
        return {name: (value := getattr(fitted, name), value * (1 - missing / shares[name])) for name in shares}

    @staticmethod
    def _share_j(run: AlbertRun, mechanism: str) -> float:
        """Joules of a mechanism in a run without pipelining, which are in proportion to its constant."""
        token = sum(energy.by_mechanism()[mechanism] for energy in run.system.token_energy(run.constants))
        return 1e-9 * LAYERS * run.tokens * token

    def to_json(self) -> dict[str, Any]:
        return {
            "name": "albert",
            "entries": [{**vars(entry), "watts": entry.watts} for entry in self.entries],
            "lengths": [
                {
                    "tokens": run.tokens,
                    "us": 1e-3 * run.ns,
                    "per_second": run.per_second,
                    "per_joule": 1 / run.joules,
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
            "tasks": [
                {
                    "task": run.lengths.task,
                    "source": run.lengths.source,
                    "sequences": len(run.runs),
                    "mean_tokens": run.mean_tokens,
                    "per_second": run.per_second,
                    "per_joule": run.per_joule,
                    "tops_w": run.tops_w,
                    "share_of_energy": run.analog_share,
                }
                for run in self.tasks
            ],
            "needed": {name: {"is": value, "for_3_tops_w": other} for name, (value, other) in self.needed.items()},
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
            cells += [f"{1 / run.joules:,.0f}", f"{run.tops_w:.2f}", f"{run.share:.2%}"]
            table.add_row(*cells, f"{run.analog_share:.1%}", f"{1e3 * run.waiting_j:.2f}")
        console.print(table)
        console.print("operations, energy: shares of the chip", soft_wrap=True)
        if self.tasks:
            self._print_tasks(console)
        print_predictions(self.predictions, console)
        needed = ", ".join(f"{name} {other:.4g} for {value:.4g}" for name, (value, other) in self.needed.items())
        console.print(f"{_LEAST:g} TOPS/W at {_TOKENS} tokens would take one of: {needed}", soft_wrap=True)

    def _print_tasks(self, console: Console) -> None:
        table = Table("task", box=box.SIMPLE_HEAD)
        for name in ("sequences", "mean tokens", "a second", "a joule", "TOPS/W", "energy"):
            table.add_column(name, justify="right")
        for run in self.tasks:
            cells = [f"{len(run.runs):,}", f"{run.mean_tokens:.1f}", f"{run.per_second:,.1f}", f"{run.per_joule:,.0f}"]
            table.add_row(run.lengths.source, *cells, f"{run.tops_w:.2f}", f"{run.analog_share:.1%}")
        console.print(table)


def albert_report(
    system: AlbertSystem,
    constants: EnergyConstants,
    lengths: Sequence[int] = LENGTHS,
    tasks: Sequence[TaskLengths] = (),
) -> AlbertReport:
    """Sequences of such lengths, and of tasks; 64 tokens, and the ends of the tasks' range, are always among them."""
    every = sorted({*lengths, _TOKENS, *TASKS})
    return AlbertReport(
        tuple(entry_reports(system.layout, system.numbers, constants, analog=system.analog)),
        tuple(system.run(tokens, constants) for tokens in every),
        run_tasks(system, constants, tasks),
    )
