"""A task of GLUE on an ALBERT that was tuned on it: every example is a sample, judged on every engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.files.digest import digest
from cosim.files.wording import counted
from cosim.system.products import NodeProducts
from cosim.system.scheduler import results_of
from cosim.workloads.albert.mapping import mapping
from cosim.workloads.albert.model import TextClassifier, chances
from cosim.workloads.comparison import Result, Workload
from cosim.workloads.glue import Examples, GlueError, Task, evaluated_split, read_split
from cosim.workloads.metrics import METRICS
from cosim.workloads.resampling import resampled_interval

__all__ = ["CALIBRATION", "Classification"]

#: Examples that choose ranges and calibrate.
CALIBRATION = 16


@dataclass(frozen=True, eq=False)
class Classification:
    """Examples that are judged.

    Members
    -------
    classifier : TextClassifier
    task : Task
    examples : Examples
    calibrating : Examples
        Others: of the training split, or, where that is not there, those of the judged one that are not judged.
    """

    classifier: TextClassifier
    task: Task
    examples: Examples
    calibrating: Examples

    @classmethod
    def of(
        cls,
        classifier: TextClassifier,
        task: Task,
        root: Path,
        count: int | None = None,
        seed: int = 0,
        calibrating: int = CALIBRATION,
    ) -> "Classification":
        """Read a task.

        Parameters
        ----------
        classifier : TextClassifier
        task : Task
        root : Path
            Folder of all tasks.
        count : int, optional
            Judge so many examples; by default all of the evaluated split.
        seed : int
            Of their choice.
        calibrating : int
            Calibrate with so many others.

        Raises
        ------
        GlueError
        """
        judged = read_split(root, task, evaluated_split(root, task))
        if task.path(root, "train").is_file():
            others = read_split(root, task, "train").chosen(calibrating, seed)
            return cls(classifier, task, judged.chosen(count, seed), others)
        count = min(count or len(judged), len(judged) - calibrating)
        if count < 1:
            raise GlueError(
                f"{judged.source} has {counted(len(judged), 'example')}; {calibrating} more are needed to calibrate"
            )
        examples, others = judged.parted(count, calibrating, seed)
        return cls(classifier, task, examples, others)

    @cached_property
    def _expected(self) -> list[NDArray]:
        """Chances, or values, that the float network gives of the examples that calibrate."""
        floats = NodeProducts.of_floats(self.classifier.network)
        return [result["logits"] for result in results_of(map(self.classifier.judged, self.calibrating.texts), floats)]

    def loss(self, results: Sequence[Result]) -> float:
        """Of the examples that calibrate: cross-entropy beyond the float network's own, or square error of values."""
        lost = []
        for result, expected in zip(results, self._expected, strict=True):
            if not self.task.classes:
                lost.append(float(np.square(result["logits"] - expected).mean()))
                continue
            ours, theirs = (np.log(chances(logits)) for logits in (result["logits"], expected))
            lost.append(float(np.sum(np.exp(theirs) * (theirs - ours))))
        return float(np.mean(lost))

    def workload(self, analog: AnalogConfig, readout_bits: int = 7) -> Workload:
        """Every example is a sample."""
        return Workload(
            self.classifier.network,
            len(self.examples),
            lambda sample: self.classifier.judged(self.examples.texts[sample]),
            lambda: map(self.classifier.judged, self.calibrating.texts),
            mapping(analog, readout_bits),
            {
                "network": self.classifier.name,
                "examples": _described(self.examples),
                "calibrated_on": _described(self.calibrating),
            },
            loss=self.loss,
        )

    def decisions(self, results: Sequence[Result], exit_pass: int | None = None) -> NDArray:
        """Labels, or values, of the examples; after some pass, counted from 1, instead of the last."""
        if exit_pass is None:
            return self.classifier.decisions(np.stack([result["logits"] for result in results]))
        return self.classifier.decisions(np.stack([result["exits"][exit_pass - 1] for result in results]))

    def score(self, results: Sequence[Result], metric: str, exit_pass: int | None = None) -> float:
        """One of the task's metrics."""
        return METRICS[metric](self.decisions(results, exit_pass), self.examples.labels)

    def interval(self, results: Sequence[Result], metric: str, seed: int = 0) -> tuple[float, float]:
        """In which 95 % of it lie with other samples; `seed` of their choice."""
        found, labels = self.decisions(results), self.examples.labels
        return resampled_interval(lambda rows: METRICS[metric](found[rows], labels[rows]), len(labels), seed=seed)


def _described(examples: Examples) -> str:
    return f"{len(examples)} ({digest(text for texts in examples.texts for text in texts)})"
