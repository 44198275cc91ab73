"""Sentences of connected words: clips of one speaker in a row, with pauses and now and then an overlap.

Speech Commands holds 35 words, spoken singly by some two thousand people. Two to eight words of one person are real
speech with a real transcript ("left seven go happy"), and where each word lies is known. A sentence is planned once,
in frames of the keyword front end, and then made of whatever there is: of features, as training wants it, or of sound.

Source: P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition", arXiv:1804.03209 (CC BY
4.0); connecting its words is our choice.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.workloads.kws.dataset import (
    CODE,
    LABELS,
    SILENCE,
    WORDS,
    DatasetError,
    Split,
    TrainingSet,
    find_clips,
)
from cosim.workloads.kws.features import FRAMES, STRIDE_SAMPLES, WINDOW_SAMPLES, mfcc, mfcc_to_mel
from cosim.workloads.kws.synthesiser import UNKNOWN_WORDS, read_aloud

__all__ = [
    "VOCABULARY",
    "Clips",
    "Sentence",
    "join_audio",
    "join_features",
    "plan",
    "recorded_clips",
    "speech_ends",
    "spoken_clips",
    "training_clips",
]

#: Every word of Speech Commands v0.02.
VOCABULARY = tuple(sorted((*WORDS, *UNKNOWN_WORDS)))
#: Words of a sentence.
SHORTEST, LONGEST = 2, 8
#: Frames on end (160 ms) that may be quiet in the middle of a word: before a stop, for instance.
QUIET_FRAMES = 8
#: Speech is louder than that: share of the way from a clip's quiet to its loud frames, log power.
SPEECH_SHARE = 0.3
#: Frames of a clip kept before and after its word, where it has as many: least, and first not drawn.
LEAD, TRAIL = (2, 9), (3, 11)
#: Frames that two words share, and how often they do.
OVERLAP, OVERLAP_SHARE = (1, 4), 0.3
#: Words that a synthesised voice says.
WORDS_OF_A_VOICE = 10

#: Folder, speaker, and the other places where a name may have its word: FOLDER/[WORD_]SPEAKER_nohash_N[.WORD].SUFFIX
_NAME = re.compile(r"([^/]+)/(?:([a-z]+)_)?([0-9a-f]{8})_nohash_\d+((?:\.\w+)*)")

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Clips:
    """Words, each of them said in one second by somebody.

    Members
    -------
    mel : (clips, 49, 40) float32
        Log-mel picture.
    words : (clips,) str
    speakers : (clips,) str
    synthetic : bool or (clips,) bool
        True for clips that no person spoke.
    audio : (clips, 16000) float32, optional
        Samples in [-1, 1], 16 kHz.
    """

    mel: Floats
    words: NDArray[np.str_]
    speakers: NDArray[np.str_]
    synthetic: NDArray[np.bool_]
    audio: Floats | None = None

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def ends(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First frame of each word, and the first behind it."""
        return speech_ends(self.mel)

    def with_more(self, other: "Clips") -> "Clips":
        """These clips and then others, features only."""
        parts = ("mel", "words", "speakers", "synthetic")
        return Clips(*(np.concatenate([getattr(self, part), getattr(other, part)]) for part in parts))


