"""The ramp of a signed readout: where it starts and how fast it rises, from the swing of the capacitors."""

from analog_models.config import AnalogConfig
from cosim.compiler.errors import MappingError

__all__ = ["SWING_V", "code_below", "cycles_to_precharge", "signed_ramp"]

#: Nominal swing of the capacitors around the precharge level. Source: Nature 620, 768 (2023), Methods.
SWING_V = 0.45


def code_below(volts: float, analog: AnalogConfig) -> int:
    """Ramp start nearest to `volts` below the precharge level."""
    return round((analog.periphery.precharge_v - volts) / analog.periphery.ramp_lsb_v)


def cycles_to_precharge(start: int, step_v: float, analog: AnalogConfig) -> float:
    """When a ramp that rises `step_v` a cycle passes the precharge level."""
    return (analog.periphery.precharge_v - start * analog.periphery.ramp_lsb_v) / step_v


def signed_ramp(duration: int, analog: AnalogConfig, swing_v: float = SWING_V) -> tuple[int, int]:
    """Ramp start and slope that cover the swing, on both sides, in `duration` ns: or what the steepest ramp reaches.

    Raises
    ------
    MappingError
        If no ramp is that slow.
    """
    cycles = duration / 2
    swing = min(swing_v, 255 * analog.volts_per_cycle(1) * cycles)
    slope = int(swing / cycles / analog.volts_per_cycle(1) + 1e-6)
    if slope < 1:
        raise MappingError(f"a swing of {swing:.3g} V in {cycles:g} ns needs a slower ramp than slope 1")
    return code_below(swing, analog), slope
