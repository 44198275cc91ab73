"""Speech recognition as a sweep."""

from pathlib import Path

from cosim.workloads.sweeping import Judged
from cosim.workloads.whisper.model import WhisperModel
from cosim.workloads.whisper.report import report
from cosim.workloads.whisper.workload import Transcription

__all__ = ["judged"]


def judged(audio: Path, model: Path, clips: int | None, seed: int) -> Judged:
    """Utterances of a split, chosen by `seed`; parameters as of `Transcription.of` and `WhisperModel.load`."""
    task = Transcription.of(WhisperModel.load(model), audio, clips, seed)
    return Judged(task.workload, lambda comparison: report(task, comparison, seed))
