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
from cosim.graph.graph import Walk
from cosim.system.products import NodeProducts
from cosim.system.scheduler import results_of
from cosim.workloads.audio import SAMPLE_RATE, Sound
from cosim.workloads.comparison import Result, Workload
from cosim.workloads.librispeech import Utterance, find_utterances, heard, judged_and_others, splits_in
from cosim.workloads.remarks import Remarks
from cosim.workloads.rnnt.connected_words import LONGEST, join_audio, plan, recorded_clips, spoken_clips
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
        source = f"{len(read)} of {len(found)} utterances of {audio.name}, {seconds:,.0f} s (seed {seed})"
        return cls(model, source, read, heard(others, spoken, remarks), remarks)

    @classmethod
    def of_words(
        cls, model: RnntModel, audio: Path | None = None, count: int | None = None, seed: int = 0
    ) -> "Transcription":
        """Sentences of connected words, which nobody has trained with.

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
            clips = spoken_clips((count + CALIBRATION) * LONGEST, seed=seed)
        else:
            clips = recorded_clips(audio)
        sentences = plan(clips, seed, None if count is None else count + CALIBRATION)
        sounds = clips.audio
        assert sounds is not None

        def heard(number: int) -> Spoken:
            sound = join_audio(sounds, sentences[number])
            name = f"{clips.speakers[sentences[number].rows[0]]} {number}"
            return Spoken(name, sentences[number].text, model.weights.front_end(sound), len(sound) / SAMPLE_RATE)

        spoken = tuple(map(heard, range(len(sentences))))
        judged, others = spoken[:-CALIBRATION], spoken[-CALIBRATION:]
        seconds, words = sum(one.seconds for one in judged), sum(len(one.transcript.split()) for one in judged)
        what = "synthesised voices" if audio is None else f"test clips of {audio.name}"
        source = f"{len(judged)} sentences of {words:,} words, {what}, {seconds:,.0f} s (seed {seed})"
        return cls(model, source, judged, others)

    @classmethod
    def of(
        cls, model: RnntModel, audio: Path | None = None, count: int | None = None, seed: int = 0
    ) -> "Transcription":
        """LibriSpeech, Speech Commands, whichever the folder holds, or synthesised words without one."""
        needed("jiwer", "speech", "counting word errors")  # before hours of work
        if audio is not None and splits_in(audio):
            return cls.of_librispeech(model, audio, count, seed)
        return cls.of_words(model, audio, count, seed)

    def _transcribed(self, sample: int) -> Walk[Result]:
        symbols = yield from self.model.transcribed(self.spoken[sample].features)
        return {"symbols": np.array(symbols, np.int64)}

    @cached_property
    def _choices(self) -> list[list[int]]:
        """Of greedy decoding in float, of the utterances that calibrate."""
        walks = (self.model.choices(one.features) for one in self.calibrating)
        return results_of(walks, NodeProducts.of_floats(self.model.network))

    def _calibration(self) -> Iterator[Walk[float]]:
        """Surprise at what the float network decides."""
        for one, choices in zip(self.calibrating, self._choices, strict=True):
            yield self.model.surprise(one.features, choices)

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
