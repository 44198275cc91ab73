"""Small chips for the tests of the physics."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from analog_models import AnalogChip, AnalogConfig, EventKind, TileControls, TileEvent
from analog_models.crossbar import G_UNITS

settings.register_profile("no-deadline", deadline=None)  # a busy machine is no failure
settings.load_profile("no-deadline")


def make_chip(
    config: AnalogConfig, *, rows: int = 16, bias_rows: int = 8, columns: int = 12, **options: Any
) -> AnalogChip:
    options.setdefault("tiles", [0])
    return AnalogChip(config, rows=rows, bias_rows=bias_rows, columns=columns, **options)


@pytest.fixture
def small() -> Callable[..., AnalogChip]:
    """Makes a chip of 16 + 8 rows and 12 columns."""
    return make_chip


@pytest.fixture
def ideal_with() -> Callable[..., AnalogConfig]:
    """The ideal preset with some of the periphery's constants changed."""
    return lambda **changes: replace(AnalogConfig.ideal(), periphery=replace(AnalogConfig.ideal().periphery, **changes))


@pytest.fixture
def place() -> Callable[..., None]:
    """Puts weights, multiples of 1/G_UNITS, one-sided into a tile."""

    def put(chip: AnalogChip, tile: int, wp1: np.ndarray, wp2: np.ndarray | None = None) -> None:
        wp2 = np.zeros_like(wp1) if wp2 is None else wp2
        g = np.stack([np.maximum(s * w, 0) for w in (wp1, wp2) for s in (1, -1)])
        chip.tile(tile).set_conductances(g * chip.config.pcm.g_max_us)

    return put


@pytest.fixture
def expected_code() -> Callable[..., np.ndarray]:
    """Crossing counts of the ideal preset in exact arithmetic: rounded half up, 0 to 511.

    `mac` counts (weight in G_UNITS) x ns.
    """

    def code(mac: np.ndarray, capacitors: int, start: int = 60, slope: int = 128) -> np.ndarray:
        charge_fc = Fraction(25) * Fraction(3, 10) / 320 / G_UNITS  # per unit of mac
        lsb_mv = Fraction(900 * slope, 255 * 128)
        counts = [
            (750 - 5 * start + charge_fc * int(m) * 1000 / (50 * capacitors)) / lsb_mv + Fraction(1, 2)
            for m in mac.flat
        ]
        return np.array([min(max(c.__floor__(), 0), 511) for c in counts]).reshape(mac.shape)

    return code


@pytest.fixture
def mac_program() -> Callable[..., list[TileEvent]]:
    """Events of precharge, integrations 300 ns apart, and one ramp, for one tile or several in step."""

    def events(
        phases: list[dict[int, tuple[TileControls, np.ndarray]]], ramp: dict[int, TileControls], start: int = 10
    ) -> list[TileEvent]:
        tiles = sorted({tile for phase in phases for tile in phase} | set(ramp))
        out = [TileEvent(tile, EventKind.PRECHARGE, start) for tile in tiles]
        for number, phase in enumerate(phases, 1):
            for tile, (controls, times) in phase.items():
                out.append(TileEvent(tile, EventKind.INTEGRATE, start + 300 * number, controls, times))
        end = start + 300 * len(phases)
        return out + [TileEvent(tile, EventKind.RAMP, end, controls) for tile, controls in ramp.items()]

    return events
