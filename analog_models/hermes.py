"""Device model `hermes`: IBM aihwkit's fit to the devices of a 14-nm chip, the HERMES project chip."""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

from analog_models.constants import ASSUMPTION, constant
from analog_models.device import Pcm

__all__ = ["Hermes"]

Array = NDArray[np.float64]

_FIT = "aihwkit HermesNoiseModel(num_devices=1)"


@dataclass(frozen=True)
class Hermes(Pcm):
    """Statistics of single devices of a chip in the same technology: less conductance, and more spread of it.

    Every fit is a logarithm below a knee, within limits, and a polynomial from there on.

    Source
    ------
    IBM aihwkit 1.2.0, inference/noise/hermes.py; Le Gallo et al., Nature Electronics 6, 680 (2023).
    """

    g_max_us: float = constant(10.35, "uS", (0.01, 1e3), f"{_FIT}: g_max; a weight of 1 is this difference")
    fit_g_max_us: float = constant(10.35, "uS", (0.01, 1e3), f"{_FIT}: g_max; the fits are over x = g / 10.35 uS")

    programming_noise_us: tuple[float, ...] = constant(
        (0.15781817, 2.32443916, -2.16310839, 0.68841818), "uS", (-1e3, 1e3), f"{_FIT}: prog_coeff, in powers of x"
    )

    drift_t0_s: float = constant(200.0, "s", (1e-6, 1e6), f"{_FIT}: t_0, age at which a conductance is as programmed")
    nu_mean_knee: float = constant(0.0945, "1", (0, 1), f"{_FIT}: nu mean, x of the knee")
    nu_mean_log: tuple[float, ...] = constant(
        (-0.0182, -0.0387), "1", (-10, 10), f"{_FIT}: nu mean below it, in powers of ln x"
    )
    nu_mean_limits: tuple[float, float] = constant((0.072, 0.13), "1", (0, 1), f"{_FIT}: clips of that")
    nu_mean_powers: tuple[float, ...] = constant(
        (0.0736, -0.0126, -0.0436), "1", (-10, 10), f"{_FIT}: nu mean above it, in powers of x"
    )
    nu_sigma_knee: float = constant(0.3039, "1", (0, 1), f"{_FIT}: nu spread, x of the knee")
    nu_sigma_log: tuple[float, ...] = constant(
        (-0.0023, -0.012), "1", (-10, 10), f"{_FIT}: nu spread below it, in powers of ln x"
    )
    nu_sigma_limits: tuple[float, float] = constant((0.0124, 0.04), "1", (0, 1), f"{_FIT}: clips of that")
    nu_sigma_powers: tuple[float, ...] = constant(
        (0.0104, 0.0116, -0.0165), "1", (-10, 10), f"{_FIT}: nu spread above it, in powers of x"
    )

    read_time_s: float = constant(512e-9, "s", (1e-9, 1), f"{_FIT}: t_read")
    pulse_noise_floor: float = constant(
        0.178,
        "1",
        (0, 10),
        f"{ASSUMPTION}: noise within a pulse is that of model pcm over g_max; for HERMES no fit is public",
    )
    noise_q_knee: float = constant(0.1591, "1", (0, 1), f"{_FIT}: relative 1/f noise, x of the knee")
    noise_q_log: tuple[float, ...] = constant(
        (0.0038, -0.0078), "1", (-10, 10), f"{_FIT}: 1/f noise below it, in powers of ln x"
    )
    noise_q_limits: tuple[float, float] = constant((0.0179, 0.04), "1", (0, 1), f"{_FIT}: clips of that")
    noise_q_powers: tuple[float, ...] = constant(
        (0.0088, 0.0768, -0.1352, 0.0664), "1", (-10, 10), f"{_FIT}: 1/f noise above it, in powers of x"
    )

    g_reset_us: float = constant(0.0414, "uS", (0, 1e3), f"{ASSUMPTION}: median after RESET, g_max/250")
    g_set_us: float = constant(12.42, "uS", (0.01, 2e3), f"{ASSUMPTION}: where partial SET pulses saturate, 1.2 g_max")

    def nu_mean(self, x: Array) -> Array:
        """``clip(-0.0387 ln x - 0.0182, 0.072, 0.13)`` below 0.0945, ``-0.0436 x^2 - 0.0126 x + 0.0736`` above."""
        return _pieces(x, self.nu_mean_knee, self.nu_mean_log, self.nu_mean_limits, self.nu_mean_powers)

    def nu_sigma(self, x: Array) -> Array:
        """``clip(-0.012 ln x - 0.0023, 0.0124, 0.04)`` below 0.3039, ``-0.0165 x^2 + 0.0116 x + 0.0104`` above."""
        return _pieces(x, self.nu_sigma_knee, self.nu_sigma_log, self.nu_sigma_limits, self.nu_sigma_powers)

    def noise_q(self, x: Array) -> Array:
        """``clip(-0.0078 ln x + 0.0038, 0.0179, 0.04)`` below 0.1591, a cubic in x above."""
        return _pieces(x, self.noise_q_knee, self.noise_q_log, self.noise_q_limits, self.noise_q_powers)


def _pieces(
    x: Array, knee: float, log: tuple[float, ...], limits: tuple[float, float], powers: tuple[float, ...]
) -> Array:
    return np.where(x < knee, np.clip(polyval(np.log(x), log), limits[0], limits[1]), polyval(x, powers))
