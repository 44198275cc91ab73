"""Transcription from recordings to words: every utterance is a walk, greedy decoding included."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.files.digest import digest, digest_of_arrays
from cosim.files.extras import needed
from cosim.files.wording import counted
from cosim.graph.graph import Walk
from cosim.system.products import NodeProducts
from cosim.system.scheduler import results_of
from cosim.workloads.audio import SAMPLE_RATE, Sound
from cosim.workloads.comparison import Result, Workload
from cosim.workloads.kws.dataset import UNKNOWN, DatasetError
from cosim.workloads.librispeech import Utterance, find_utterances, heard, judged_and_others, splits_in
from cosim.workloads.remarks import Remarks
from cosim.workloads.rnnt.connected_words import LONGEST, Clips, join_audio, plan, recorded_clips, spoken_clips
from cosim.workloads.rnnt.mapping import FirstLayer, mapping
from cosim.workloads.rnnt.model import RnntModel
from cosim.workloads.transcripts import WordErrors, count_errors, lower_case_words
from rtl.config import ChipConfig, preset

__all__ = ["CALIBRATION", "Spoken", "Transcription"]

#: Utterances that choose ranges and calibrate; of their steps, 512 are kept for each matrix.
CALIBRATION = 8
#: Sentences that a synthesiser speaks, if nobody says how many.
_SYNTHESISED = 16


@dataclass(frozen=True, eq=False)
class Spoken:
    """One utterance as the network takes it.

    Members
    -------
    name : str
    transcript : str
        What was said.
    features : (steps, features) float32
    seconds : float
    """

    name: str
    transcript: str
    features: NDArray[np.float32]
    seconds: float


@dataclass(frozen=True, eq=False)
class Transcription:
    """Utterances that are transcribed.

    Members
    -------
    model : RnntModel
    source : str
        For people.
    spoken : tuple of Spoken
    calibrating : tuple of Spoken
        Other utterances.
    remarks : Remarks
    """

    model: RnntModel
    source: str
    spoken: tuple[Spoken, ...]
    calibrating: tuple[Spoken, ...]
    remarks: Remarks = field(default_factory=Remarks)

    @classmethod
    def of_librispeech(cls, model: RnntModel, audio: Path, count: int | None = None, seed: int = 0) -> "Transcription":
        """`count` utterances of a LibriSpeech split, all by default, in a seeded order in which speakers take turns.

        Raises
        ------
        LibriSpeechError
        """
        remarks = Remarks()
        found = find_utterances(audio, remarks)
        judged, others = judged_and_others(found, count, CALIBRATION, seed, remarks)

        def spoken(utterance: Utterance, sound: Sound) -> Spoken:
            features = model.weights.front_end(sound.samples)
            return Spoken(utterance.name, utterance.transcript, features, sound.seconds)

        read = heard(judged, spoken, remarks)
        seconds = sum(one.seconds for one in read)
        source = f"{len(read)} of {counted(len(found), 'utterance')} of {audio.name}, {seconds:,.0f} s (seed {seed})"
        return cls(model, source, read, heard(others, spoken, remarks), remarks)

    @classmethod
    def of_words(
        cls, model: RnntModel, audio: Path | None = None, count: int | None = None, seed: int = 0
    ) -> "Transcription":
        """Sentences of connected words, which nobody has trained with.

        Chips are calibrated with other people's: of the validation clips, or, as the test archive has none, and without
        audio, of voices that a synthesiser has for training.

        Parameters
        ----------
        model : RnntModel
        audio : Path, optional
            Speech Commands, of which test clips are taken; without it a synthesiser speaks.
        count : int, optional
            Sentences to judge by. By default those that have every clip once, or of a synthesiser 16.
        seed : int

        Raises
        ------
        DatasetError, SynthesiserError
        """
        if audio is None:
            count = count or _SYNTHESISED
            clips = spoken_clips(count * LONGEST, seed=seed)
        else:
            clips = recorded_clips(audio)
        if audio is None or (audio / UNKNOWN).is_dir():
            others = spoken_clips(CALIBRATION * LONGEST, "train", seed)
        else:
            others = recorded_clips(audio, "validation")
        judged = tuple(_sentences(model, clips, seed, count))
        calibrating = tuple(_sentences(model, others, seed, CALIBRATION))
        seconds, words = sum(one.seconds for one in judged), sum(len(one.transcript.split()) for one in judged)
        what = "synthesised voices" if audio is None else f"test clips of {audio.name}"
        source = (
            f"{counted(len(judged), 'sentence')} of {counted(words, 'word')}, {what}, {seconds:,.0f} s (seed {seed})"
        )
        return cls(model, source, judged, calibrating)

    @classmethod
    def of(
        cls, model: RnntModel, audio: Path | None = None, count: int | None = None, seed: int = 0
    ) -> "Transcription":
        """LibriSpeech, Speech Commands, whichever the folder holds, or synthesised words without one.

        Raises
        ------
        DatasetError
            If the folder is neither.
        """
        needed("jiwer", "speech", "counting word errors")  # before hours of work
        if audio is not None and splits_in(audio):
            return cls.of_librispeech(model, audio, count, seed)
        try:
            return cls.of_words(model, audio, count, seed)
        except DatasetError as error:
            raise DatasetError(
                f"{error}; or, of LibriSpeech, a split such as dev-clean, with SPEAKER/CHAPTER/*.trans.txt"
            ) from None

    def walks(self) -> Iterator[Walk[Result]]:
        """Of every utterance, "symbols"."""
        return map(self._transcribed, range(len(self.spoken)))

    def _transcribed(self, sample: int) -> Walk[Result]:
        symbols = yield from self.model.transcribed(self.spoken[sample].features)
        return {"symbols": np.array(symbols, np.int64)}

    def _decided(self, spoken: Sequence[Spoken]) -> list[list[int]]:
        """All choices of greedy decoding in float."""
        walks = (self.model.choices(one.features) for one in spoken)
        return results_of(walks, NodeProducts.of_floats(self.model.network))

    @cached_property
    def _choices(self) -> list[list[int]]:
        return self._decided(self.calibrating)

    def _calibration(self) -> Iterator[Walk[float]]:
        """Surprise at what the float network decides."""
        for one, choices in zip(self.calibrating, self._choices, strict=True):
            yield self.model.surprise(one.features, choices)

    @cached_property
    def _judged_choices(self) -> list[list[int]]:
        return self._decided(self.spoken)

    def surprised(self, model: RnntModel | None = None) -> Iterator[Walk[Result]]:
        """Of every utterance "symbols", and "surprise" at what the float network decides, of another model if given."""
        for one, choices in zip(self.spoken, self._judged_choices, strict=True):
            yield self._surprised(model or self.model, one, choices)

    @staticmethod
    def _surprised(model: RnntModel, one: Spoken, choices: Sequence[int]) -> Walk[Result]:
        symbols, surprise = yield from model.transcribed_and_surprise(one.features, choices)
        return {"symbols": np.array(symbols, np.int64), "surprise": np.array(surprise)}

    def workload(
        self,
        analog: AnalogConfig,
        first: FirstLayer = FirstLayer.AVERAGED,
        chips: int | None = None,
        config: ChipConfig | None = None,
    ) -> Workload:
        """Every utterance is a sample."""
        features = digest(digest_of_arrays(one.features) for one in self.spoken)
        return Workload(
            self.model.network,
            len(self.spoken),
            self._transcribed,
            self._calibration,
            mapping(self.model.weights.shape, analog, first, chips),
            {"utterances": f"{len(self.spoken)} ({features})", "first layer": first.value},
            config=config or preset(),
            loss=lambda results: float(np.mean(results)),
        )

    def texts(self, results: Sequence[Result]) -> list[str]:
        """What was heard."""
        return [self.model.text(result["symbols"].tolist()) for result in results]

    def word_errors(self, results: Sequence[Result], words_of: Callable[[str], str] = lower_case_words) -> WordErrors:
        """Against what was said."""
        return count_errors([one.transcript for one in self.spoken], self.texts(results), words_of)


def _sentences(model: RnntModel, clips: Clips, seed: int, count: int | None) -> Iterator[Spoken]:
    """Connected words of clips that have sound."""
    assert clips.audio is not None
    for number, sentence in enumerate(plan(clips, seed, count)):
        sound = join_audio(clips.audio, sentence)
        name = f"{clips.speakers[sentence.rows[0]]} {number}"
        yield Spoken(name, sentence.text, model.weights.front_end(sound), len(sound) / SAMPLE_RATE)
