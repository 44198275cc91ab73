"""ALBERT on a task of GLUE as a sweep."""

from pathlib import Path

from cosim.workloads.albert.model import TextClassifier
from cosim.workloads.albert.report import report
from cosim.workloads.albert.workload import Classification
from cosim.workloads.glue import TASKS
from cosim.workloads.sweeping import Judged

__all__ = ["judged"]


def judged(data: Path, task_name: str, model: Path, examples: int | None, calibration: int, seed: int) -> Judged:
    """Examples of a task, chosen by `seed`; parameters as of `Classification.of` and `TextClassifier.load`."""
    glue = TASKS[task_name]
    task = Classification.of(TextClassifier.load(model, glue, ()), glue, data, examples, seed, calibration)
    return Judged(task.workload, lambda comparison: report(task, comparison, seed))
