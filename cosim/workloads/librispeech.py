"""LibriSpeech as utterances with transcripts, in its published layout: SPLIT/SPEAKER/CHAPTER/ID.flac and transcripts.

Source: V. Panayotov et al., "LibriSpeech: an ASR corpus based on public domain audio books", ICASSP 2015 (CC BY 4.0).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from cosim.files.errors import UserError
from cosim.workloads.audio import AudioError, Sound, read_sound
from cosim.workloads.remarks import Remarks

__all__ = [
    "LibriSpeechError",
    "Utterance",
    "drawn",
    "find_utterances",
    "heard",
    "judged_and_others",
    "splits_in",
]

T = TypeVar("T")

#: Endings of sound files, the published one first.
SUFFIXES = (".flac", ".wav", ".mp3")
_ID = re.compile(r"(\d+)-(\d+)-\d+")
_LAYOUT = "expected a LibriSpeech split, such as dev-clean, with SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt"


class LibriSpeechError(UserError, ValueError):
    """A folder holds no LibriSpeech split, or a damaged one; the message says what was expected where."""


@dataclass(frozen=True)
class Utterance:
    """One utterance of a reader.

    Members
    -------
    name : str
        SPEAKER-CHAPTER-NUMBER.
    path : Path
    transcript : str
        As published: upper case, no punctuation.
    """

    name: str
    path: Path
    transcript: str

    @property
    def speaker(self) -> str:
        return self.name.partition("-")[0]


def find_utterances(root: Path | str, remarks: Remarks | None = None) -> list[Utterance]:
    """Utterances of a split, by name.

    Parameters
    ----------
    root : Path
        Folder of a split, or one above it that holds one split only.
    remarks : Remarks, optional
        Notes utterances without a sound file, and sound files without a transcript; both are left out.

    Raises
    ------
    LibriSpeechError
        If the folder is missing, holds no or several splits, no utterance, or a line of a transcript is not one.
    """
    split, remarks = _split_of(Path(root)), remarks or Remarks()
    found: dict[str, Utterance] = {}
    for transcripts in sorted(split.glob("*/*/*.trans.txt")):
        listed = dict(_lines_of(transcripts))
        sounds = {path.stem: path for path in _sounds(transcripts.parent)}
        for name in sorted(sounds.keys() - listed.keys()):
            remarks.add("sound file without a transcript, left out", sounds[name].name)
        for name, text in listed.items():
            if name in found:
                raise LibriSpeechError(f"{transcripts}: {name} stands in another list too; unpack the data set again")
            if name in sounds:
                found[name] = Utterance(name, sounds[name], text)
            else:
                remarks.add("in a transcript but without a sound file, left out", name)
    if not found:
        raise LibriSpeechError(f"{split}: none of its utterances has a sound file ({', '.join(SUFFIXES)}); unpack them")
    return [found[name] for name in sorted(found)]


def splits_in(root: Path) -> set[Path]:
    """Folders of splits: `root`, or some in it."""
    return {path.parents[2] for depth in ("", "*/", "*/*/") for path in root.glob(f"{depth}*/*/*.trans.txt")}


def _split_of(root: Path) -> Path:
    if not root.is_dir():
        raise LibriSpeechError(f"{root}: no such folder; {_LAYOUT}")
    splits = splits_in(root)
    if not splits:
        raise LibriSpeechError(f"{root}: no transcripts; {_LAYOUT}")
    if len(splits) > 1:
        names = ", ".join(sorted(str(path.relative_to(root)) for path in splits))
        raise LibriSpeechError(f"{root} holds several splits ({names}); give one of them")
    return splits.pop()


def _sounds(folder: Path) -> Iterator[Path]:
    """Sound files of a chapter; of one utterance in several formats the published one comes last, and counts."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    yield from sorted(paths, key=lambda path: (-SUFFIXES.index(path.suffix.lower()), path.name))


def _lines_of(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LibriSpeechError(f"{path} cannot be read ({error}); unpack the data set again") from None
    chapter = "-".join(path.parts[-3:-1])
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, _, words = line.strip().partition(" ")
        if not _ID.fullmatch(name) or not name.startswith(f"{chapter}-") or not words.strip():
            raise LibriSpeechError(f"{path}, line {number}: {line[:60]!r} is not {chapter}-NUMBER and words after it")
        yield name, words.strip()


def drawn(utterances: Sequence[Utterance], seed: int) -> list[Utterance]:
    """All utterances in a seeded order in which speakers take turns: the first few are of many speakers."""
    shuffled = [utterances[index] for index in np.random.default_rng(seed).permutation(len(utterances))]
    turns: dict[str, int] = {}
    turn = []
    for utterance in shuffled:
        turn.append(turns.setdefault(utterance.speaker, 0))
        turns[utterance.speaker] += 1
    return [shuffled[index] for index in np.argsort(turn, kind="stable")]


def judged_and_others(
    utterances: Sequence[Utterance], count: int | None, others: int, seed: int, remarks: Remarks
) -> tuple[list[Utterance], list[Utterance]]:
    """Utterances to judge by, in the order of their names, and others to choose ranges and calibrate with.

    Parameters
    ----------
    utterances : sequence of Utterance
    count : int, optional
        Judge by this many, the first that `drawn` gives; all of them by default.
    others : int
        How many follow in that order. Where too few are left, the last ones that are judged serve, which is noted.
    seed : int
    remarks : Remarks
    """
    order = drawn(utterances, seed)
    judged = order[:count]
    rest = order[len(judged) : len(judged) + others]
    if shared := order[: len(judged)][-(others - len(rest)) :] if len(rest) < others else []:
        for utterance in shared:
            remarks.add("judged, though chips were calibrated with it as well", utterance.name)
    return sorted(judged, key=lambda one: one.name), [*rest, *shared]


def heard(
    utterances: Sequence[Utterance], hear: Callable[[Utterance, Sound], T], remarks: Remarks | None = None
) -> tuple[T, ...]:
    """What a front end makes of each utterance, in their order.

    Parameters
    ----------
    utterances : sequence of Utterance
    hear : callable (utterance, sound)
        The front end; an `AudioError` of its own is of one utterance.
    remarks : Remarks, optional
        Notes utterances that cannot be used, which are left out, and those without any sound.

    Raises
    ------
    LibriSpeechError
        If none of them can be used.
    """
    remarks = remarks or Remarks()
    found = []
    for utterance in utterances:
        try:
            sound = read_sound(utterance.path)
            found.append(hear(utterance, sound))
        except AudioError as error:
            remarks.add("cannot be used, left out", f"{utterance.name}: {error}")
            problem = error
            continue
        if sound.silent:
            remarks.add("without any sound", utterance.name)
    if utterances and not found:
        raise LibriSpeechError(f"none of the utterances asked for, {len(utterances)}, can be used; the last: {problem}")
    return tuple(found)
