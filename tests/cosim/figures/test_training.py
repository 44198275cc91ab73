"""The study of noise in training: what it concludes from accuracies, what it draws, and a small run."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cosim.figures import training
from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Measurement, Unavailable
from cosim.figures.training import STUDY, Noise, best_level, draw_accuracy, evaluate
from cosim.workloads.kws.dataset import CODE, LABELS, SILENCE, encode
from cosim.workloads.kws.features import log_mel, mfcc
from cosim.workloads.kws.synthesiser import synthesise
from cosim.workloads.kws.training.recipes import RECIPES

SEEDS = range(3)
SETTINGS = training._FULL.settings
LEVELS = (0.0, 0.01, 0.02, 0.04, 0.08)


def accuracies(*means: float) -> np.ndarray:
    """(levels, seeds): seeds differ by far more than levels, as those of networks do, but alike at every level."""
    return np.array(means)[:, None] + np.array([-2.0, 0.0, 3.0])


def test_plan_has_both_sweeps_the_papers_setting_once_and_no_noise() -> None:
    assert len(SETTINGS) == len(set(SETTINGS)) == 10
    assert SETTINGS.count(Noise(0.02, 0.04)) == SETTINGS.count(Noise(0, 0)) == 1
    assert {noise.activations for noise in SETTINGS if noise.weights == 0.02} == {0, 0.02, 0.04, 0.08, 0.16}
    assert {noise.weights for noise in SETTINGS if noise.activations == 0.04} == set(LEVELS)


def test_levels_are_compared_seed_by_seed() -> None:
    accuracy = accuracies(80, 81, 83, 82, 79)
    accuracy[1] += [4, -4, 4]  # mean 82.3, but better than the best in two seeds of three
    best = best_level(LEVELS, accuracy)
    assert best.level == 0.02
    assert best.by_seed == (0.01, 0.02, 0.01)
    assert best.alike == (0.01,), "the others are behind by as much in every seed, however far the seeds lie apart"


def test_one_seed_tells_nothing_apart() -> None:
    best = best_level(LEVELS, accuracies(80, 81, 83, 82, 79)[:, :1])
    assert best.level == 0.02
    assert best.alike == (0.0, 0.01, 0.04, 0.08)


def made() -> Measurement:
    """Chips are best at weight noise 0.04, activation noise 0.08, and lose 5 points without noise, 1 with."""
    software = np.full((len(SETTINGS), 3), 85.0) + np.arange(3)
    loss = [1.0 if noise.weights or noise.activations else 5.0 for noise in SETTINGS]
    loss[SETTINGS.index(Noise(0.04, 0.04))] = 0.5
    loss[SETTINGS.index(Noise(0.02, 0.08))] = 0.25
    chip = software - np.array(loss)[:, None]
    return evaluate(SETTINGS, software, chip, seeds=SEEDS, plan=training._FULL, data="10 clips", clips=10)


def test_findings_are_those_of_the_accuracies() -> None:
    measurement = made()
    values = {finding.what: finding for finding in measurement.findings}
    best = [finding for finding in measurement.findings if "most accurate" in finding.what]
    assert [(finding.value, finding.paper) for finding in best] == [(0.04, "0.02"), (0.08, "0.04")]
    assert all("apart from it: none" in finding.what for finding in best)
    assert values["software minus chip, trained with no noise"].value == pytest.approx(5)
    assert values["software minus chip, trained with the paper's noise"].value == pytest.approx(1)
    assert values["chip accuracy, trained with the paper's noise"].text == "85.00 % ± 1.00 (84.00 to 86.00)"
    assert values["gain in chip accuracy of the paper's noise over none"].value == pytest.approx(4)
    assert {finding.seeds for finding in measurement.findings} == {"networks and chips 0-2"}
    assert measurement.numbers["best"]["weights"]["level"] == 0.04


@pytest.mark.parametrize("seeds", [1, 3])
def test_picture_shows_the_means_of_both_sweeps(seeds: int) -> None:
    measurement = made()
    for setting in measurement.numbers["settings"]:
        setting.update({key: setting[key][:seeds] for key in ("software_percent", "chip_percent")})
    figure = draw_accuracy(Measurement({**measurement.numbers, "seeds": list(range(seeds))}))
    weights, activations = figure.axes
    for panel, peak, label in ((weights, 3, "0.04"), (activations, 3, "0.08")):
        _, chip = (line for line in panel.get_lines() if len(line.get_xdata()) == 5 and line.get_linestyle() == "-")
        assert np.argmax(chip.get_ydata()) == peak
        assert [tick.get_text() for tick in panel.get_xticklabels()][1 + peak] == label
        (choice,) = (line for line in panel.get_lines() if line.get_label() == "the paper's choice")
        assert choice.get_xdata()[0] == 2
    assert f"{seeds} network" in figure.get_suptitle()
    figure.canvas.draw()


def test_without_clips_to_learn_from_the_study_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="--features"):
        Campaign(tmp_path).measure(STUDY)
    with pytest.raises(Unavailable, match="test archive has no training clips"):
        Campaign(tmp_path / "other", audio=tmp_path).measure(STUDY)


def test_without_torch_the_study_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "cosim.workloads.kws.training.trainer", raising=False)
    features = tmp_path / "train.npz"
    features.write_bytes(b"not looked into")
    with pytest.raises(Unavailable, match=r"training needs PyTorch: .* install"):
        Campaign(tmp_path / "campaign", features=features).measure(STUDY)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """Synthesised clips in the layout of prepared features."""
    audio, labels, _ = synthesise(200, "train")
    spoken = labels != LABELS.index(SILENCE)
    noise = log_mel(0.1 * np.random.default_rng(0).standard_normal(48_000))
    path = tmp_path / "features.npz"
    np.savez(
        path,
        x=encode(mfcc(audio[spoken])),
        y=labels[spoken],
        split=np.arange(spoken.sum()) % 2,
        labels=np.array(LABELS),
        noise_logmel_i8=np.round(noise / CODE).astype(np.int8),
        noise_len=np.array([len(noise)]),
        noise_scale=CODE,
        noise_offset=0.0,
        resid_std=np.zeros(40),
    )
    return path


@pytest.fixture
def small(features: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The features, with a recipe and a plan that suit so few."""
    torch = pytest.importorskip("torch", reason="training needs the extra [train]")

    torch.set_num_threads(1)  # small work: more threads only wait for each other
    monkeypatch.setitem(RECIPES, "paper", replace(RECIPES["paper"], batch=10))
    monkeypatch.setattr(training, "_QUICK", training.Plan((0.02,), (0.04,), 1, 3, 1, 20, 60))
    return features


