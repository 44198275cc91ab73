"""The timing diagram: what it draws is what a run recorded."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from cosim.calibration import CalibratedChip, calibrate
from cosim.engines.twin.engine import TwinEngine
from cosim.figures import Campaign, Measurement, timing
from cosim.workloads.kws.workload import ClipSet, load_clips


class Spoken(Campaign):
    """Few clips, and a chip that is programmed but not calibrated: whether it is does not matter here."""

    @cached_property
    def clips(self) -> ClipSet:
        return load_clips(None, 2, 0)

    def calibrated(self, seed: int, **options: object) -> CalibratedChip:
        return calibrate(self.model.network, self.config, None, seed=seed)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    """On the twin: the RTL gives the same record, and takes longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "RtlEngine", lambda config: TwinEngine())
        return Spoken(tmp_path_factory.mktemp("campaign")).measure(timing.STUDY)[0]


def test_eight_steps_of_300_ns(measured: Measurement) -> None:
    assert measured.numbers["steps"] == [[300 * step, 300 * step + 300] for step in range(8)]
    assert measured.findings[0].value == 2400
    assert measured.numbers["comparator_pulses_replayed"] == 2 * 4 * 512


def test_read_currents_take_some_nanojoules_a_tile_and_phase(measured: Measurement) -> None:
    """A row of 512 cells of 4 uS for 68 ns at 0.3 V draws 42 pC; 256 rows at 1.5 V are 16 nJ."""
    layers = [finding for finding in measured.findings if finding.what.startswith("read currents of layer")]
    assert [finding.unit for finding in layers] == ["nJ"] * 3
    assert 3 < layers[0].value < 30
    assert layers[2].value < layers[1].value < layers[0].value


def test_lanes_show_every_unit_at_work(measured: Measurement) -> None:
    lanes = {lane["unit"]: lane["bars"] for lane in measured.numbers["lanes"]}
    assert list(lanes) == [
        "ILP NW",
        "ILP CW",
        "tile 0, layer0",
        "tile 6, layer0",
        "tile 7, layer1",
        "tile 1, layer2",
        "OLP CW",
        "OLP NE",
        "OLP NW",
    ]
    assert [bar[3] for bar in lanes["ILP NW"]] == ["x+", "x\u2212", "x+", "x\u2212"]
    integrated = [bar[3] for bar in lanes["tile 0, layer0"] if bar[0] == "integrate"]
    assert integrated == ["WP1", "\u2212WP1", "\u2212WP2", "WP2"]
    for bars in lanes.values():
        assert all(0 <= start < stop <= 2400 for _, start, stop, _ in bars)


def test_ramps_cross_the_voltages_where_the_comparators_said(measured: Measurement) -> None:
    """Within the comparators' offset: 4 sigma are 16 mV, a cycle's rise is 3.5 mV at most."""
    seen = 0
    for layer in measured.numbers["layers"]:
        cycles, volts = (measured.arrays[f"{what} {layer['name']}"] for what in ("cycles", "volts"))
        for ramp in layer["ramps"]:
            for number, crossing in enumerate(ramp["crossings"]):
                if ramp["start"] < crossing < ramp["stop"]:
                    seen += 1
                    at = np.searchsorted(cycles, crossing)
                    assert (
                        abs(ramp["from_v"] + ramp["v_per_ns"] * (crossing - ramp["start"]) - volts[at, number]) < 0.02
                    )
    assert seen >= 6


def test_wires_carry_what_was_recorded(measured: Measurement) -> None:
    """A tile's rows get the comparator's pulse from where the window opens; an OLP counts the whole of it."""
    waves = {wave["name"]: wave["spans"] for wave in measured.numbers["waves"]}
    column = measured.numbers["layers"][0]["columns"][0]
    sent, received = waves[f"comparator {column} of tile 6"], waves[f"row {column} of tile 7"]
    assert len(sent) == len(received) == 2
    assert [stop for _, stop in sent] == [stop for _, stop in received]
    assert all(row[0] > pulse[0] for pulse, row in zip(sent, received, strict=True))
    last = measured.numbers["layers"][2]["columns"][0]
    assert waves[f"comparator {last} of tile 1"] == waves[f"OLP lane {last}, counted"]


def test_the_picture_is_drawn_from_the_measurement(measured: Measurement, tmp_path: Path) -> None:
    picture = timing.STUDY.figures[0].draw(measured)
    picture.savefig(tmp_path / "timing.png")
    assert (tmp_path / "timing.png").stat().st_size > 10_000
    assert [text.get_text() for text in picture.axes[0].texts if "step" in text.get_text()] == [
        f"step {number}" for number in range(1, 9)
    ]
