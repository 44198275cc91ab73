"""Device model `pcm`: IBM aihwkit's fit to mushroom cells of an earlier generation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analog_models.constants import constant
from analog_models.device import Pcm

__all__ = ["PcmLike"]

Array = NDArray[np.float64]

_FIT = "aihwkit PCMLikeNoiseModel"


@dataclass(frozen=True)
class PcmLike(Pcm):
    """Statistics of a million mushroom-type cells, used with their own g_max.

    Source
    ------
    IBM aihwkit 1.2.0, inference/noise/pcm.py; Nandakumar et al., ICECS 2019.
    """

    g_max_us: float = constant(25.0, "uS", (0.01, 1e3), f"{_FIT}: g_max; a weight of 1 is this difference")
    fit_g_max_us: float = constant(25.0, "uS", (0.01, 1e3), f"{_FIT}: g_max; the fits are over x = g / 25 uS")

    programming_noise_us: tuple[float, ...] = constant(
        (0.26348, 1.9650, -1.1731), "uS", (-1e3, 1e3), f"{_FIT}: prog_coeff, in powers of x"
    )

    drift_t0_s: float = constant(20.0, "s", (1e-6, 1e6), f"{_FIT}: t_0, age at which a conductance is as programmed")
    nu_mean_slope: float = constant(-0.0155, "1", (-10, 10), f"{_FIT}: nu mean, times ln x")
    nu_mean_offset: float = constant(0.0244, "1", (-10, 10), f"{_FIT}: nu mean at g_max, before clipping")
    nu_mean_low: float = constant(0.049, "1", (0, 1), f"{_FIT}: lower clip of the mean")
    nu_mean_high: float = constant(0.1, "1", (0, 1), f"{_FIT}: upper clip of the mean")
    nu_sigma_slope: float = constant(-0.0125, "1", (-10, 10), f"{_FIT}: nu spread, times ln x")
    nu_sigma_offset: float = constant(-0.0059, "1", (-10, 10), f"{_FIT}: nu spread at g_max, before clipping")
    nu_sigma_low: float = constant(0.008, "1", (0, 1), f"{_FIT}: lower clip of the spread")
    nu_sigma_high: float = constant(0.045, "1", (0, 1), f"{_FIT}: upper clip of the spread")

    read_time_s: float = constant(250e-9, "s", (1e-9, 1), f"{_FIT}: t_read, which is also one 255 ns pulse")
    read_noise_q: float = constant(0.0088, "1", (0, 1), f"{_FIT}: relative 1/f noise at g_max")
    read_noise_exponent: float = constant(0.65, "1", (0, 10), f"{_FIT}: q grows as x^-exponent")
    read_noise_q_high: float = constant(0.2, "1", (0, 1), f"{_FIT}: upper clip of q")

    def nu_mean(self, x: Array) -> Array:
        """``clip(-0.0155 ln x + 0.0244, 0.049, 0.1)``."""
        return np.clip(self.nu_mean_slope * np.log(x) + self.nu_mean_offset, self.nu_mean_low, self.nu_mean_high)

    def nu_sigma(self, x: Array) -> Array:
        """``clip(-0.0125 ln x - 0.0059, 0.008, 0.045)``."""
        return np.clip(self.nu_sigma_slope * np.log(x) + self.nu_sigma_offset, self.nu_sigma_low, self.nu_sigma_high)

    def noise_q(self, x: Array) -> Array:
        """``min(0.2, 0.0088 x^-0.65)``."""
        return np.minimum(self.read_noise_q * x**-self.read_noise_exponent, self.read_noise_q_high)
