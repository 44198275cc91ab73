"""What a comparison of engines says about sentences."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.workloads.comparison import Comparison, Result
from cosim.workloads.metrics import METRICS, WORDS, spearman
from cosim.workloads.resampling import resampled_interval
from cosim.workloads.scores import Score, ScoreReport
from cosim.workloads.sentences.heads import cosines
from cosim.workloads.sentences.workload import Judgement

__all__ = ["report"]

#: Of values by example and their labels.
_Figure = Callable[[NDArray, NDArray], float]


def report(task: Judgement, comparison: Comparison, seed: int) -> ScoreReport:
    """The task's metrics of what the head says; of likenesses also the rank correlation of the cosine alone."""

    def score(key: str, words: str, values: Callable[[Sequence[Result]], NDArray], figure: _Figure) -> Score:
        labels = task.examples.labels

        def interval(results: Sequence[Result]) -> tuple[float, float]:
            found = values(results)
            return resampled_interval(lambda rows: figure(found[rows], labels[rows]), len(labels), seed=seed)

        return Score(key, words, lambda results: figure(values(results), labels), interval)

    def cosine(results: Sequence[Result]) -> NDArray:
        vectors = task.vectors(results)
        return cosines(vectors[::2], vectors[1::2])

    def decided(results: Sequence[Result]) -> NDArray:
        return task.scores(results) > 0 if task.task.classes else task.scores(results)

    scores = [score(metric, f"{WORDS[metric]}, head", decided, METRICS[metric]) for metric in task.task.metrics]
    if not task.task.classes:
        scores.append(score("cosine_spearman", "Spearman, cosine", cosine, spearman))
    software = task.vectors(comparison.variants["software"].results)
    to_software = comparison.each(lambda results: float(np.mean(cosines(task.vectors(results), software))))
    return ScoreReport(
        comparison,
        scores,
        task.examples.source,
        seed,
        details={
            "task": task.task.name,
            "examples": len(task.examples),
            "trained_on": task.trained.source,
            "penalty": task.head.penalty,
            "cosine": to_software,
        },
        notes=[
            ("head", f"fitted on {task.trained.source}, penalty {task.head.penalty:g}"),
            *((f"cosine to software, {name}", f"{cosine:.4f}") for name, cosine in to_software.items()),
        ],
    )
