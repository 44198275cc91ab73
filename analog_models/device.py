"""One PCM device: what a pulse does to it, how it relaxes and drifts, how noisy a read is.

All formulas work element by element on arrays of conductances in uS; random numbers come in as standard Gaussians.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analog_models.constants import ASSUMPTION, constant

__all__ = ["Pcm"]

Array = NDArray[np.float64]

_AIHWKIT = "aihwkit PCMLikeNoiseModel"


@dataclass(frozen=True)
class Pcm:
    """Constants and formulas of a phase-change memory device; the defaults are the nominal preset.

    Source
    ------
    Relaxation after programming, drift and 1/f read noise: IBM aihwkit, inference/noise/pcm.py (a fit to another
    generation of devices, used with its own g_max). Pulse response: our assumption, a saturating partial SET.
    """

    g_max_us: float = constant(25.0, "uS", f"{_AIHWKIT}: g_max; a weight of 1 is this difference")

    programming_noise_0_us: float = constant(0.26348, "uS", f"{_AIHWKIT}: prog_coeff[0]")
    programming_noise_1_us: float = constant(1.9650, "uS", f"{_AIHWKIT}: prog_coeff[1], times g/g_max")
    programming_noise_2_us: float = constant(-1.1731, "uS", f"{_AIHWKIT}: prog_coeff[2], times (g/g_max)^2")
    programming_noise_scale: float = constant(1.0, "1", f"{_AIHWKIT}: prog_noise_scale")

    drift_t0_s: float = constant(20.0, "s", f"{_AIHWKIT}: t_0, age at which a conductance is as programmed")
    nu_mean_slope: float = constant(-0.0155, "1", f"{_AIHWKIT}: nu mean, times ln(g/g_max)")
    nu_mean_offset: float = constant(0.0244, "1", f"{_AIHWKIT}: nu mean at g_max, before clipping")
    nu_mean_low: float = constant(0.049, "1", f"{_AIHWKIT}: lower clip of the mean")
    nu_mean_high: float = constant(0.1, "1", f"{_AIHWKIT}: upper clip of the mean")
    nu_sigma_slope: float = constant(-0.0125, "1", f"{_AIHWKIT}: nu spread, times ln(g/g_max)")
    nu_sigma_offset: float = constant(-0.0059, "1", f"{_AIHWKIT}: nu spread at g_max, before clipping")
    nu_sigma_low: float = constant(0.008, "1", f"{_AIHWKIT}: lower clip of the spread")
    nu_sigma_high: float = constant(0.045, "1", f"{_AIHWKIT}: upper clip of the spread")
    drift_scale: float = constant(1.0, "1", f"{_AIHWKIT}: drift_scale")

    read_noise_q: float = constant(0.0088, "1", f"{_AIHWKIT}: relative 1/f noise at g_max")
    read_noise_exponent: float = constant(0.65, "1", f"{_AIHWKIT}: q grows as (g/g_max)^-exponent")
    read_noise_q_high: float = constant(0.2, "1", f"{_AIHWKIT}: upper clip of q")
    read_time_s: float = constant(250e-9, "s", f"{_AIHWKIT}: t_read, which is also one 255 ns pulse")
    read_noise_scale: float = constant(1.0, "1", f"{_AIHWKIT}: read_noise_scale")

    g_reset_us: float = constant(0.1, "uS", f"{ASSUMPTION}: median after RESET, g_max/250")
    reset_spread: float = constant(0.5, "1", f"{ASSUMPTION}: log-normal spread after RESET")
    g_set_us: float = constant(30.0, "uS", f"{ASSUMPTION}: where partial SET pulses saturate, 1.2 g_max")
    set_time_ns: float = constant(400.0, "ns", f"{ASSUMPTION}: SET time constant; g_max takes three pulses or more")
    set_time_spread: float = constant(0.2, "1", f"{ASSUMPTION}: device-to-device, log-normal")
    set_noise: float = constant(0.15, "1", f"{ASSUMPTION}: pulse-to-pulse, relative to the step")
    crystallise_v: float = constant(1.0, "V", f"{ASSUMPTION}: return-line voltage below which a pulse does nothing")
    melt_v: float = constant(2.4, "V", f"{ASSUMPTION}: from here a pulse melts; the supply is 3.0 V in programming")
    exact_write: bool = constant(False, "1", f"{ASSUMPTION}: programming hits its target, for the ideal preset")

    def __post_init__(self) -> None:
        for name in ("g_max_us", "g_set_us", "drift_t0_s", "read_time_s", "set_time_ns"):
            if not getattr(self, name) > 0:
                raise ValueError(f"Pcm.{name} must be positive, got {getattr(self, name)}")
        if not self.g_max_us <= self.g_set_us <= 2 * self.g_max_us:
            raise ValueError(f"Pcm.g_set_us must be g_max to 2 g_max ({self.g_max_us} uS), got {self.g_set_us}")

    @classmethod
    def ideal(cls) -> "Pcm":
        """No noise, no drift, nothing left after RESET, exact programming."""
        return cls(
            programming_noise_scale=0.0,
            drift_scale=0.0,
            read_noise_scale=0.0,
            g_reset_us=0.0,
            reset_spread=0.0,
            set_time_spread=0.0,
            set_noise=0.0,
            exact_write=True,
        )

    def _relative(self, g_us: Array) -> Array:
        """g/g_max, kept off zero for the logarithms and powers."""
        return np.clip(g_us / self.g_max_us, 1e-7, 1.0)

    def relaxed(self, g_us: Array, gaussians: Array) -> Array:
        """Conductance at `drift_t0_s` of a device that was verified at `g_us`.

        ``g + z (c0 + c1 g/g_max + c2 (g/g_max)^2)``, not below zero and not above `g_set_us`.
        """
        x = np.minimum(g_us / self.g_max_us, 1.0)
        sigma = self.programming_noise_0_us + self.programming_noise_1_us * x + self.programming_noise_2_us * x * x
        return np.clip(g_us + self.programming_noise_scale * sigma * gaussians, 0.0, self.g_set_us)

    def drift_exponent(self, g_us: Array, gaussians: Array) -> Array:
        """Drift exponent nu of devices programmed to `g_us`: a Gaussian whose mean and spread depend on ln g."""
        log = np.log(self._relative(g_us))
        mean = np.clip(self.nu_mean_slope * log + self.nu_mean_offset, self.nu_mean_low, self.nu_mean_high)
        sigma = np.clip(self.nu_sigma_slope * log + self.nu_sigma_offset, self.nu_sigma_low, self.nu_sigma_high)
        return np.abs(mean + sigma * gaussians) * self.drift_scale

    def retention(self, nu: Array | float, age_s: Array | float) -> Array:
        """Share of the conductance that is left at `age_s` after programming: ``(age / t0)^-nu``, 1 up to t0."""
        return np.exp(-np.asarray(nu) * np.log(np.maximum(np.asarray(age_s) / self.drift_t0_s, 1.0)))

    def expected_retention(self, age_s: float) -> float:
        """Retention of a device at half of g_max with the mean exponent: the common gain loss of a drifted array."""
        nu = self.drift_exponent(np.array(self.g_max_us / 2), np.array(0.0))
        return float(self.retention(nu, age_s))

    def read_sigma_us(self, g_us: Array, age_s: Array | float) -> Array:
        """Standard deviation of one read: ``g q sqrt(ln((t + t_r) / 2 t_r))``, q = min(0.2, 0.0088 (g/g_max)^-0.65).

        0 before the first read could be over, t_r after programming.
        """
        q = np.minimum(self.read_noise_q * self._relative(g_us) ** -self.read_noise_exponent, self.read_noise_q_high)
        spectrum = np.sqrt(np.log(np.maximum((age_s + self.read_time_s) / (2 * self.read_time_s), 1.0)))
        return self.read_noise_scale * g_us * q * spectrum

    def after_reset(self, gaussians: Array) -> Array:
        """Conductance after a RESET pulse: log-normal around `g_reset_us`."""
        return self.g_reset_us * np.exp(self.reset_spread * gaussians)

    def set_time(self, gaussians: Array) -> Array:
        """SET time constant of each device in ns: log-normal around `set_time_ns`, fixed for life."""
        return self.set_time_ns * np.exp(self.set_time_spread * gaussians)

    def after_set(self, g_us: Array, width_ns: Array, set_time_ns: Array, gaussians: Array) -> Array:
        """Conductance after a partial SET pulse of `width_ns`.

        ``g + (g_set - g)(1 - exp(-width / set_time)) (1 + set_noise z)``, never downwards and not above g_set.
        """
        step = (self.g_set_us - g_us) * -np.expm1(-width_ns / set_time_ns)
        return np.minimum(g_us + step * np.maximum(1 + self.set_noise * gaussians, 0.0), self.g_set_us)

    def planned_width_ns(self, g_us: Array, goal_us: Array) -> Array:
        """Width that brings a device of the nominal SET time from `g_us` to `goal_us`."""
        top = self.g_set_us * 1.001
        return self.set_time_ns * np.log((top - g_us) / (top - np.clip(goal_us, g_us, self.g_set_us)))
