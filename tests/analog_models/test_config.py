"""Constants: every one has unit and source; presets and conversions."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from analog_models import AnalogConfig, Hermes, PcmLike, Periphery, Programming, TransportConfig
from analog_models.__main__ import constants_document

MODELS = (PcmLike, Hermes, Periphery, TransportConfig, AnalogConfig, Programming)


@pytest.mark.parametrize("model", MODELS)
def test_every_constant_has_unit_and_source(model: type) -> None:
    for item in fields(model):
        if "model" not in item.metadata:
            assert item.metadata["unit"], item.name
            assert item.metadata["source"], item.name


CONFIGS = [
    AnalogConfig(),
    AnalogConfig.ideal(),
    AnalogConfig(age_s=1e6, significance=2),
    AnalogConfig.nominal("hermes"),
    AnalogConfig.ideal("hermes"),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_configuration_survives_json(config: AnalogConfig) -> None:
    assert AnalogConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "'devices'"),
        ("[]", "not a configuration"),
        (AnalogConfig().to_json().replace('"pcm",', '"rram",'), "no device model 'rram'; expected one of pcm, hermes"),
        ("nonsense", "Expecting value"),
        (AnalogConfig().to_json().replace('"g_max_us"', '"g_max_ms"'), "PcmLike lacks g_max_us"),
        (AnalogConfig().to_json().replace('"age_s"', '"extra": 1, "age_s"'), "unexpected keyword argument 'extra'"),
    ],
)
def test_other_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnalogConfig.from_json(text)


def test_a_weight_charges_the_capacitors_alike_with_every_device_model() -> None:
    pcm, hermes = AnalogConfig.nominal(), AnalogConfig.nominal("hermes")
    assert pcm == AnalogConfig()
    assert (pcm.devices, hermes.devices) == ("pcm", "hermes")
    one_weight = [config.volts_per_weight_ns(5, drifted=False) for config in (pcm, hermes)]
    assert one_weight[1] == pytest.approx(one_weight[0])
    with pytest.raises(ValueError, match="no device model 'flash'; expected one of pcm, hermes"):
        AnalogConfig.nominal("flash")


def test_the_nominal_conversion_is_the_charge_of_one_device_over_the_bank() -> None:
    config = AnalogConfig()
    by_hand = 25e-6 * 0.3 * 1e-9 / 320 / 250e-15
    assert config.volts_per_weight_ns(5, drifted=False) == pytest.approx(by_hand)
    assert config.volts_per_weight_ns(10) == pytest.approx(by_hand / 2 * (3600 / 20) ** -0.049)
    assert config.volts_per_cycle(128) == pytest.approx(0.9 / 255)
    assert config.volts_per_cycle(64) == pytest.approx(0.45 / 255)
    with pytest.raises(ValueError, match=r"capacitors .* must be a whole number, 1 to 16, got 0"):
        config.volts_per_weight_ns(0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: AnalogConfig(age_s=-1.0),
        lambda: AnalogConfig(age_s=float("nan")),
        lambda: AnalogConfig(significance=0),
        lambda: replace(Periphery(), rail_low_v=0.8),
        lambda: replace(Periphery(), mirror_ratio=0.0),
        lambda: replace(Periphery(), wire_ohm=-0.1),
        lambda: replace(Periphery(), output_per_v=float("nan")),
        lambda: replace(AnalogConfig(), resolution_bits=0),
        lambda: Programming(tolerance=0.0),
    ],
)
def test_impossible_constants_are_refused(make: object) -> None:
    with pytest.raises(ValueError, match="must"):
        make()  # type: ignore[operator]


def test_the_documented_table_is_the_generated_one() -> None:
    # Mend it with: python -m analog_models
    page = (Path(__file__).parents[2] / "docs" / "physics.md").read_text()
    assert constants_document() in page


def test_a_configuration_says_what_was_changed_of_which_preset() -> None:
    assert AnalogConfig.nominal("hermes").origin() == ("nominal", {})
    assert AnalogConfig.ideal().describe() == "ideal"
    other = replace(AnalogConfig(), age_s=7.0, pcm=replace(PcmLike(), g_max_us=20.0, exact_write=True))
    assert other.origin() == ("nominal", {"pcm.g_max_us": 20.0, "pcm.exact_write": True, "age_s": 7.0})
    assert other.describe() == "nominal, pcm.g_max_us=20.0, pcm.exact_write=true, age_s=7.0"
