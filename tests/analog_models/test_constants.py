"""Every constant has a unit, a range and a source, and takes no value beyond its range, whichever constant it is."""

from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from analog_models import AnalogConfig, Hermes, PcmLike, Periphery, Programming, TransportConfig
from analog_models.constants import checked

MODELS = (PcmLike, Hermes, Periphery, TransportConfig, AnalogConfig, Programming)
CONSTANTS = [
    pytest.param(model, item, id=f"{model.__name__}.{item.name}")
    for model in MODELS
    for item in fields(model)
    if "unit" in item.metadata
]


@cache
def nominal(model: type) -> Any:
    return model()


def values(model: type, item: Any) -> list[Any]:
    """What the constant must not be."""
    given = getattr(nominal(model), item.name)
    wrong: list[Any] = ["1", None, 1j, [], (), {}, object(), np.array([1.0, 2.0]), b"1"]
    if isinstance(given, bool):
        return [*wrong, 1, 0.0, "true"]
    low, high = item.metadata["limits"]
    beyond = [
        *(float("nan"), float("inf"), float("-inf"), 10**400, -(10**400), True, np.bool_(True)),
        *(low - abs(low) * 1e-9 - 5e-324, low - 1, high + max(abs(high) * 1e-9, 1e-9), high + 1, high * 1e300 + 1e300),
    ]
    if isinstance(given, tuple):
        return [*wrong, given[0], *((*given[1:], value) for value in (*beyond, "1", None))]
    return [*wrong, *beyond, *([1.5, 1.0, np.float64(1)] if isinstance(given, int) else [])]


@pytest.mark.parametrize(("model", "item"), CONSTANTS)
def test_a_constant_out_of_its_range_is_refused(model: type, item: Any) -> None:
    for value in values(model, item):
        with pytest.raises(ValueError, match=rf"\.{item.name}.* must be ") as caught:
            replace(nominal(model), **{item.name: value})
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("model", "item"), CONSTANTS)
def test_a_constant_is_taken_up_to_the_ends_of_its_range(model: type, item: Any) -> None:
    given, limits = getattr(nominal(model), item.name), item.metadata["limits"]
    for value in (False, True, np.bool_(True)) if limits is None else limits:
        asked = (value,) * len(given) if isinstance(given, tuple) else type(given)(value)
        assert checked(model, item, asked) == asked
        assert type(checked(model, item, asked)) is type(given)


@pytest.mark.parametrize(
    "model", [*MODELS, PcmLike.ideal, Hermes.ideal, Periphery.ideal, TransportConfig.ideal, AnalogConfig.ideal]
)
def test_presets_are_within_the_ranges(model: Any) -> None:
    model()


def test_numbers_of_numpy_become_numbers_of_python() -> None:
    config = AnalogConfig(
        age_s=np.float32(60), significance=np.int8(2), pcm=PcmLike(g_max_us=np.int64(20), g_set_us=30)
    )
    assert AnalogConfig.from_json(config.to_json()) == config
    assert [type(value) for value in (config.age_s, config.significance, config.pcm.g_max_us)] == [float, int, float]
    assert type(PcmLike(exact_write=np.bool_(True)).exact_write) is bool
    assert PcmLike(programming_noise_us=[np.float64(1), 2]).programming_noise_us == (1.0, 2.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PcmLike(g_max_us=20.0, g_set_us=41.0), r"Pcm\.g_set_us must be g_max to 2 g_max \(20\.0 uS\)"),
        (lambda: PcmLike(g_reset_us=31.0), r"Pcm\.g_reset_us must be at most g_set \(30\.0 uS\), got 31"),
        (lambda: PcmLike(stuck_reset=0.6, stuck_set=0.5), "shares of all devices"),
        (lambda: Periphery(rail_low_v=0.8), "rail_low_v < precharge_v < rail_high_v must hold"),
        (lambda: TransportConfig(skew_ns=2.0, jitter_ns=1.5), r"skew_ns \+ jitter_ns must be below 3\.5"),
        (lambda: AnalogConfig(pcm=Periphery()), r"AnalogConfig\.pcm must be a Pcm, got Periphery"),
        (lambda: AnalogConfig(transport=None), r"AnalogConfig\.transport must be a TransportConfig, got None"),
        (lambda: Hermes(nu_mean_limits=(0.1,)), r"nu_mean_limits must be a list of 2 numbers, got \(0\.1,\)"),
    ],
)
def test_constants_that_contradict_each_other_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_an_age_that_no_chip_reaches_is_refused() -> None:
    with pytest.raises(ValueError, match=r"age_s must be a number, 0 to 1e\+10 s, got 1e\+30"):
        AnalogConfig(age_s=1e30)
