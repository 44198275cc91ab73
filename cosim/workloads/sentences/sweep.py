"""Sentences as a sweep."""

from pathlib import Path

from cosim.workloads.sentences.model import SentenceEncoder
from cosim.workloads.sentences.report import report
from cosim.workloads.sentences.workload import Judgement
from cosim.workloads.sweeping import Judged

__all__ = ["judged"]


def judged(data: Path, task_name: str, model: Path, examples: int | None, train: int, seed: int) -> Judged:
    """Examples of a task, chosen by `seed`; parameters as of `Judgement.of` and `SentenceEncoder.load`."""
    task = Judgement.of(SentenceEncoder.load(model), data, task_name, examples, train, seed)
    return Judged(task.workload, lambda comparison: report(task, comparison, seed))
