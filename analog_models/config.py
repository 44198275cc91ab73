"""All constants of the analog models in one object: the nominal and the ideal preset, and their JSON form."""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from analog_models.constants import ASSUMPTION, check_constants, constant
from analog_models.device import Pcm
from analog_models.hermes import Hermes
from analog_models.pcm_like import PcmLike
from analog_models.periphery import Periphery
from analog_models.reception import TransportConfig
from analog_models.values import shown, whole_number

__all__ = ["DEVICE_MODELS", "AnalogConfig"]

#: Device models by the name that commands and files have for them.
DEVICE_MODELS: dict[str, type[Pcm]] = {"pcm": PcmLike, "hermes": Hermes}


@dataclass(frozen=True)
class AnalogConfig:
    """The analog models' constants. ``AnalogConfig()`` is the nominal preset, `ideal` the other one.

    The nominal constants were fixed once from device and component figures, before any network ran on them, and hold
    for every workload. There are two models of the devices: what the papers' chip has lies between them, or near.

    >>> from dataclasses import replace
    >>> a_week_later = replace(AnalogConfig(), age_s=7 * 86_400.0)
    """

    pcm: Pcm = field(default_factory=PcmLike, metadata={"model": Pcm})
    periphery: Periphery = field(default_factory=Periphery, metadata={"model": Periphery})
    # Ideal unless asked for, so that a routed code comes back as it was sent; `TransportConfig()` is the modelled one.
    transport: TransportConfig = field(default_factory=TransportConfig.ideal, metadata={"model": TransportConfig})
    age_s: float = constant(3600.0, "s", (0, 1e10), f"{ASSUMPTION}: time from programming to the reads, one hour")
    significance: int = constant(1, "1", (1, 1 << 14), "Nature 620, 768 (2023), Methods: F = 1 adopted")
    resolution_bits: int = constant(
        10,
        "1",
        (1, 20),
        f"{ASSUMPTION}: what a device adds to a column is rounded to g_max / 2^10, 7 nS rms, a hundredth of its error",
    )

    def __post_init__(self) -> None:
        check_constants(self)
        for item in fields(self):
            model = item.metadata.get("model")
            if model is not None and not isinstance(getattr(self, item.name), model):
                expected = f"AnalogConfig.{item.name} must be a {model.__name__}"
                raise ValueError(f"{expected}, got {shown(getattr(self, item.name))}")

    @classmethod
    def nominal(cls, devices: str = "pcm") -> "AnalogConfig":
        """The default constants, with devices of a model of `DEVICE_MODELS`; mirrors are made for their g_max."""
        return cls()._with(_device_model(devices)())

    @classmethod
    def ideal(cls, devices: str = "pcm") -> "AnalogConfig":
        """No noise, mismatch, drift, droop or saturation: a MAC is the dot product, quantised once by the ramp."""
        ideal = cls(
            pcm=PcmLike.ideal(), periphery=Periphery.ideal(), transport=TransportConfig.ideal(), resolution_bits=20
        )
        return ideal._with(_device_model(devices).ideal())

    def _with(self, pcm: Pcm) -> "AnalogConfig":
        """The same with other devices, of which a weight of 1 charges the capacitors as before."""
        ratio = self.periphery.mirror_ratio * (self.pcm.g_max_us / pcm.g_max_us)
        return replace(self, pcm=pcm, periphery=replace(self.periphery, mirror_ratio=ratio))

    @property
    def signal_units(self) -> int:
        """Units of a column's signal in g_max."""
        return 1 << self.resolution_bits

    @property
    def devices(self) -> str:
        """Name of the device model."""
        return next(name for name, model in DEVICE_MODELS.items() if type(self.pcm) is model)

    def origin(self) -> tuple[str, dict[str, Any]]:
        """Name of the preset that the constants come from, and those that were changed since: {"pcm.g_max_us": 20.0}.

        Of both presets it is the one from which fewer constants differ.
        """
        presets = {"nominal": AnalogConfig.nominal(self.devices), "ideal": AnalogConfig.ideal(self.devices)}
        changed = {name: _differences(preset, self) for name, preset in presets.items()}
        name = min(changed, key=lambda name: len(changed[name]))
        return name, changed[name]

    def describe(self) -> str:
        """The same for people, and for ``--analog`` and ``--set``: "nominal", or "nominal, pcm.g_max_us=20.0"."""
        preset, changed = self.origin()
        return ", ".join([preset, *(f"{name}={json.dumps(value)}" for name, value in changed.items())])

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
        capacitors = whole_number(capacitors, "capacitors (a pair's banks together)", 1, 16)
        charge_fc = self.pcm.g_max_us * self.periphery.charge_fc_per_us_ns
        retention = self.pcm.expected_retention(self.age_s) if drifted else 1.0
        return charge_fc * retention / (capacitors * self.periphery.capacitor_ff)

    def volts_per_cycle(self, ramp_slope: int) -> float:
        """Rise of the ramp in one cycle: the voltage of one duration LSB."""
        periphery = self.periphery
        return periphery.ramp_full_v * ramp_slope / (periphery.ramp_full_slope * periphery.ramp_full_ns)

    def to_json(self) -> str:
        """The constants as JSON."""
        return json.dumps({"devices": self.devices, **asdict(self)}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "AnalogConfig":
        """Inverse of `to_json`.

        Raises
        ------
        ValueError
            If a constant is unknown or missing, or out of its range.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            devices = _device_model(values.pop("devices"))
            for item in fields(cls):
                if "model" in item.metadata:
                    model = devices if item.metadata["model"] is Pcm else item.metadata["model"]
                    values[item.name] = _complete(model, values[item.name])
            return _complete(cls, values)
        except (AttributeError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"not a configuration of the analog models: {error}") from error


def _device_model(name: str) -> type[Pcm]:
    if name not in DEVICE_MODELS:
        raise ValueError(f"no device model {name!r}; expected one of {', '.join(DEVICE_MODELS)}")
    return DEVICE_MODELS[name]


def _differences(old: Any, new: Any, prefix: str = "") -> dict[str, Any]:
    """Constants of `new` that are not those of `old`, a dataclass of the same type, by their dotted names."""
    found: dict[str, Any] = {}
    for item in fields(old):
        before, after = getattr(old, item.name), getattr(new, item.name)
        if "model" in item.metadata:
            found |= _differences(before, after, f"{item.name}.")
        elif before != after:
            found[prefix + item.name] = after
    return found


def _complete(model: Any, values: dict[str, Any]) -> Any:
    missing = {item.name for item in fields(model)} - set(values)
    if missing:
        raise ValueError(f"{model.__name__} lacks {', '.join(sorted(missing))}")
    return model(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
