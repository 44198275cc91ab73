"""Speaker verification from recordings to trials: windows go through the recurrent network, one walk each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import LayoutOptions
from cosim.files.digest import digest
from cosim.files.wording import counted
from cosim.graph import Graph, NetworkError
from cosim.graph.graph import Walk
from cosim.system.building import BuildOptions
from cosim.system.network import Network
from cosim.workloads.comparison import Result, Workload
from cosim.workloads.librispeech import Utterance, find_utterances, heard, judged_and_others
from cosim.workloads.remarks import Remarks
from cosim.workloads.speaker.features import BANDS, WINDOW_FRAMES, windows_of
from cosim.workloads.speaker.trials import Trials, voice_of

__all__ = ["CALIBRATION", "CHIPS", "SpeakerEncoder", "Verification"]

#: With asymmetry balance; a single chip holds the matrices in 2-PCM mode, at 68 % of its cells.
CHIPS = 2
#: Utterances, of which the middle window each chooses ranges and calibrates.
CALIBRATION = 16


@dataclass(frozen=True, eq=False)
class SpeakerEncoder:
    """A network that makes a vector of a window of a voice.

    Parameters
    ----------
    graph : Graph
        Input (1, 80, 40) or (80, 40) log-mel, output (1, n) or (n,).
    name : str
    """

    graph: Graph
    name: str

    @classmethod
    def load(cls, path: Path) -> "SpeakerEncoder":
        """From an ONNX file.

        Raises
        ------
        NetworkError, MissingPackage
            If it is none, cannot be mapped, or has other inputs or outputs than one.
        """
        from cosim.graph.onnx import read_onnx  # only now: it loads the package onnx

        graph = read_onnx(path)
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise NetworkError(
                f"{path} has inputs {', '.join(graph.inputs)} and outputs {', '.join(graph.outputs)}; a speaker "
                f"encoder takes one window (1, {WINDOW_FRAMES}, {BANDS}) and gives one vector"
            )
        return cls(graph, path.name)

    @cached_property
    def network(self) -> Network:
        return Network.of(self.graph)

    def voice(self, window: NDArray[np.float32]) -> Walk[Result]:
        """Vector of a window, (80, 40)."""
        step = yield from self.network.walk({self.graph.inputs[0]: window[None]})
        return {"voice": step.outputs[self.graph.outputs[0]].reshape(-1)}


@dataclass(frozen=True, eq=False)
class Verification:
    """Recordings whose speakers are told apart.

    Members
    -------
    encoder : SpeakerEncoder
    source : str
        For people.
    utterances : tuple of Utterance
    windows : tuple of (windows, 80, 40) array
        Of each utterance.
    calibration : tuple of (80, 40) array
        Of other utterances.
    remarks : Remarks
    """

    encoder: SpeakerEncoder
    source: str
    utterances: tuple[Utterance, ...]
    windows: tuple[NDArray[np.float32], ...]
    calibration: tuple[NDArray[np.float32], ...]
    remarks: Remarks = field(default_factory=Remarks)

    @classmethod
    def of(
        cls, encoder: SpeakerEncoder, audio: Path, count: int | None = None, seed: int = 0, *, most: int | None = None
    ) -> "Verification":
        """Utterances of a LibriSpeech split, in a seeded order in which speakers take turns.

        Parameters
        ----------
        encoder : SpeakerEncoder
        audio : Path
        count : int, optional
            So many utterances, by default all.
        seed : int
        most : int, optional
            So many windows of an utterance at most, evenly spread; by default all.

        Raises
        ------
        LibriSpeechError
        """
        remarks = Remarks()
        found = find_utterances(audio, remarks)
        judged, others = judged_and_others(found, count, CALIBRATION, seed, remarks)
        read = heard(judged, lambda one, sound: (one, _spread(windows_of(sound.samples), most)), remarks)
        calibration = heard(others, lambda _, sound: windows_of(sound.samples), remarks)
        speakers = len({one.speaker for one, _ in read})
        return cls(
            encoder,
            f"{len(read)} of {counted(len(found), 'utterance')} of {audio.name}, {counted(speakers, 'speaker')} "
            f"(seed {seed})",
            tuple(one for one, _ in read),
            tuple(windows for _, windows in read),
            tuple(_spread(windows, 1)[0] for windows in calibration),
            remarks,
        )

    def workload(self, analog: AnalogConfig, chips: int = CHIPS) -> Workload:
        """Every window is a sample."""
        every = np.concatenate(self.windows)
        return Workload(
            self.encoder.network,
            len(every),
            lambda sample: self.encoder.voice(every[sample]),
            lambda: map(self.encoder.voice, self.calibration),
            BuildOptions(LayoutOptions(chips=chips), analog=analog),
            {"network": self.encoder.name, "windows": f"{len(every)} ({digest([every.tobytes()])})"},
        )

    def trials(self, results: Sequence[Result]) -> Trials:
        """All pairs, from the vectors of every window."""
        return Trials(np.stack(list(self._voices(results))), [one.speaker for one in self.utterances])

    def _voices(self, results: Sequence[Result]) -> Iterator[NDArray]:
        first = 0
        for windows in self.windows:
            yield voice_of(np.stack([result["voice"] for result in results[first : first + len(windows)]]))
            first += len(windows)


def _spread(windows: NDArray[np.float32], most: int | None) -> NDArray[np.float32]:
    """So many windows of an utterance, from the middle of as many equal parts; all where there are no more."""
    if most is None or len(windows) <= most:
        return windows
    return windows[(2 * np.arange(most) + 1) * len(windows) // (2 * most)]
