"""ALBERT on the tasks of GLUE: time and energy of sequences as long as their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cosim.performance.constants import EnergyConstants
from cosim.workloads.albert.model import LONGEST
from cosim.workloads.glue import TASKS, GlueError, evaluated_split, read_split
from cosim.workloads.predictions.albert import AlbertRun, AlbertSystem
from cosim.workloads.tokenizer import load_tokenizer

__all__ = ["TaskLengths", "TaskRun", "run_tasks", "task_lengths"]

#: The paper's seven, in its order of difficulty; the others of `cosim.workloads.glue.TASKS` follow.
_PAPER = ("RTE", "MRPC", "CoLA", "SST-2", "QNLI", "QQP", "MNLI")


@dataclass(frozen=True)
class TaskLengths:
    """A task's sequences.

    Parameters
    ----------
    task : str
    source : str
        For people.
    tokens : tuple of int
        Of every sequence.
    """

    task: str
    source: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TaskRun:
    """Sequences of a task, one after the other.

    Parameters
    ----------
    lengths : TaskLengths
    runs : tuple of AlbertRun
        Of every sequence.
    """

    lengths: TaskLengths
    runs: tuple[AlbertRun, ...]

    @property
    def mean_tokens(self) -> float:
        return sum(self.lengths.tokens) / len(self.runs)

    @property
    def per_second(self) -> float:
        """Sequences."""
        return 1e9 * len(self.runs) / sum(run.ns for run in self.runs)

    @cached_property
    def joules(self) -> float:
        """Of frames and of the host, all sequences."""
        return sum(run.joules for run in self.runs)

    @property
    def per_joule(self) -> float:
        return len(self.runs) / self.joules

    @property
    def tops_w(self) -> float:
        return 1e-12 * sum(run.all_operations for run in self.runs) / self.joules

    @property
    def analog_share(self) -> float:
        """Of energy that is the chip's."""
        return sum(run.chip_j for run in self.runs) / self.joules


def task_lengths(data: Path, model: Path) -> tuple[TaskLengths, ...]:
    """Lengths of all tasks that a folder of GLUE has, of the split that is judged, special tokens counted in.

    Parameters
    ----------
    data : Path
        Folder of all tasks.
    model : Path
        Folder whose `tokenizer.json` says what a token is.

    Raises
    ------
    GlueError
        If there is no task, or a task's file is damaged.
    TokenizerError, MissingPackage
    """
    tokenizer = load_tokenizer(model)
    tokenizer.enable_truncation(LONGEST)
    names = [*_PAPER, *(name for name in TASKS if name not in _PAPER)]
    found = []
    for name in names:
        if not (data / name).is_dir():
            continue
        examples = read_split(data, TASKS[name], evaluated_split(data, TASKS[name]))
        tokens = tuple(len(tokenizer.encode(*texts).ids) for texts in examples.texts)
        found.append(TaskLengths(name, examples.source, tokens))
    if not found:
        raise GlueError(f"{data}: no folder of a task in it; expected one or several of {', '.join(names)}")
    return tuple(found)


def run_tasks(system: AlbertSystem, constants: EnergyConstants, tasks: Sequence[TaskLengths]) -> tuple[TaskRun, ...]:
    """All sequences of some tasks; those of one length take the same."""
    runs = {tokens: system.run(tokens, constants) for tokens in sorted({n for one in tasks for n in one.tokens})}
    return tuple(TaskRun(one, tuple(runs[tokens] for tokens in one.tokens)) for one in tasks)
