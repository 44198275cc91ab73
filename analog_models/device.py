"""One PCM device: what a pulse does to it, how it relaxes and drifts, how noisy a read is.

All formulas work element by element on arrays of conductances in uS; random numbers come in as standard Gaussians.
Statistics of measured devices are fits over the relative conductance x = g / `Pcm.fit_g_max_us`; which fits is what
device models differ in: `PcmLike` and `Hermes`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import ArrayLike, NDArray

from analog_models.constants import ASSUMPTION, check_constants, constant

__all__ = ["Pcm"]

Array = NDArray[np.float64]

_PULSE_FIT = "aihwkit analog_mvm_irdrop_t.py, _apply_xdep_pcm_read_noise"


@dataclass(frozen=True)
class Pcm(ABC):
    """Constants and formulas that all models of phase-change memory devices have; the defaults are the nominal preset.

    Source
    ------
    Read noise within a pulse: IBM aihwkit 1.2.0, simulator/tiles/analog_mvm_irdrop_t.py. Pulse response: our
    assumption, a saturating partial SET. The rest: the device model's.
    """

    g_max_us: float = constant(25.0, "uS", (0.01, 1e3), f"{ASSUMPTION}: a weight of 1 is this difference")
    fit_g_max_us: float = constant(25.0, "uS", (0.01, 1e3), f"{ASSUMPTION}: conductance that the fits below call 1")

    programming_noise_us: tuple[float, ...] = constant((0.0,), "uS", (-1e3, 1e3), f"{ASSUMPTION}: in powers of x")
    programming_noise_scale: float = constant(1.0, "1", (0, 100), "aihwkit: prog_noise_scale")

    drift_t0_s: float = constant(20.0, "s", (1e-6, 1e6), f"{ASSUMPTION}: age at which a conductance is as programmed")
    drift_scale: float = constant(1.0, "1", (0, 100), "aihwkit: drift_scale")

    read_time_s: float = constant(250e-9, "s", (1e-9, 1), f"{ASSUMPTION}: t_read of the 1/f fit")
    pulse_noise: tuple[float, ...] = constant(
        (0.02578764, -0.0146159, 0.00655714, -0.00187352, 0.00021926),
        "1",
        (-10, 10),
        f"{_PULSE_FIT}: slope, in powers of log10 of the pulse's ns",
    )
    pulse_noise_floor: float = constant(
        0.178,
        "1",
        (0, 10),
        f"{_PULSE_FIT}: offset over slope, 4.42 to 4.57 uS of 25 uS for 1 to 511 ns; taken as one number",
    )
    accumulated_noise_scale: float = constant(
        1.0, "1", (0, 100), "aihwkit: read_noise_scale, of the 1/f noise until a read"
    )
    read_noise_scale: float = constant(
        1.0, "1", (0, 100), "aihwkit: xdep_pcm_read_noise_scale, of the noise within a pulse"
    )

    g_reset_us: float = constant(0.1, "uS", (0, 1e3), f"{ASSUMPTION}: median after RESET, g_max/250")
    reset_spread: float = constant(0.5, "1", (0, 5), f"{ASSUMPTION}: log-normal spread after RESET")
    g_set_us: float = constant(30.0, "uS", (0.01, 2e3), f"{ASSUMPTION}: where partial SET pulses saturate, 1.2 g_max")
    set_time_ns: float = constant(
        400.0, "ns", (0.1, 1e6), f"{ASSUMPTION}: SET time constant; g_max takes three pulses or more"
    )
    set_time_spread: float = constant(0.2, "1", (0, 5), f"{ASSUMPTION}: device-to-device, log-normal")
    set_noise: float = constant(0.15, "1", (0, 10), f"{ASSUMPTION}: pulse-to-pulse, relative to the step")
    crystallise_v: float = constant(
        1.0, "V", (0, 10), f"{ASSUMPTION}: return-line voltage below which a pulse does nothing"
    )
    melt_v: float = constant(
        2.4, "V", (0, 10), f"{ASSUMPTION}: from here a pulse melts; the supply is 3.0 V in programming"
    )
    stuck_reset: float = constant(
        0.0, "1", (0, 1), f"{ASSUMPTION}: share of devices that no pulse raises; swept, not known"
    )
    stuck_set: float = constant(
        0.0, "1", (0, 1), f"{ASSUMPTION}: share of devices that stay at g_set; swept, not known"
    )
    reach_spread: float = constant(
        0.0, "1", (0, 5), f"{ASSUMPTION}: SET pulses end at g_set exp(-|spread z|), z of the device; swept, not known"
    )
    exact_write: bool = constant(False, "1", None, f"{ASSUMPTION}: programming hits its target, for the ideal preset")

    def __post_init__(self) -> None:
        check_constants(self)
        if not self.g_max_us <= self.g_set_us <= 2 * self.g_max_us:
            raise ValueError(f"Pcm.g_set_us must be g_max to 2 g_max ({self.g_max_us} uS), got {self.g_set_us}")
        if not self.g_reset_us <= self.g_set_us:
            raise ValueError(f"Pcm.g_reset_us must be at most g_set ({self.g_set_us} uS), got {self.g_reset_us}")
        if not self.stuck_reset + self.stuck_set <= 1:
            raise ValueError(
                f"Pcm.stuck_reset and Pcm.stuck_set are shares of all devices, got {self.stuck_reset}, {self.stuck_set}"
            )

    @classmethod
    def ideal(cls) -> Self:
        """No noise, no drift, nothing left after RESET, exact programming."""
        return cls(
            programming_noise_scale=0.0,
            drift_scale=0.0,
            accumulated_noise_scale=0.0,
            read_noise_scale=0.0,
            g_reset_us=0.0,
            reset_spread=0.0,
            set_time_spread=0.0,
            set_noise=0.0,
            exact_write=True,
        )

    # Fits, the device model's ---------------------------------------------------------------------------------------

    @abstractmethod
    def nu_mean(self, x: Array) -> Array:
        """Mean drift exponent of devices programmed to `x`."""

    @abstractmethod
    def nu_sigma(self, x: Array) -> Array:
        """Spread of the drift exponent of devices programmed to `x`."""

    @abstractmethod
    def noise_q(self, x: Array) -> Array:
        """Relative 1/f noise of devices programmed to `x`."""

    def relative(self, g_us: ArrayLike) -> Array:
        """x, kept off zero for the logarithms and powers; where the fits end, they stay as they are."""
        return (np.asarray(g_us, np.float64) / self.fit_g_max_us).clip(1e-7, 1.0)

    # What follows from them -----------------------------------------------------------------------------------------

    def programming_sigma_us(self, g_us: Array) -> Array:
        """Spread at `drift_t0_s` of devices that were programmed to `g_us` by closed-loop tuning."""
        x = np.minimum(g_us / self.fit_g_max_us, 1.0)
        return self.programming_noise_scale * np.asarray(polyval(x, self.programming_noise_us), np.float64)

    def relaxed(self, g_us: Array, gaussians: Array, tuned_us: float = 0.0) -> Array:
        """Conductance at `drift_t0_s` of a device that was verified at `g_us`, within 0 to `g_set_us`.

        The fits' spread is that of tuned devices, and the error of tuning is in it: what the loop itself has left,
        `tuned_us` root mean square, is taken off, in squares.
        """
        left_us = np.sqrt(np.maximum(self.programming_sigma_us(g_us) ** 2 - tuned_us**2, 0.0))
        return np.clip(g_us + left_us * gaussians, 0.0, self.g_set_us)

    def drift_exponent(self, g_us: Array, gaussians: Array) -> Array:
        """Drift exponent nu of devices programmed to `g_us`: a Gaussian whose mean and spread depend on g."""
        x = self.relative(g_us)
        return np.abs(self.nu_mean(x) + self.nu_sigma(x) * gaussians) * self.drift_scale

    def retention(self, nu: Array | float, age_s: Array | float) -> Array:
        """Share of the conductance that is left at `age_s` after programming: ``(age / t0)^-nu``, 1 up to t0."""
        return np.exp(-np.asarray(nu) * np.log(np.maximum(np.asarray(age_s) / self.drift_t0_s, 1.0)))

    def expected_retention(self, age_s: float) -> float:
        """Retention of a device at half of g_max with the mean exponent: the common gain loss of a drifted array."""
        nu = self.drift_exponent(np.array(self.g_max_us / 2), np.array(0.0))
        return float(self.retention(nu, age_s))

    def accumulated_noise(self, g_us: ArrayLike, age_s: Array | float) -> Array:
        """Relative spread that 1/f noise has made until `age_s`, of devices programmed to `g_us`; reads share it.

        ``q sqrt(ln((t + t_r) / 2 t_r))``; 0 before the first read could be over, t_r after programming.
        """
        spectrum = np.sqrt(np.log(np.maximum((age_s + self.read_time_s) / (2 * self.read_time_s), 1.0)))
        return self.accumulated_noise_scale * self.noise_q(self.relative(g_us)) * spectrum

    def pulse_variance(self, pulse_ns: ArrayLike) -> Array:
        """Variance in ns**2 that the noise within a pulse adds, if the conductance and `pulse_floor_us` are 1 together.

        ``(t s(t))**2``, a polynomial in log10 t; 0 without a pulse.
        """
        ns = np.asarray(pulse_ns, np.float64)
        slope = polyval(np.log10(np.maximum(ns, 1.0)), self.pulse_noise)
        return (self.read_noise_scale * ns * slope) ** 2

    @property
    def pulse_floor_us(self) -> float:
        """Conductance that noise within a pulse has besides the device's: even an empty cell is read with noise."""
        return self.pulse_noise_floor * self.fit_g_max_us

    def pulse_sigma_us(self, g_us: Array, pulse_ns: ArrayLike) -> Array:
        """Standard deviation of the conductance that one pulse sees: ``s(t) (g + floor)``."""
        ns = np.asarray(pulse_ns, np.float64)
        return np.sqrt(self.pulse_variance(ns)) / np.maximum(ns, 1.0) * (g_us + self.pulse_floor_us)

    # Pulses ---------------------------------------------------------------------------------------------------------

    def after_reset(self, gaussians: Array) -> Array:
        """Conductance after a RESET pulse: log-normal around `g_reset_us`, and at most `g_set_us`."""
        return np.minimum(self.g_reset_us * np.exp(self.reset_spread * gaussians), self.g_set_us)

    def set_time(self, gaussians: Array) -> Array:
        """SET time constant of each device in ns: log-normal around `set_time_ns`, fixed for life."""
        return self.set_time_ns * np.exp(self.set_time_spread * gaussians)

    def stuck(self, uniforms: Array) -> NDArray[np.int64]:
        """Devices that no pulse changes: -1 where they stay RESET, 1 where they stay SET, else 0."""
        return np.where(uniforms < self.stuck_reset, -1, np.where(uniforms > 1 - self.stuck_set, 1, 0))

    def reach_us(self, gaussians: Array) -> Array:
        """Where SET pulses of each device end: `g_set_us`, or less with `reach_spread`."""
        return self.g_set_us * np.exp(-np.abs(self.reach_spread * gaussians))

    def after_set(
        self, g_us: Array, width_ns: Array, set_time_ns: Array, gaussians: Array, reach_us: Array | float | None = None
    ) -> Array:
        """Conductance after a partial SET pulse of `width_ns`.

        ``g + (reach - g)(1 - exp(-width / set_time)) (1 + set_noise z)``, never downwards and not above the reach, by
        default g_set.
        """
        top = np.maximum(self.g_set_us if reach_us is None else reach_us, g_us)
        step = (top - g_us) * -np.expm1(-width_ns / set_time_ns)
        return np.minimum(g_us + step * np.maximum(1 + self.set_noise * gaussians, 0.0), top)

    def planned_width_ns(self, g_us: Array, goal_us: Array) -> Array:
        """Width that brings a device of the nominal SET time from `g_us` to `goal_us`."""
        top = self.g_set_us * 1.001
        return self.set_time_ns * np.log((top - g_us) / (top - np.clip(goal_us, g_us, self.g_set_us)))
