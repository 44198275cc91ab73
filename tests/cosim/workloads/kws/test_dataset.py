"""Both folder layouts, the prepared features, and the official rules for silence and unknown words."""

import os
import wave
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cosim.workloads.audio import read_sound
from cosim.workloads.kws.dataset import (
    CODE,
    LABELS,
    SILENCE,
    UNKNOWN,
    WORDS,
    DatasetError,
    clip_features,
    find_clips,
    load_training_set,
)
from cosim.workloads.kws.features import log_mel, mfcc
from cosim.workloads.kws.workload import load_clips

SPEAKERS = 5


def write_wav(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The data set's layout in small: each word by five speakers; speaker 3 validates, speaker 4 tests."""
    root = tmp_path_factory.mktemp("speech_commands")
    rng = np.random.default_rng(0)
    words = (*WORDS, "bed", "zero")
    for word in words:
        for speaker in range(SPEAKERS):
            write_wav(root / word / f"{speaker:08x}_nohash_0.wav", rng.uniform(-0.1, 0.1, 8_000))
    for speaker, name in ((3, "validation"), (4, "testing")):
        (root / f"{name}_list.txt").write_text("".join(f"{word}/{speaker:08x}_nohash_0.wav\n" for word in words))
    write_wav(root / "_background_noise_" / "hum.wav", rng.uniform(-0.5, 0.5, 40_000))
    return root


def test_splits_share_no_clip(whole):
    splits = {
        split: {clip.path for clip in find_clips(whole, split, every_unknown=True)}
        for split in ("train", "validation", "test")
    }
    assert [len(paths) for paths in splits.values()] == [36, 12, 12]
    assert len(set.union(*splits.values())) == 60


def test_official_shares_of_silence_and_unknown(whole):
    counts = Counter(LABELS[clip.label] for clip in find_clips(whole, "train"))
    assert counts == {**dict.fromkeys(WORDS, 3), SILENCE: 3, UNKNOWN: 3}
    assert find_clips(whole, "train") == find_clips(whole, "train"), "the draw is fixed"


def test_silence_is_cut_from_the_background(whole):
    silence = [clip for clip in find_clips(whole, "train") if LABELS[clip.label] == SILENCE]
    recording = read_sound(whole / "_background_noise_" / "hum.wav").samples
    for clip in silence:
        audio = clip.audio()
        assert audio.shape == (16_000,)
        assert 0 <= clip.volume <= 1
        assert clip.start + 16_000 <= 40_000
        assert clip.name == f"_background_noise_/hum.wav@{clip.start}"
    first = silence[0]
    assert first.audio() == pytest.approx(first.volume * recording[first.start : first.start + 16_000])


def test_features_follow_the_order_of_the_clips(whole):
    clips = find_clips(whole, "test")
    features = np.concatenate(list(clip_features(clips, batch=5)))
    assert features.shape == (len(clips), 49, 40)
    assert features[7] == pytest.approx(mfcc(clips[7].audio()))


def test_training_set_from_a_folder(whole):
    data = load_training_set(whole)
    assert data.codes.shape == (48, 49, 40)
    assert data.validation.sum() == 12
    assert Counter(data.labels[data.validation].tolist()) == {**dict.fromkeys(range(10), 1), LABELS.index(UNKNOWN): 2}
    clips = find_clips(whole, "train", every_unknown=True)
    assert np.abs(data.mfcc(np.array([4]))[0] - mfcc(clips[4].audio())).max() <= 0.51 * CODE
    assert not data.feature_error.any()
    assert data.noise[0].shape == (124, 40)


def test_test_archive(tmp_path):
    for label in LABELS:
        write_wav(tmp_path / label / "b.wav", np.zeros(16_000))
        write_wav(tmp_path / label / "a.wav", np.zeros(16_000))
    clips = find_clips(tmp_path)
    assert [clip.label for clip in clips] == [label for label in range(12) for _ in range(2)]
    assert clips[0].name == "yes/a.wav"
    with pytest.raises(DatasetError, match="it has no train split"):
        find_clips(tmp_path, "train")
    (tmp_path / "go" / "a.wav").unlink()
    (tmp_path / "go" / "b.wav").unlink()
    (tmp_path / "go").rmdir()
    with pytest.raises(DatasetError, match="no go/; the test archive has twelve folders"):
        find_clips(tmp_path)


def test_clear_errors(tmp_path, whole):
    with pytest.raises(DatasetError, match="no such folder"):
        find_clips(tmp_path / "absent")
    with pytest.raises(DatasetError, match=r"no validation_list\.txt, testing_list\.txt, yes/"):
        find_clips(tmp_path)
    with pytest.raises(DatasetError, match="no split 'dev'"):
        find_clips(whole, "dev")
    with pytest.raises(DatasetError, match="npz file of features"):
        load_training_set(tmp_path / "absent.npz")


def test_listed_file_that_is_missing(whole, tmp_path):
    for path in whole.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "testing_list.txt").unlink()
    (tmp_path / "testing_list.txt").write_text("yes/00000004_nohash_0.wav\nyes/ffffffff_nohash_0.wav\n")
    with pytest.raises(DatasetError, match=r"line 2, lists 'yes/ffffffff_nohash_0\.wav', which is not there"):
        find_clips(tmp_path, "test")


