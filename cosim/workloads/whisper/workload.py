"""Transcription from recordings to words: every utterance is a walk, greedy decoding included."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.files.digest import digest
from cosim.files.extras import needed
from cosim.files.wording import counted
from cosim.graph.graph import Walk
from cosim.system.layer_errors import LayerErrors
from cosim.system.products import NodeProducts
from cosim.system.scheduler import results_of
from cosim.workloads.audio import Sound
from cosim.workloads.comparison import Result, Workload
from cosim.workloads.librispeech import Utterance, find_utterances, heard, judged_and_others
from cosim.workloads.remarks import Remarks
from cosim.workloads.transcripts import WordErrors, count_errors, normalised
from cosim.workloads.whisper.features import POSITIONS, SECONDS, spoken_positions
from cosim.workloads.whisper.mapping import CHIPS, mapping
from cosim.workloads.whisper.model import WhisperModel
from cosim.workloads.whisper.padding import Padding

__all__ = ["CALIBRATION", "Recorded", "Transcription"]

#: Utterances that choose ranges and calibrate: their loss is evaluated again and again.
CALIBRATION = 8
#: Walks side by side, each of which holds the encoder's values of 30 s.
_SIDE_BY_SIDE = 16


@dataclass(frozen=True, eq=False)
class Recorded:
    """One utterance as the network takes it.

    Members
    -------
    utterance : Utterance
    features : (bands, 3000) float32
    spoken : int
        Positions of the encoder that hear it.
    """

    utterance: Utterance
    features: NDArray[np.float32]
    spoken: int


@dataclass(frozen=True, eq=False)
class Transcription:
    """Utterances that are transcribed.

    Members
    -------
    model : WhisperModel
    source : str
        For people.
    recorded : tuple of Recorded
    calibrating : tuple of Recorded
        Other utterances.
    remarks : Remarks
    """

    model: WhisperModel
    source: str
    recorded: tuple[Recorded, ...]
    calibrating: tuple[Recorded, ...]
    remarks: Remarks = field(default_factory=Remarks)

    @classmethod
    def of(cls, model: WhisperModel, audio: Path, count: int | None = None, seed: int = 0) -> "Transcription":
        """`count` utterances of a LibriSpeech split, all by default, in a seeded order in which speakers take turns.

        Raises
        ------
        LibriSpeechError
        """
        needed("jiwer", "speech", "counting word errors")  # before hours of work
        remarks = Remarks()
        found = find_utterances(audio, remarks)
        judged, others = judged_and_others(found, count, CALIBRATION, seed, remarks)

        def recorded(utterance: Utterance, sound: Sound) -> Recorded:
            if sound.seconds > SECONDS:
                remarks.add(f"longer than {SECONDS} s, the rest is not heard", utterance.name)
            return Recorded(utterance, model.features(sound.samples), spoken_positions(len(sound.samples)))

        read = heard(judged, recorded, remarks)
        seconds = sum(one.spoken for one in read) * SECONDS / POSITIONS
        source = f"{len(read)} of {counted(len(found), 'utterance')} of {audio.name}, {seconds:,.0f} s (seed {seed})"
        return cls(model, source, read, heard(others, recorded, remarks), remarks)

    def _transcribed(self, sample: int) -> Walk[Result]:
        decoded = yield from self.model.transcribed(self.recorded[sample].features)
        return {"tokens": np.array(decoded.tokens, np.int64), "ended": np.array(decoded.ended)}

    def _watched(self, walk: Callable[[int], Walk[Result]], errors: LayerErrors, sample: int) -> Walk[Result]:
        """Without padding in the errors' statistics, which goes through the chips all the same."""
        spoken = self.recorded[sample].spoken
        own, reference = Padding(spoken), Padding(spoken)
        beside = errors.beside(
            own.apart(walk(sample)),
            reference.in_float(reference.apart(walk(sample)), self.model.network),
            sample,
        )
        return own.with_it(beside)

    def _heard(self, recorded: Sequence[Recorded]) -> list[tuple[int, ...]]:
        """Tokens of the float network."""
        walks = (self.model.transcribed(one.features) for one in recorded)
        return [heard.tokens for heard in results_of(walks, NodeProducts.of_floats(self.model.network))]

    @cached_property
    def _transcripts(self) -> list[tuple[int, ...]]:
        """What the float network hears in the utterances that calibrate."""
        return self._heard(self.calibrating)

    def _calibration(self) -> Iterator[Walk[float]]:
        """Surprise at what the float network hears.

        Positions that hear padding are with it: chips compute them, the others attend to them, and some of the last
        ones reach farther than any that hears speech.
        """
        for one, tokens in zip(self.calibrating, self._transcripts, strict=True):
            yield self.model.forced(one.features, tokens)

    def workload(self, analog: AnalogConfig, chips: int = CHIPS) -> Workload:
        """Every utterance is a sample."""
        features = digest([one.features.tobytes() for one in self.recorded])
        return Workload(
            self.model.network,
            len(self.recorded),
            self._transcribed,
            self._calibration,
            mapping(analog, chips),
            {"network": self.model.name, "utterances": f"{len(self.recorded)} ({features})"},
            loss=lambda results: float(np.mean(results)),
            batch=_SIDE_BY_SIDE,
            watch=partial(self._watched, self._transcribed),
        )

    def surprise(self, workload: Workload, samples: int) -> Workload:
        """The same chips, judged by how surprised they are at what the float network hears in the first utterances.

        That tells far smaller errors than words do, of which a few utterances have few that are doubtful.

        Parameters
        ----------
        workload : Workload
            Of `workload`, whose chips it takes.
        samples : int

        Returns
        -------
        Workload
            Of results {"surprise": nats a token}.
        """
        few = self.recorded[:samples]
        heard = self._heard(few)

        def walk(sample: int) -> Walk[Result]:
            surprise = yield from self.model.forced(few[sample].features, heard[sample])
            return {"surprise": np.array(surprise)}

        return replace(workload, samples=len(few), walk=walk, watch=partial(self._watched, walk))

    def texts(self, results: Sequence[Result]) -> list[str]:
        """What was heard."""
        return [self.model.vocabulary.text(result["tokens"].tolist()) for result in results]

    def word_errors(self, results: Sequence[Result], words_of: Callable[[str], str] = normalised) -> WordErrors:
        """Against the transcripts that came with the utterances."""
        references = [one.utterance.transcript for one in self.recorded]
        return count_errors(references, self.texts(results), words_of)

    def loops(self, results: Sequence[Result]) -> int:
        """Utterances whose transcript reached the limit of tokens: nobody says so much, it repeats itself."""
        return sum(not bool(result["ended"]) for result in results)
