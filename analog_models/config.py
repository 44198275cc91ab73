"""All constants of the analog models in one object: the nominal and the ideal preset, and their JSON form."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from analog_models.constants import ASSUMPTION, constant
from analog_models.device import Pcm
from analog_models.periphery import Periphery
from analog_models.reception import TransportConfig

__all__ = ["AnalogConfig"]


@dataclass(frozen=True)
class AnalogConfig:
    """The analog models' constants. ``AnalogConfig()`` is the nominal preset, `ideal` the other one.

    The nominal constants were fixed once from device and component figures, before any network ran on them, and hold
    for every workload.

    >>> from dataclasses import replace
    >>> a_week_later = replace(AnalogConfig(), age_s=7 * 86_400.0)
    """

    pcm: Pcm = field(default_factory=Pcm, metadata={"model": Pcm})
    periphery: Periphery = field(default_factory=Periphery, metadata={"model": Periphery})
    # Ideal unless asked for, so that a routed code comes back as it was sent; `TransportConfig()` is the modelled one.
    transport: TransportConfig = field(default_factory=TransportConfig.ideal, metadata={"model": TransportConfig})
    age_s: float = constant(3600.0, "s", f"{ASSUMPTION}: time from programming to the reads, one hour")
    significance: int = constant(1, "1", "Nature 620, 768 (2023), Methods: F = 1 adopted")

    def __post_init__(self) -> None:
        if not self.age_s >= 0:
            raise ValueError(f"AnalogConfig.age_s must not be negative, got {self.age_s}")
        if self.significance < 1:
            raise ValueError(f"AnalogConfig.significance must be a whole number of 1 or more, got {self.significance}")

    @classmethod
    def nominal(cls) -> "AnalogConfig":
        """The default constants."""
        return cls()

    @classmethod
    def ideal(cls) -> "AnalogConfig":
        """No noise, mismatch, drift, droop or saturation: a MAC is the dot product, quantised once by the ramp."""
        return cls(pcm=Pcm.ideal(), periphery=Periphery.ideal(), transport=TransportConfig.ideal())

    def volts_per_weight_ns(self, capacitors: int, *, drifted: bool = True) -> float:
        """Nominal capacitor voltage for a weight of 1 (one pair of devices) read for 1 ns.

        A MAC in units of weight x input of full duration is this times 255; asymmetry balance doubles it; a shared pair
        of tiles counts the capacitors of both.

        Parameters
        ----------
        capacitors : int
            Connected 50 fF capacitors, 1 to 16.
        drifted : bool
            Include the mean drift at `age_s` (0.775 after an hour), as the reads see it.
        """
        if not 1 <= capacitors <= 16:
            raise ValueError(f"capacitors must be 1 to 16 (a pair's banks together), got {capacitors}")
        charge_fc = self.pcm.g_max_us * self.periphery.charge_fc_per_us_ns
        retention = self.pcm.expected_retention(self.age_s) if drifted else 1.0
        return charge_fc * retention / (capacitors * self.periphery.capacitor_ff)

    def volts_per_cycle(self, ramp_slope: int) -> float:
        """Rise of the ramp in one cycle: the voltage of one duration LSB."""
        periphery = self.periphery
        return periphery.ramp_full_v * ramp_slope / (periphery.ramp_full_slope * periphery.ramp_full_ns)

    def to_json(self) -> str:
        """The constants as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "AnalogConfig":
        """Inverse of `to_json`.

        Raises
        ------
        ValueError
            If a constant is unknown or missing.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            for item in fields(cls):
                if "model" in item.metadata:
                    model = item.metadata["model"]
                    values[item.name] = _complete(model, values[item.name])
            return _complete(cls, values)
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a configuration of the analog models: {error}") from error


def _complete(model: Any, values: dict[str, Any]) -> Any:
    missing = {item.name for item in fields(model)} - set(values)
    if missing:
        raise ValueError(f"{model.__name__} lacks {', '.join(sorted(missing))}")
    return model(**values)