@pytest.fixture
def linked(whole, tmp_path) -> Path:
    """The data set with lists and folders that a test may change."""
    for path in whole.iterdir():
        if path.is_dir():
            (tmp_path / path.name).mkdir()
            for file in path.iterdir():
                (tmp_path / path.name / file.name).symlink_to(file)
        else:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"/etc/hostname", "line 13: '/etc/hostname' is not WORD/FILE"),
        (b"yes/../no/00000004_nohash_0.wav", "is not WORD/FILE"),
        (b"../yes/00000004_nohash_0.wav", "is not WORD/FILE"),
        (b"hello", "is not WORD/FILE"),
        (b"yes/00000004_nohash_0.wav", "line 13: 'yes/00000004_nohash_0.wav' stands in line 1 already"),
        (b"yes/00000003_nohash_0.wav", "yes/00000003_nohash_0.wav is in both lists"),
        (b"yes/\xff.wav", r"lists 'yes/\\udcff\.wav', which is not there"),
    ],
)
def test_lists_that_cannot_be_followed(linked, line, message):
    with (linked / "testing_list.txt").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(DatasetError, match=message):
        find_clips(linked, "test")


def test_names_that_are_no_text_and_byte_order_marks(linked):
    name = os.fsdecode(b"\xff\xfe.wav")
    try:
        (linked / "yes" / "00000004_nohash_0.wav").rename(linked / "yes" / name)
    except OSError:
        pytest.skip("the file system holds text only")
    path = linked / "testing_list.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"yes/00000004_nohash_0.wav", b"yes/\xff\xfe.wav"))
    clips = find_clips(linked, "test", every_unknown=True)
    assert len(clips) == 12
    (odd,) = [clip for clip in clips if clip.path.name == name]
    assert odd.audio().any()


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_without_a_class_is_refused(linked, split):
    for name in ("validation", "testing"):
        path = linked / f"{name}_list.txt"
        path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("no/")))
    for file in (linked / "no").iterdir():
        file.unlink()
    with pytest.raises(DatasetError, match=f"no clip of no in its {split} split; expected some of every class"):
        find_clips(linked, split)


@pytest.mark.parametrize("label", LABELS)
def test_an_empty_folder_of_the_archive_is_refused(tmp_path, label):
    for name in LABELS:
        (tmp_path / name).mkdir()
        if name != label:
            (tmp_path / name / "a.wav").touch()
    (tmp_path / label / ".hidden.wav").touch()
    with pytest.raises(DatasetError, match=f"no clip of {label} in its twelve folders; expected some of every class"):
        find_clips(tmp_path)


def test_a_folder_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    for name in LABELS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").touch()
    readable = Path.iterdir

    def denied(path: Path) -> Iterator[Path]:
        if path.name == "stop":
            raise PermissionError(13, "Permission denied", str(path))
        return readable(path)

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(DatasetError, match=r"stop: cannot be read \(Permission denied\)"):
        find_clips(tmp_path)


def test_recordings_of_ones_own(tmp_path):
    """Whatever makes them unlike the data set's clips is done, counted and said."""
    rng = np.random.default_rng(0)
    for label in LABELS:
        write_wav(tmp_path / label / "a.wav", rng.uniform(-0.1, 0.1, 16_000))
    word = np.zeros(32_000)
    word[20_000:26_000] = rng.uniform(-0.5, 0.5, 6_000)
    write_wav(tmp_path / "yes" / "long.WAV", word)
    write_wav(tmp_path / "no" / "short.wav", rng.uniform(-0.1, 0.1, 3))
    write_wav(tmp_path / "up" / "silent.wav", np.zeros(16_000))
    write_wav(tmp_path / SILENCE / "silent.wav", np.zeros(16_000))
    soundfile.write(tmp_path / "go" / "fast.flac", rng.uniform(-0.1, 0.1, 48_000), 48_000)
    soundfile.write(tmp_path / "on" / "packed.mp3", rng.uniform(-0.1, 0.1, 8_000), 16_000)
    (tmp_path / "go" / "notes.txt").touch()
    clips = load_clips(tmp_path)
    assert len(clips) == 12 + 6
    assert sorted(clips.remarks) == [
        "longer than a second, only the loudest is taken: 1 (yes/long.WAV)",
        "passed over, neither of .wav, .flac, .mp3: 1 (go/notes.txt)",
        "resampled from 48,000 to 16,000 Hz: 1 (go/fast.flac)",
        "shorter than 0.1 s, hardly a word: 1 (no/short.wav)",
        "without any sound: 1 (up/silent.wav)",
    ]
    (long,) = [clip for clip in find_clips(tmp_path) if clip.path.suffix == ".WAV"]
    assert np.abs(long.audio()).sum() == pytest.approx(np.abs(word).sum(), rel=1e-3), "the word, all of it"


