"""What a comparison of engines says about speaker verification."""

from collections.abc import Sequence

import numpy as np

from cosim.files.wording import counted
from cosim.workloads.comparison import Comparison, Result
from cosim.workloads.scores import Score, ScoreReport
from cosim.workloads.speaker.workload import Verification

__all__ = ["cosines_to", "report"]


def cosines_to(reference: Sequence[Result], results: Sequence[Result]) -> float:
    """Mean cosine between the vectors that two engines give of the same windows."""
    pairs = ((a["voice"], b["voice"]) for a, b in zip(reference, results, strict=True))
    return float(np.mean([a @ b / (np.linalg.norm(a) * np.linalg.norm(b) or 1.0) for a, b in pairs]))


def report(task: Verification, comparison: Comparison, seed: int) -> ScoreReport:
    """Equal error rates, and how far the vectors are from software's."""
    score = Score(
        "eer",
        "equal error rate",
        lambda results: task.trials(results).rate,
        lambda results: task.trials(results).interval(seed=seed),
    )
    software = comparison.variants["software"].results
    cosines = comparison.each(lambda results: cosines_to(software, results))
    recordings, windows = len(task.utterances), sum(map(len, task.windows))
    return ScoreReport(
        comparison,
        (score,),
        task.source,
        seed,
        task.remarks.lines(),
        {
            "utterances": [one.name for one in task.utterances],
            "windows": windows,
            "pairs": recordings * (recordings - 1) // 2,
            "cosine": cosines,
        },
        [
            (
                "pairs",
                f"{recordings * (recordings - 1) // 2:,} of {counted(recordings, 'utterance')}, "
                f"{counted(windows, 'window')}",
            ),
            *((f"cosine to software, {name}", f"{cosine:.4f}") for name, cosine in cosines.items()),
        ],
    )
