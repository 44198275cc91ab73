import numpy as np
import pytest

from cosim.workloads.resampling import resampled_interval


def test_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    low, high = resampled_interval(lambda rows: float(values[rows].mean()), 400)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_draws_are_of_the_seed():
    values = np.arange(30.0)

    def interval(seed: int) -> tuple[float, float]:
        return resampled_interval(lambda rows: float(values[rows].mean()), 30, seed=seed)

    assert interval(1) == interval(1) != interval(2)


def test_of_equal_samples_nothing_is_uncertain():
    assert resampled_interval(lambda rows: float(np.ones(5)[rows].mean()), 5) == (1, 1)
