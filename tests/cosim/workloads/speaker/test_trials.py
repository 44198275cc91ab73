"""Equal error rates that are known otherwise."""

from itertools import combinations, pairwise
from statistics import NormalDist

import numpy as np
import pytest

from cosim.workloads.speaker.trials import Trials, TrialsError, equal_error_rate, unit_length, voice_of


@pytest.mark.parametrize("apart", [0.5, 2.0, 4.0])
def test_of_two_normal_distributions(apart):
    """The threshold lies midway: the share beyond half of the distance."""
    shares = (np.arange(20_000) + 0.5) / 20_000
    normal = np.array([NormalDist().inv_cdf(share) for share in shares[::10]])
    scores, same = np.concatenate([normal + apart, normal]), np.repeat([True, False], len(normal))
    assert equal_error_rate(scores, same) == pytest.approx(NormalDist().cdf(-apart / 2), abs=1e-3)


def by_search(scores: np.ndarray, same: np.ndarray) -> float:
    """Threshold by threshold: the crossing of the lines that join the shares."""
    points = [
        ((scores[same] < threshold).mean(), (scores[~same] >= threshold).mean())
        for threshold in [*np.unique(scores), np.inf]
    ]
    for (r0, a0), (r1, a1) in pairwise(points):
        if r0 <= a0 and r1 >= a1:
            ends = np.linspace(0, 1, 100_001)
            refused, accepted = r0 + ends * (r1 - r0), a0 + ends * (a1 - a0)
            return float(refused[np.abs(refused - accepted).argmin()])
    raise AssertionError("the lines cross nowhere")


@pytest.mark.parametrize("seed", range(5))
def test_crossing_with_ties(seed):
    rng = np.random.default_rng(seed)
    same = rng.random(40) < 0.4
    scores = np.round(rng.normal(same, 1), 1)
    assert equal_error_rate(scores, same) == pytest.approx(by_search(scores, same), abs=1e-4)


def test_weights_are_repetitions():
    rng = np.random.default_rng(3)
    same, counts = rng.random(60) < 0.5, rng.integers(0, 4, 60)
    scores = rng.normal(same, 1)
    repeated = equal_error_rate(np.repeat(scores, counts), np.repeat(same, counts))
    assert equal_error_rate(scores, same, counts) == pytest.approx(repeated)


def test_perfect_and_reversed():
    same = np.array([True, True, False, False])
    assert equal_error_rate(np.array([2.0, 3.0, 0.0, 1.0]), same) == 0
    assert equal_error_rate(np.array([0.0, 1.0, 2.0, 3.0]), same) == 1
    assert equal_error_rate(np.zeros(4), same) == 0.5


def some_trials(seed: int = 0, recordings: int = 12) -> Trials:
    rng = np.random.default_rng(seed)
    speakers = [str(index % 4) for index in range(recordings)]
    centres = rng.standard_normal((4, 6))
    return Trials(
        unit_length(centres[np.arange(recordings) % 4] + 0.9 * rng.standard_normal((recordings, 6))), speakers
    )


def test_all_pairs():
    trials = some_trials()
    pairs = list(combinations(range(12), 2))
    scores = np.array([trials.voices[a] @ trials.voices[b] for a, b in pairs])
    same = np.array([trials.speakers[a] == trials.speakers[b] for a, b in pairs])
    assert trials.rate == equal_error_rate(scores, same)


def test_interval_holds_the_rate_and_is_of_its_seed():
    trials = some_trials(1, 40)
    low, high = trials.interval(seed=1)
    assert 0 <= low < trials.rate < high <= 1
    assert trials.interval(seed=1) == (low, high) != trials.interval(seed=2)


def test_voice_is_a_direction():
    windows = np.array([[3.0, 0.0], [0.0, 0.1]])
    assert voice_of(windows) == pytest.approx(np.sqrt([0.5, 0.5]))
    assert unit_length(np.zeros((2, 3))).tolist() == np.zeros((2, 3)).tolist()


def test_one_speaker_is_refused():
    with pytest.raises(TrialsError, match="pairs of one speaker and of two"):
        Trials(np.eye(3), ["a", "a", "a"]).rate  # noqa: B018
    with pytest.raises(TrialsError, match="give recordings of more speakers"):
        Trials(np.eye(2), ["a", "b"]).rate  # noqa: B018
