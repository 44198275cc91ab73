"""Transcription with RNN-T as a sweep."""

from pathlib import Path

from cosim.workloads.rnnt.mapping import FirstLayer
from cosim.workloads.rnnt.model import RnntModel
from cosim.workloads.rnnt.network import RnntNetwork
from cosim.workloads.rnnt.report import report
from cosim.workloads.rnnt.workload import Transcription
from cosim.workloads.sweeping import Judged

__all__ = ["judged"]


def judged(audio: Path | None, network: Path, clips: int | None, first_layer: str, seed: int) -> Judged:
    """Utterances chosen by `seed`; parameters as of `Transcription.of`, `RnntNetwork.load`."""
    first = FirstLayer(first_layer)
    model = RnntModel(RnntNetwork.load(network), centred=first.centred)
    task = Transcription.of(model, audio, clips, seed)
    return Judged(lambda analog: task.workload(analog, first), lambda comparison: report(task, comparison, seed))
