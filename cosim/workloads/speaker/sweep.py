"""Speaker verification as a sweep."""

from pathlib import Path

from cosim.workloads.speaker.report import report
from cosim.workloads.speaker.workload import SpeakerEncoder, Verification
from cosim.workloads.sweeping import Judged

__all__ = ["judged"]


def judged(audio: Path, model: Path, clips: int | None, seed: int) -> Judged:
    """Utterances of a split, chosen by `seed`; parameters as of `Verification.of` and `SpeakerEncoder.load`."""
    task = Verification.of(SpeakerEncoder.load(model), audio, clips, seed)
    return Judged(task.workload, lambda comparison: report(task, comparison, seed))
