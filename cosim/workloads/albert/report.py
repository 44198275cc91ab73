"""What a comparison of engines says about a task of GLUE on ALBERT."""

import numpy as np

from cosim.workloads.albert.workload import Classification
from cosim.workloads.comparison import Comparison
from cosim.workloads.metrics import WORDS
from cosim.workloads.scores import Score, ScoreReport

__all__ = ["report"]


def report(task: Classification, comparison: Comparison, seed: int) -> ScoreReport:
    """The task's metrics by engine, after early passes too, and how many decisions differ from software's."""

    def score(metric: str) -> Score:
        return Score(
            metric,
            WORDS[metric],
            lambda results: task.score(results, metric),
            lambda results: task.interval(results, metric, seed),
        )

    metric, passes = task.task.metrics[0], task.classifier.passes
    exits = {
        name: [task.score(variant.results, metric, number) for number in range(1, passes + 1)]
        for name, variant in comparison.variants.items()
    }
    software = task.decisions(comparison.variants["software"].results)
    flipped = comparison.each(lambda results: float(np.mean(task.decisions(results) != software)))
    notes = [("network", task.classifier.name)]
    if comparison.image:
        notes.append(("codes", f"{comparison.image.layout.timing.readout_bits} bits"))
    if task.task.classes:
        notes += [
            (f"decided otherwise than software, {name}", f"{100 * share:.1f} %")
            for name, share in flipped.items()
            if name != "software"
        ]
    return ScoreReport(
        comparison,
        [score(metric) for metric in task.task.metrics],
        task.examples.source,
        seed,
        details={
            "task": task.task.name,
            "network": task.classifier.name,
            "network_digest": task.classifier.graph.digest,
            "examples": len(task.examples),
            "calibrated_on": task.calibrating.source,
            "exits": exits,
            "flipped": flipped,
        },
        notes=notes,
    )
