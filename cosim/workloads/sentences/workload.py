"""A task of GLUE on sentence vectors: heads are fitted in float, sentences judged on every engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import LayoutOptions
from cosim.files.archive import read_arrays, write_arrays
from cosim.files.digest import digest
from cosim.system.building import BuildOptions
from cosim.system.products import NodeProducts
from cosim.system.reuse import reused
from cosim.system.scheduler import run_walks
from cosim.workloads.comparison import Result, Workload
from cosim.workloads.glue import TASKS, Examples, GlueError, Task, evaluated_split, read_split
from cosim.workloads.sentences.heads import Head, fit_classifier, fit_regression, pair_features
from cosim.workloads.sentences.model import SentenceEncoder

__all__ = ["CALIBRATION", "CHIPS", "Judgement"]

#: In 2-PCM mode, at 60 % of the cells; two chips hold the matrices with asymmetry balance.
CHIPS = 1
#: Sentences of the training split that choose ranges and calibrate.
CALIBRATION = 64


@dataclass(frozen=True, eq=False)
class Judgement:
    """Examples that are judged, and the head that judges them.

    Members
    -------
    encoder : SentenceEncoder
    task : Task
    examples : Examples
        Judged, each sentence of them a sample.
    trained : Examples
        What the head was fitted on, in float.
    head : Head
    """

    encoder: SentenceEncoder
    task: Task
    examples: Examples
    trained: Examples
    head: Head

    @classmethod
    def of(
        cls,
        encoder: SentenceEncoder,
        root: Path,
        task_name: str,
        count: int | None = None,
        train: int | None = None,
        seed: int = 0,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> "Judgement":
        """Read a task and fit its head.

        Parameters
        ----------
        encoder : SentenceEncoder
        root : Path
            Folder of all tasks.
        task_name : str
            Of `TASKS`.
        count, train : int, optional
            Judge, and fit the head, by so many examples; by default all of the evaluated and of the training split.
        seed : int
            Of the choice of examples, and of those that choose the head's penalty.
        progress : callable (sentences done, all)

        Raises
        ------
        GlueError
        """
        task = TASKS[task_name]
        if len(task.classes) > 2:
            raise GlueError(f"a head tells two classes apart, {task_name} has {', '.join(task.classes)}")
        trained = read_split(root, task, "train").chosen(train, seed)
        examples = read_split(root, task, evaluated_split(root, task)).chosen(count, seed)
        features = cls._features(_vectors(encoder, _sentences(trained), progress), len(task.sentences))
        fit = fit_classifier if task.classes else fit_regression
        return cls(encoder, task, examples, trained, fit(features, trained.labels, seed=seed))

    @staticmethod
    def _features(vectors: NDArray, sentences: int) -> NDArray:
        """Of examples, from the vectors of their sentences one after the other."""
        return vectors if sentences == 1 else pair_features(vectors[::2], vectors[1::2])

    def workload(self, analog: AnalogConfig, chips: int = CHIPS) -> Workload:
        """Every sentence is a sample; those that calibrate are of the training split."""
        sentences = _sentences(self.examples)
        calibrating = _sentences(self.trained)[:CALIBRATION]
        return Workload(
            self.encoder.network,
            len(sentences),
            lambda sample: self.encoder.vector(sentences[sample]),
            lambda: map(self.encoder.vector, calibrating),
            BuildOptions(LayoutOptions(chips=chips), analog=analog),
            {"network": self.encoder.name, "sentences": f"{len(sentences)} ({digest(sentences)})"},
        )

    def vectors(self, results: Sequence[Result]) -> NDArray:
        """Of all sentences, (samples, n)."""
        return np.stack([result["vector"] for result in results])

    def scores(self, results: Sequence[Result]) -> NDArray:
        """What the head gives, by example."""
        return self.head(self._features(self.vectors(results), len(self.task.sentences)))


def _sentences(examples: Examples) -> list[str]:
    return [text for texts in examples.texts for text in texts]


def _vectors(encoder: SentenceEncoder, texts: Sequence[str], progress: Callable[[int, int], None]) -> NDArray:
    """In float, now or by an earlier run: thousands of them take minutes."""

    def make() -> NDArray:
        found: dict[int, NDArray] = {}
        for number, result in run_walks(enumerate(map(encoder.vector, texts)), NodeProducts.of_floats(encoder.network)):
            found[number] = result["vector"]
            progress(len(found), len(texts))
        return np.stack([found[number] for number in range(len(texts))])

    tokens = (" ".join(map(str, encoder.tokens(text))) for text in texts)
    return reused(
        "vectors",
        [encoder.graph.digest, *tokens],
        make,
        save=lambda vectors, folder: write_arrays(folder / _VECTORS, {"vectors": vectors}),
        load=lambda folder: read_arrays(folder / _VECTORS, "vectors")["vectors"],
    )


#: Vectors in the cache.
_VECTORS = "vectors.npz"