@dataclass(frozen=True, eq=False)
class Sentence:
    """Which clips follow one another, and how.

    Members
    -------
    rows : (words,) int64
        Of the clips.
    first, last : (words,) int64
        Frames of each clip that are taken: `first` to before `last`.
    overlap : (words,) int64
        Frames that a piece shares with the one before it; 0 for the first.
    begin, end : (words,) int64
        Frames of the sentence: first one of each word, and the first behind it.
    text : str
    """

    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    overlap: NDArray[np.int64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    text: str

    @property
    def starts(self) -> NDArray[np.int64]:
        """Frame of the sentence at which each piece starts, (words,)."""
        lengths = self.last - self.first
        return np.cumsum(lengths) - lengths - np.cumsum(self.overlap)

    @property
    def frames(self) -> int:
        return int((self.last - self.first).sum() - self.overlap.sum())


def speech_ends(mel: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First frame of the word in each clip, and the first behind it: (clips, 49, 40) -> (clips,), (clips,).

    From the loudest frame outwards, as long as no more than 160 ms on end are quiet.
    """
    level = 0.5 * np.log(np.exp(2 * np.asarray(mel, np.float32)).sum(axis=2))
    quiet, loud = np.percentile(level, (10, 95), axis=1)
    speech = level > (quiet + SPEECH_SHARE * (loud - quiet))[:, None]
    loudest, clips = level.argmax(axis=1), np.arange(len(level))
    ends = []
    for direction in (-1, 1):
        end, silent = loudest.copy(), np.zeros(len(level), np.int64)
        for distance in range(1, FRAMES):
            place = loudest + direction * distance
            inside = (place >= 0) & (place < FRAMES)
            heard = inside & speech[clips, place.clip(0, FRAMES - 1)] & (silent <= QUIET_FRAMES)
            end = np.where(heard, place, end)
            silent = np.where(heard, 0, silent + 1)
        ends.append(end)
    return ends[0], ends[1] + 1


def plan(clips: Clips, seed: int | Sequence[int], count: int | None = None) -> list[Sentence]:
    """Sentences in random order that hold every clip of every speaker once, a speaker's only clip not.

    Parameters
    ----------
    clips : Clips
    seed : int or several
        The same seed gives the same sentences.
    count : int, optional
        As many: the first ones, or more of the same clips connected otherwise.

    Raises
    ------
    DatasetError
        If sentences are asked for and nobody said two words.
    """
    rng = np.random.default_rng(seed)
    sentences = _plan(clips, rng)
    if count is None:
        return sentences
    if not sentences:
        raise DatasetError(f"a sentence has at least {SHORTEST} words of one speaker, and no speaker has said as many")
    while len(sentences) < count:
        sentences += _plan(clips, rng)
    return sentences[:count]


def _plan(clips: Clips, rng: np.random.Generator) -> list[Sentence]:
    order = rng.permutation(len(clips))
    order = order[np.argsort(clips.speakers[order], kind="stable")]
    speakers = clips.speakers[order]
    sentences = []
    for rows in np.split(order, np.flatnonzero(speakers[1:] != speakers[:-1]) + 1):
        start = 0
        while len(rows) - start >= SHORTEST:
            words = int(rng.integers(SHORTEST, LONGEST + 1))
            if len(rows) - start - words < SHORTEST:  # too few are left for one more
                words = min(len(rows) - start, LONGEST)
            sentences.append(_sentence(clips, rows[start : start + words], rng))
            start += words
    return [sentences[index] for index in rng.permutation(len(sentences))]


def _sentence(clips: Clips, rows: NDArray[np.int64], rng: np.random.Generator) -> Sentence:
    begin, end = (place[rows] for place in clips.ends)
    first = np.maximum(begin - rng.integers(*LEAD, len(rows)), 0)
    last = np.minimum(end + rng.integers(*TRAIL, len(rows)), FRAMES)
    overlap = rng.integers(*OVERLAP, len(rows)) * (rng.random(len(rows)) < OVERLAP_SHARE)
    overlap[0] = 0
    lengths = last - first
    moved = np.cumsum(lengths) - lengths - np.cumsum(overlap) - first
    return Sentence(rows, first, last, overlap, begin + moved, end + moved, " ".join(clips.words[rows]))


def join_features(mel: Floats, sentence: Sentence) -> Floats:
    """Log-mel picture of a sentence, of those of the clips: (clips, 49, 40) -> (frames, 40); powers add."""
    pieces = [mel[row, a:b] for row, a, b in zip(sentence.rows, sentence.first, sentence.last, strict=True)]
    if not sentence.overlap.any():
        return np.concatenate(pieces)
    power = np.zeros((sentence.frames, mel.shape[2]), np.float32)
    for start, piece in zip(sentence.starts, pieces, strict=True):
        power[start : start + len(piece)] += np.exp(2 * piece)
    np.log(power, out=power)
    power /= 2
    return power


def join_audio(audio: ArrayLike, sentence: Sentence) -> NDArray[np.float64]:
    """Samples of a sentence, of those of the clips: (clips, 16000) -> (samples,), which make `sentence.frames` frames.

    Each piece fades in and out within 10 ms, in which it overlaps with its neighbour.
    """
    fade = WINDOW_SAMPLES - STRIDE_SAMPLES
    ramp = (np.arange(fade) + 0.5) / fade
    whole = np.zeros(sentence.frames * STRIDE_SAMPLES + fade)
    for row, a, b, start in zip(sentence.rows, sentence.first, sentence.last, sentence.starts, strict=True):
        piece = np.array(np.asarray(audio)[row, a * STRIDE_SAMPLES : b * STRIDE_SAMPLES + fade], np.float64)
        piece[:fade] *= ramp
        piece[-fade:] *= ramp[::-1]
        whole[start * STRIDE_SAMPLES :][: len(piece)] += piece
    return whole


def training_clips(data: TrainingSet) -> tuple[Clips, Clips]:
    """Clips to train on and clips to validate with, of other speakers.

    Raises
    ------
    DatasetError
        If the data do not tell words and speakers.
    """
    if len(data.names) != len(data.codes):
        raise DatasetError("the features have no array 'name' of FOLDER/SPEAKER_nohash_N.WORD: words are not known")
    words, speakers = _words_and_speakers(data.names)
    mel = np.empty(data.codes.shape, np.float32)
    for start in range(0, len(mel), 4096):  # all at once takes several times the memory
        part = slice(start, start + 4096)
        mel[part] = mfcc_to_mel(data.codes[part] * np.float32(CODE))
    train, validation = (
        Clips(mel[rows], words[rows], speakers[rows], data.synthetic[rows])
        for rows in (~data.validation, data.validation)
    )
    return train, validation


def recorded_clips(root: Path | str, split: Split = "test") -> Clips:
    """Words of one split of a Speech Commands folder or its test archive, with their sound.

    Raises
    ------
    DatasetError
        If the folder is none, or a file's name does not tell word and speaker.
    """
    found = [clip for clip in find_clips(root, split, every_unknown=True) if LABELS[clip.label] != SILENCE]
    words, speakers = _words_and_speakers([clip.name for clip in found])
    audio = np.array([clip.audio() for clip in found], np.float32)
    return _of_audio(audio, words, speakers, False)


def spoken_clips(count: int, split: Split = "test", seed: int = 0) -> Clips:
    """Words of Speech Commands said by a synthesiser's voices, ten of one voice, with their sound.

    Raises
    ------
    SynthesiserError
        If espeak-ng cannot be used.
    """
    words, audio, speakers = [], [], []
    for speaker in range(-(-count // WORDS_OF_A_VOICE)):
        rng = np.random.default_rng([seed, speaker])
        said = [str(word) for word in rng.choice(VOCABULARY, WORDS_OF_A_VOICE, replace=False)]
        sound, voice = read_aloud(said, split, rng)
        words += said
        audio.append(sound)
        speakers += [f"{speaker} {voice}"] * WORDS_OF_A_VOICE
    return _of_audio(np.concatenate(audio)[:count], np.array(words)[:count], np.array(speakers)[:count], True)


def _of_audio(audio: Floats, words: NDArray[np.str_], speakers: NDArray[np.str_], synthetic: bool) -> Clips:
    mel = [mfcc_to_mel(mfcc(audio[start : start + 256])) for start in range(0, len(audio), 256)]
    return Clips(np.concatenate(mel).astype(np.float32), words, speakers, np.full(len(words), synthetic), audio)


def _words_and_speakers(names: Sequence[str] | NDArray[np.str_]) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Of names such as yes/0a7c2a8d_nohash_0.wav, _unknown_/zero_0a7c2a8d_nohash_0.wav.wav, unknown/....zero.jpg."""
    words, speakers = [], []
    for name in names:
        match = _NAME.fullmatch(str(name))
        places = [match[1], match[2], *match[4].split(".")] if match else []
        word = next((place for place in places if place in VOCABULARY), None)
        if match is None or word is None:
            raise DatasetError(f"{name}: expected WORD/SPEAKER_nohash_N.wav with a word of Speech Commands v0.02")
        words.append(word)
        speakers.append(match[3])
    return np.array(words), np.array(speakers)
