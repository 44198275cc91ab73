"""PCM device: the formulas, written here a second time from their source, and their statistics."""

from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analog_models import Hermes, PcmLike

PCM = PcmLike()
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
def test_noise_until_a_read_follows_the_fit(g: float, age: float) -> None:
    q = min(0.2, 0.0088 / (g / 25) ** 0.65)
    assert PCM.accumulated_noise(one(g), age)[0] == pytest.approx(q * sqrt(log((age + 250e-9) / 500e-9)))


@given(g=st.floats(0.0, 25.0), pulse=st.integers(1, 511))
def test_noise_within_a_pulse_follows_the_fit(g: float, pulse: int) -> None:
    """aihwkit's slope is taken as it is; its offset, as a share of it, within 3 % of its values."""
    x = np.log10(pulse)
    slope = 0.00021926 * x**4 - 0.00187352 * x**3 + 0.00655714 * x**2 - 0.0146159 * x + 0.02578764
    offset = 1.11906167e-09 * x**4 - 9.08576764e-09 * x**3 + 3.07015063e-08 * x**2 - 6.77079241e-08 * x + 1.17763144e-07
    sigma = PCM.pulse_sigma_us(one(g), pulse)[0]
    assert sigma == pytest.approx(slope * (g + 4.45))
    assert sigma == pytest.approx(slope * g + offset * 1e6, rel=0.03)


def test_without_a_pulse_there_is_no_noise() -> None:
    assert PCM.pulse_sigma_us(one(10.0), 0)[0] == 0
    assert PCM.accumulated_noise(one(10.0), 0.0)[0] == 0


HERMES = Hermes()


@given(x=st.floats(0.001, 1.0), z=st.floats(-4, 4))
def test_hermes_devices_follow_their_fits(x: float, z: float) -> None:
    g = one(10.35 * x)
    mean = -0.0436 * x**2 - 0.0126 * x + 0.0736 if x >= 0.0945 else min(max(-0.0387 * log(x) - 0.0182, 0.0720), 0.13)
    sigma = -0.0165 * x**2 + 0.0116 * x + 0.0104 if x >= 0.3039 else min(max(-0.0120 * log(x) - 0.0023, 0.0124), 0.04)
    assert HERMES.drift_exponent(g, one(z))[0] == pytest.approx(abs(mean + sigma * z))
    high = 0.0664 * x**3 - 0.1352 * x**2 + 0.0768 * x + 0.0088
    q = high if x >= 0.1591 else min(max(-0.0078 * log(x) + 0.0038, 0.0179), 0.04)
    assert HERMES.accumulated_noise(g, 3600.0)[0] == pytest.approx(q * sqrt(log((3600 + 512e-9) / 1024e-9)))
    spread = 0.15781817 + 2.32443916 * x - 2.16310839 * x**2 + 0.68841818 * x**3
    assert HERMES.programming_sigma_us(g)[0] == pytest.approx(spread)
    assert HERMES.retention(mean, 2000.0) == pytest.approx(10**-mean)


@pytest.mark.parametrize("g", [2.0, 10.0, 24.0])
def test_relaxation_has_the_fitted_spread(g: float) -> None:
    z = np.random.default_rng(1).standard_normal(40_000)
    relaxed = PCM.relaxed(np.full(z.size, g), z)
    x = g / 25
    assert relaxed.std() == pytest.approx(0.26348 + 1.9650 * x - 1.1731 * x**2, rel=0.02)
    assert relaxed.mean() == pytest.approx(g, rel=0.01)


def test_the_error_of_tuning_is_part_of_the_fitted_spread() -> None:
    """Devices that the loop left 0.5 uS off, and that relax, have the spread that closed-loop tuning has."""
    rng = np.random.default_rng(1)
    left_by_loop = 12.0 + 0.5 * rng.standard_normal(40_000)
    x = 12 / 25
    relaxed = PCM.relaxed(left_by_loop, rng.standard_normal(40_000), 0.5)
    assert relaxed.std() == pytest.approx(0.26348 + 1.9650 * x - 1.1731 * x**2, rel=0.02)
    assert np.array_equal(PCM.relaxed(left_by_loop, rng.standard_normal(40_000), 5.0), left_by_loop)


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
    ideal = PcmLike.ideal()
    g, z = np.linspace(0, 25, 9), np.full(9, 3.0)
    assert np.array_equal(ideal.relaxed(g, z), g)
    assert not ideal.accumulated_noise(g, 1e6).any()
    assert not ideal.pulse_sigma_us(g, 255).any()
    assert (ideal.retention(ideal.drift_exponent(g, z), 1e9) == 1).all()
    assert not ideal.after_reset(z).any()


def test_stuck_devices_are_as_many_as_asked_for() -> None:
    uniforms = (np.arange(10_000) + 0.5) / 10_000
    stuck = replace(PCM, stuck_reset=0.02, stuck_set=0.01).stuck(uniforms)
    assert ((stuck == -1).sum(), (stuck == 1).sum()) == (200, 100)
    assert not PCM.stuck(uniforms).any()


def test_devices_may_reach_less_than_others() -> None:
    z = np.random.default_rng(0).standard_normal(10_000)
    reach = replace(PCM, reach_spread=0.2).reach_us(z)
    assert reach.max() <= 30
    assert np.median(reach) == pytest.approx(30 * np.exp(-0.2 * 0.6745), rel=0.02)
    assert (PCM.after_set(one(10.0), one(1e6), one(400.0), one(0.0), one(20.0)) == 20).all()
    assert (PCM.after_set(one(25.0), one(1e6), one(400.0), one(0.0), one(20.0)) == 25).all()  # never downwards


def test_impossible_constants_are_refused() -> None:
    with pytest.raises(ValueError, match=r"stuck_reset and Pcm\.stuck_set are shares of all devices, got 0\.6, 0\.5"):
        replace(PCM, stuck_reset=0.6, stuck_set=0.5)
    with pytest.raises(ValueError, match=r"PcmLike\.g_max_us must be a number, 0\.01 to 1000 uS, got 0\.0"):
        replace(PCM, g_max_us=0.0)
    with pytest.raises(ValueError, match=r"Pcm\.g_set_us must be g_max to 2 g_max"):
        replace(PCM, g_set_us=100.0)
