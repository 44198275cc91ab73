"""The published layout in small: transcripts, sound files in three formats, and what may be wrong with either."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from cosim.workloads.audio import AudioError
from cosim.workloads.librispeech import (
    LibriSpeechError,
    Utterance,
    drawn,
    find_utterances,
    heard,
    judged_and_others,
)
from cosim.workloads.remarks import Remarks


def add_chapter(split: Path, speaker: int, chapter: int, count: int, suffix: str = "flac") -> Path:
    folder = split / str(speaker) / str(chapter)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(speaker)
    lines = []
    for number in range(count):
        name = f"{speaker}-{chapter}-{number:04d}"
        soundfile.write(folder / f"{name}.{suffix}", 0.1 * rng.standard_normal(4_000), 16_000)
        lines.append(f"{name} WORD {speaker} {number}\n")
    (folder / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines))
    return folder


@pytest.fixture
def split(tmp_path) -> Path:
    split = tmp_path / "LibriSpeech" / "dev-clean"
    add_chapter(split, 84, 121, 3)
    add_chapter(split, 84, 122, 2, "mp3")
    add_chapter(split, 251, 7, 2, "wav")
    return split


def test_utterances_by_name(split):
    utterances = find_utterances(split)
    assert [one.name for one in utterances] == sorted(one.name for one in utterances)
    assert [one.speaker for one in utterances] == ["251"] * 2 + ["84"] * 5
    assert utterances[0].transcript == "WORD 251 0"
    assert {one.path.suffix for one in utterances} == {".flac", ".mp3", ".wav"}
    read = heard(utterances, lambda *both: both)
    assert [one for one, _ in read] == utterances
    assert all(sound.seconds == pytest.approx(0.25, abs=0.1) for _, sound in read)


@pytest.mark.parametrize("above", [1, 2])
def test_a_folder_above_the_split(split, above):
    assert find_utterances(split.parents[above - 1]) == find_utterances(split)


def test_published_format_counts(split):
    soundfile.write(split / "251/7/251-7-0000.flac", np.zeros(4_000), 16_000)
    assert find_utterances(split)[0].path.suffix == ".flac"


def test_missing_and_unreadable_files_are_counted(split):
    (split / "84/121/84-121-0001.flac").unlink()
    (split / "84/121/84-121-0002.flac").write_bytes(b"no sound")
    soundfile.write(split / "251/7/251-7-0009.flac", np.zeros(4_000), 16_000)
    soundfile.write(split / "251/7/251-7-0001.wav", np.zeros(4_000), 16_000)
    remarks = Remarks()
    names = list(heard(find_utterances(split, remarks), lambda one, _: one.name, remarks))
    assert names == ["251-7-0000", "251-7-0001", "84-121-0000", "84-122-0000", "84-122-0001"]
    without, missing, silent, unreadable = remarks.lines()
    assert without == "sound file without a transcript, left out: 1 (251-7-0009.flac)"
    assert missing == "in a transcript but without a sound file, left out: 1 (84-121-0001)"
    assert silent == "without any sound: 1 (251-7-0001)"
    assert unreadable.startswith("cannot be used, left out: 1 (84-121-0002: ")


def test_what_nobody_can_use_is_no_result_of_none(split):
    """Neither the front end nor the reader gives a run without a sample, whose figures would be NaN."""
    remarks = Remarks()
    utterances = find_utterances(split)

    def too_short(_, __):
        raise AudioError("too few samples")

    with pytest.raises(LibriSpeechError, match=r"none of the utterances asked for, 7, can be used; .* too few samples"):
        heard(utterances, too_short, remarks)
    with pytest.raises(LibriSpeechError):
        heard(utterances, too_short, remarks)  # as those that calibrate may be the judged ones
    assert remarks.lines()[0].startswith("cannot be used, left out: 7 (")


def named(*counts: int) -> list[Utterance]:
    """So many utterances of each speaker."""
    return [
        Utterance(f"{speaker}-1-{at:04d}", Path(), "A") for speaker, count in enumerate(counts) for at in range(count)
    ]


def test_speakers_take_turns():
    order = drawn(named(9, 2, 5), 3)
    assert sorted(one.name for one in order) == [one.name for one in named(9, 2, 5)]
    assert [{one.speaker for one in order[at : at + 3]} for at in (0, 3)] == [{"0", "1", "2"}] * 2
    assert {one.speaker for one in order[-4:]} == {"0"}
    assert order == drawn(named(9, 2, 5), 3) != drawn(named(9, 2, 5), 4)


def test_others_are_not_judged():
    remarks = Remarks()
    judged, others = judged_and_others(named(9, 2, 5), 6, 4, 0, remarks)
    more, _ = judged_and_others(named(9, 2, 5), 9, 4, 0, remarks)
    assert judged == sorted(judged, key=lambda one: one.name)
    assert set(judged) < set(more)
    assert (len(judged), len(others), set(judged) & set(others)) == (6, 4, set())
    assert remarks.lines() == ()


def test_where_all_are_judged_some_serve_twice_which_is_said():
    remarks = Remarks()
    judged, others = judged_and_others(named(3, 2), 4, 2, 0, remarks)
    assert len(set(judged) & set(others)) == 1
    (line,) = remarks.lines()
    assert line.startswith("judged, though chips were calibrated with it as well: 1 (")
    judged, others = judged_and_others(named(3, 2), None, 3, 0, Remarks())
    assert (len(judged), len(others)) == (5, 3)
    assert len(judged_and_others(named(2, 1), None, 9, 0, Remarks())[1]) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [("84-121-0007", "is not 84-121-NUMBER and words"), ("85-121-0000 A", "is not 84-121"), ("A B", "is not 84-121")],
)
def test_a_line_that_is_none(split, line, message):
    with (split / "84/121/84-121.trans.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(LibriSpeechError, match=rf"84-121.trans.txt, line 4: .*{message}"):
        find_utterances(split)


def test_refuses_folders_that_are_no_split(split, tmp_path):
    with pytest.raises(LibriSpeechError, match="no such folder; expected a LibriSpeech split"):
        find_utterances(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LibriSpeechError, match="no transcripts"):
        find_utterances(tmp_path / "empty")
    add_chapter(split.parent / "test-clean", 9, 1, 1)
    with pytest.raises(LibriSpeechError, match=r"several splits \(dev-clean, test-clean\)"):
        find_utterances(split.parent)
    for path in split.glob("*/*/*"):
        if not path.name.endswith(".txt"):
            path.unlink()
    with pytest.raises(LibriSpeechError, match="none of its utterances has a sound file"):
        find_utterances(split)
