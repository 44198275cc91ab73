"""What makes a MAC inexact, mechanism by mechanism: which constants of the analog models each one consists of."""

from dataclasses import dataclass, replace
from typing import Any

from analog_models.config import AnalogConfig
from analog_models.reception import TransportConfig

__all__ = ["LINEARITY", "MECHANISMS", "TRANSPORT", "Mechanism", "idealised"]


@dataclass(frozen=True)
class Mechanism:
    """One cause of errors.

    Parameters
    ----------
    name : str
    constants : tuple of str
        "model.constant", or "constant", of `AnalogConfig`; the ideal preset's values switch them off.
    needs : tuple of str
        What must be real as well for it to act, and does not disturb without it.
    """

    name: str
    constants: tuple[str, ...]
    needs: tuple[str, ...] = ()

    def without(self, analog: AnalogConfig) -> AnalogConfig:
        """The same chip without it."""
        return _take(analog, self.constants, AnalogConfig.ideal(analog.devices))

    def added_to(self, analog: AnalogConfig, real: AnalogConfig) -> AnalogConfig:
        """The same chip with it, as it is in a real one; wires as modelled, if that one does without."""
        if real.transport == TransportConfig.ideal():
            real = replace(real, transport=TransportConfig())
        return _take(analog, self.constants + self.needs, real)

    def scaled(self, analog: AnalogConfig, factor: float) -> AnalogConfig:
        """The chip with its constants so many times what they are."""
        for path in self.constants:
            analog = _with(analog, path, factor * _constant(analog, path))
        return analog


def _constant(analog: AnalogConfig, path: str) -> Any:
    for name in path.split("."):
        analog = getattr(analog, name)
    return analog


def _with(analog: AnalogConfig, path: str, value: Any) -> AnalogConfig:
    *model, name = path.split(".")
    if not model:
        return replace(analog, **{name: value})
    return replace(analog, **{model[0]: replace(getattr(analog, model[0]), **{name: value})})


def _take(analog: AnalogConfig, constants: tuple[str, ...], source: AnalogConfig) -> AnalogConfig:
    for path in constants:
        analog = _with(analog, path, _constant(source, path))
    return analog


#: What makes a MAC depend on more than each row's own pulse, in proportion.
LINEARITY = (
    Mechanism("IR drop", ("periphery.wire_ohm",)),
    Mechanism("mirrors' compression", ("periphery.compression_per_ua", "periphery.compression_mismatch")),
    Mechanism("mirrors' output resistance", ("periphery.output_per_v",)),
    Mechanism("capacitors' voltage dependence", ("periphery.capacitor_per_v",)),
)

#: Every constant in which the nominal preset is not ideal belongs to one of them.
MECHANISMS = (
    # Without it the weights still go through closed-loop programming, which ends within its tolerance of 1.5 %.
    Mechanism(
        "programming, relaxation",
        (
            "pcm.programming_noise_scale",
            "pcm.g_reset_us",
            "pcm.reset_spread",
            "pcm.set_time_spread",
            "pcm.set_noise",
        ),
        needs=("pcm.exact_write",),
    ),
    Mechanism("drift, one hour", ("pcm.drift_scale",)),
    Mechanism("1/f noise, one hour", ("pcm.accumulated_noise_scale",)),
    Mechanism("noise of a read", ("pcm.read_noise_scale",)),
    Mechanism(
        "column gain, capacitors, G+/G- paths",
        ("periphery.column_gain_sigma", "periphery.capacitor_sigma", "periphery.path_mismatch_sigma"),
    ),
    Mechanism("charge/discharge, offsets", ("periphery.polarity_mismatch_sigma", "periphery.phase_offset_sigma_fc")),
    Mechanism("capacitor's rails", ("periphery.rail_low_v", "periphery.rail_high_v")),
    Mechanism(
        "ramp and comparator",
        ("periphery.comparator_offset_sigma_v", "periphery.comparator_noise_v", "periphery.ramp_bow_ns"),
    ),
    Mechanism("kT/C and shot noise", ("periphery.temperature_k", "periphery.shot_noise")),
    Mechanism("droop", ("periphery.droop_v_per_s", "periphery.droop_spread")),
    *LINEARITY,
    Mechanism("rounding of cells in sums", ("resolution_bits",)),
)

#: Off in the nominal preset.
TRANSPORT = Mechanism("transport", ("transport.skew_ns", "transport.jitter_ns", "transport.rate_mismatch"))


def idealised(analog: AnalogConfig) -> AnalogConfig:
    """The same chip without any of them; changes of constants that disturb nothing, as of `Pcm.g_max_us`, stay."""
    for mechanism in (*MECHANISMS, TRANSPORT):
        analog = _take(analog, mechanism.constants + mechanism.needs, AnalogConfig.ideal(analog.devices))
    return analog