def test_networks_differ_by_noise_and_seed_alone(tmp_path: Path, small: Path) -> None:
    course = training._Course(small, training._QUICK, Campaign(tmp_path))
    noise, weights = Noise(0.02, 0.04), []
    for given, seed in ((noise, 1), (noise, 1), (Noise(0, 0), 1), (noise, 2)):
        weights.append(course.train(given, seed).network.layers[0].weights)
    first, again, quiet, other = weights
    np.testing.assert_array_equal(first, again)
    alike, unlike = (np.corrcoef(first.ravel(), weight.ravel())[0, 1] for weight in (quiet, other))
    assert 0.9 < alike < 1, "the same first weights, clips and order"
    assert abs(unlike) < 0.5
    calibration, judging = course.clips
    assert (len(calibration), len(judging)) == (20, 60)
    assert not set(calibration.names) & set(judging.names)


@pytest.mark.long
def test_a_small_run(tmp_path: Path, small: Path) -> None:
    said: list[str] = []
    done: list[tuple[int, int]] = []
    campaign = Campaign(
        tmp_path / "out", quick=True, seed=3, features=small, say=said.append, advance=lambda *at: done.append(at)
    )
    measurement, _ = campaign.measure(STUDY)
    assert done == [(1, 2), (2, 2)]
    paper, none = measurement.numbers["settings"]
    assert (paper["weights"], paper["activations"], none["weights"], none["activations"]) == (0.02, 0.04, 0, 0)
    assert paper != {**none, "weights": 0.02, "activations": 0.04}, "noise makes another network"
    for setting in (paper, none):
        for where in ("software_percent", "chip_percent"):
            assert 0 < setting[where][0] <= 100
    assert measurement.numbers["data"] == "60 validation clips of features.npz"
    assert measurement.findings[0].seeds == "network and chip 3"
    assert said[0].startswith("training: weight noise 0.02, activation noise 0.04, seed 3")