def test_more_clips_than_there_are(tmp_path):
    for label in LABELS:
        write_wav(tmp_path / label / "a.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 16_000))
    clips = load_clips(tmp_path, 500)
    assert len(clips) == 12
    assert clips.remarks == (f"fewer clips than the 500 that were asked for: 1 (12 in {tmp_path.name})",)
    assert not load_clips(tmp_path, 5).remarks


def prepared(**changes) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.integers(-127, 128, (8, 49, 40)).astype(np.int8),
        "y": np.arange(8, dtype=np.int8),
        "split": np.array([0, 1] * 4, dtype=np.int8),
        "labels": np.array(LABELS[::-1]),
        "noise_logmel_i8": rng.integers(-127, 128, (150, 40)).astype(np.int8),
        "noise_len": np.array([90, 60]),
        "noise_scale": np.float32(0.1),
        "noise_offset": np.float32(-2.0),
        "resid_std": np.full(40, 0.2, np.float32),
    }
    return {name: array for name, array in (arrays | changes).items() if array is not None}


def test_prepared_features(tmp_path):
    arrays = prepared()
    np.savez(tmp_path / "train.npz", **arrays)
    for path in (tmp_path, tmp_path / "train.npz"):
        data = load_training_set(path)
        assert [LABELS[label] for label in data.labels] == list(LABELS[::-1][:8]), (
            "the file's own order of labels counts"
        )
        assert data.validation.tolist() == [False, True] * 4
        assert [len(piece) for piece in data.noise] == [90, 60]
        assert data.noise[1] == pytest.approx(arrays["noise_logmel_i8"][90:] * 0.1 - 2.0, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": None}, "no array 'split'"),
        ({"x": np.zeros((8, 49, 39), np.int8)}, r"array 'x' has shape \(8, 49, 39\); expected \(8, 49, 40\)"),
        ({"x": np.zeros((8, 49, 40))}, "array 'x' holds float64; expected i1"),
        ({"x": np.zeros(8, np.int8)}, "array 'x' has shape"),
        ({"y": np.full(8, 12)}, "array 'y' spans 12 to 12; expected 0 to 11"),
        ({"y": np.full(8, -1)}, "array 'y' spans -1 to -1"),
        ({"y": np.zeros(7, int)}, "array 'y' has shape"),
        ({"y": np.full(8, "yes")}, "array 'y' holds"),
        ({"split": np.full(8, 2)}, "array 'split' spans 2 to 2"),
        ({"labels": np.array(LABELS[:11])}, "array 'labels' has shape"),
        ({"labels": np.array([*LABELS[:11], "yes"])}, "labels are"),
        ({"noise_len": np.array([], int)}, "noise_len sums to 0"),
        ({"noise_len": np.array([151, -1])}, "array 'noise_len' spans -1 to 151"),
        ({"noise_scale": np.float32("nan")}, "array 'noise_scale' has numbers that are not finite"),
        ({"resid_std": np.full(39, 0.2)}, "array 'resid_std' has shape"),
        ({"labels": np.array([*LABELS[:11], "maybe"])}, "labels are"),
        ({"noise_len": np.array([90, 61])}, "noise_len sums to 151"),
    ],
)
def test_bad_prepared_features(tmp_path, changes, message):
    np.savez(tmp_path / "train.npz", **prepared(**changes))
    with pytest.raises(DatasetError, match=message):
        load_training_set(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": np.ones(8, int)}, "no clip to train on"),
        ({"split": np.zeros(8, int)}, "no clip to validate with"),
        ({"noise_len": np.array([], int), "noise_logmel_i8": np.zeros((0, 40), np.int8)}, "no background recording"),
    ],
)
def test_data_that_no_training_can_use(tmp_path, changes, message):
    np.savez(tmp_path / "train.npz", **prepared())
    load_training_set(tmp_path).expect_trainable()
    np.savez(tmp_path / "train.npz", **prepared(**changes))
    with pytest.raises(DatasetError, match=message):
        load_training_set(tmp_path).expect_trainable()


@pytest.mark.parametrize("size", [0, 100, -100])
def test_prepared_features_that_are_cut_short(tmp_path, size):
    np.savez(tmp_path / "train.npz", **prepared())
    (tmp_path / "train.npz").write_bytes((tmp_path / "train.npz").read_bytes()[:size])
    with pytest.raises(DatasetError, match=r"train\.npz holds no features, or only part of one"):
        load_training_set(tmp_path)


def test_background_frames_are_log_mel(whole):
    data = load_training_set(whole)
    with wave.open(str(whole / "_background_noise_" / "hum.wav")) as file:
        samples = np.frombuffer(file.readframes(40_000), "<i2") / 32768
    assert data.noise[0] == pytest.approx(log_mel(samples), abs=1e-4)
