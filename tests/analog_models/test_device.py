"""PCM device: the formulas, written here a second time from their source, and their statistics."""

from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analog_models import Pcm

PCM = Pcm()
CONDUCTANCE = st.floats(0.05, 25.0)


def one(value: float) -> np.ndarray:
    return np.array([value])


def test_drift_is_a_straight_line_in_log_time() -> None:
    ages = 20.0 * 10.0 ** np.arange(6)
    left = [float(PCM.retention(0.06, age)) for age in ages]
    slopes = np.diff(np.log(left)) / np.diff(np.log(ages))
    assert slopes == pytest.approx(-0.06)
    assert PCM.retention(0.06, 20.0) == PCM.retention(0.06, 0.0) == 1


@given(g=CONDUCTANCE, z=st.floats(-4, 4))
def test_drift_exponent_follows_the_fit(g: float, z: float) -> None:
    mean = min(max(-0.0155 * log(g / 25) + 0.0244, 0.049), 0.1)
    sigma = min(max(-0.0125 * log(g / 25) - 0.0059, 0.008), 0.045)
    assert PCM.drift_exponent(one(g), one(z))[0] == pytest.approx(abs(mean + sigma * z))


@given(g=CONDUCTANCE, age=st.floats(1.0, 1e7))
def test_read_noise_follows_the_fit(g: float, age: float) -> None:
    q = min(0.2, 0.0088 / (g / 25) ** 0.65)
    assert PCM.read_sigma_us(one(g), age)[0] == pytest.approx(g * q * sqrt(log((age + 250e-9) / 500e-9)))


def test_a_device_without_conductance_is_silent() -> None:
    assert PCM.read_sigma_us(one(0.0), 3600.0)[0] == 0


@pytest.mark.parametrize("g", [2.0, 10.0, 24.0])
def test_relaxation_has_the_fitted_spread(g: float) -> None:
    z = np.random.default_rng(1).standard_normal(40_000)
    relaxed = PCM.relaxed(np.full(z.size, g), z)
    x = g / 25
    assert relaxed.std() == pytest.approx(0.26348 + 1.9650 * x - 1.1731 * x**2, rel=0.02)
    assert relaxed.mean() == pytest.approx(g, rel=0.01)


@given(g=CONDUCTANCE, width=st.integers(0, 255), z=st.floats(-6, 6))
def test_partial_set_only_raises_and_saturates(g: float, width: int, z: float) -> None:
    after = PCM.after_set(one(g), one(float(width)), one(400.0), one(z))[0]
    assert g <= after <= PCM.g_set_us
    if width == 0:
        assert after == g


@given(g=st.floats(0.0, 20.0), step=st.floats(0.1, 4.0))
def test_a_planned_pulse_reaches_its_goal_on_a_nominal_device(g: float, step: float) -> None:
    width = PCM.planned_width_ns(one(g), one(g + step))
    after = PCM.after_set(one(g), width, one(PCM.set_time_ns), one(0.0))
    assert after[0] == pytest.approx(g + step, rel=0.01)


def test_reset_leaves_a_log_normal_rest() -> None:
    rest = PCM.after_reset(np.random.default_rng(2).standard_normal(20_000))
    assert np.median(rest) == pytest.approx(0.1, rel=0.03)
    assert np.log(rest).std() == pytest.approx(0.5, rel=0.03)
    assert rest.max() < 0.1 * PCM.g_max_us


def test_the_ideal_device_has_no_noise_and_no_drift() -> None:
    ideal = Pcm.ideal()
    g, z = np.linspace(0, 25, 9), np.full(9, 3.0)
    assert np.array_equal(ideal.relaxed(g, z), g)
    assert not ideal.read_sigma_us(g, 1e6).any()
    assert (ideal.retention(ideal.drift_exponent(g, z), 1e9) == 1).all()
    assert not ideal.after_reset(z).any()


def test_impossible_constants_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Pcm\.g_max_us must be positive, got 0"):
        replace(PCM, g_max_us=0.0)
    with pytest.raises(ValueError, match=r"Pcm\.g_set_us must be g_max to 2 g_max"):
        replace(PCM, g_set_us=100.0)
