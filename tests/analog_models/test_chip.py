"""Chip: order of service, files, messages."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analog_models import (
    DEVICE_MODELS,
    AnalogChip,
    AnalogConfig,
    AnalogFileError,
    EventKind,
    TileControls,
    TileEvent,
    WeightTargets,
    program,
)
from tests.damage import flipped

IDEAL, NOMINAL = AnalogConfig.ideal(), AnalogConfig()
WP1 = TileControls(wp1=True)
X = np.full((1, 24), 80, np.uint16)


def test_events_of_one_cycle_are_served_in_the_documented_order(small: Any, place: Any) -> None:
    chip = small(IDEAL, tiles=[0, 1], pairs={0: 1})
    place(chip, 0, np.full((24, 12), 0.5))
    place(chip, 1, np.full((24, 12), 0.25))
    north, south = replace(WP1, share_south=True), replace(WP1, share_north=True)
    events = [
        TileEvent(0, EventKind.RAMP, 7, WP1),
        TileEvent(1, EventKind.INTEGRATE, 7, south, X),
        TileEvent(0, EventKind.INTEGRATE, 7, north, X),
        TileEvent(0, EventKind.PRECHARGE, 7),
        TileEvent(1, EventKind.PRECHARGE, 7),
    ]
    code = chip.serve(np.array([0]), events)[0]
    volts = 24 * 80 * 0.75 * IDEAL.volts_per_weight_ns(10)
    assert (code == np.floor(127.5 + volts / IDEAL.volts_per_cycle(128) + 0.5)).all()


def test_a_strobe_at_a_time_gives_the_same_as_all_at_once(small: Any, place: Any, mac_program: Any) -> None:
    events = mac_program([{0: (WP1, X)}, {0: (replace(WP1, discharge=True), X)}], {0: WP1})
    codes = []
    for batches in ([events], [[event] for event in events]):
        chip = small(NOMINAL)
        place(chip, 0, np.full((24, 12), 0.5))
        answers = [chip.serve(np.array([3]), batch) for batch in batches]
        codes.append(next(answer[0] for answer in answers if answer))
    assert np.array_equal(*codes)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (TileEvent(0, EventKind.INTEGRATE, 5, WP1), "INTEGRATE event of tile 0 in cycle 5 lacks row_time"),
        (TileEvent(0, EventKind.INTEGRATE, 5, None, X), "INTEGRATE event of tile 0 in cycle 5 lacks controls"),
        (TileEvent(0, EventKind.RAMP, 5), "RAMP event of tile 0 in cycle 5 lacks controls"),
        (TileEvent(-2, EventKind.RAMP, 5, WP1), "tile index must be a whole number, 0 to 65535, got -2"),
        (
            TileEvent(0, EventKind.INTEGRATE, 5, replace(WP1, share_north=True), X),
            "tile 0 shares its capacitors with a northern neighbour that it does not have",
        ),
    ],
)
def test_incomplete_events_are_refused(small: Any, event: TileEvent, message: str) -> None:
    chip = small(IDEAL)
    with pytest.raises(ValueError, match=message):
        chip.serve(np.array([0]), [TileEvent(0, EventKind.PRECHARGE, 1), event])


def test_two_ramps_of_one_tile_need_two_calls(small: Any) -> None:
    ramps = [TileEvent(0, EventKind.RAMP, cycle, WP1) for cycle in (5, 400)]
    with pytest.raises(ValueError, match="tile 0 starts a second ramp in cycle 400"):
        small(IDEAL).serve(np.array([0]), [TileEvent(0, EventKind.PRECHARGE, 1), *ramps])


def test_a_tile_is_in_one_pair_only(small: Any) -> None:
    for pairs in ({0: 1, 1: 2}, {0: 2, 1: 2}):
        with pytest.raises(ValueError, match="in one pair only"):
            small(IDEAL, pairs=pairs)
    with pytest.raises(ValueError, match="rows of a tile must be a whole number, 1 to 16384, got 0"):
        small(IDEAL, rows=0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("capacitors", 9), ("ramp_start", 256), ("ramp_slope", -1), ("capacitors", -1), ("capacitors", 2.5)],
)
def test_controls_have_ranges(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{field} must be a whole number, 0 to .*, got {value}"):
        replace(WP1, **{field: value})  # type: ignore[arg-type]


# Files ------------------------------------------------------------------------------------------------------------

CODES = """
import sys
import numpy as np
from analog_models import AnalogChip, EventKind, TileControls, TileEvent

chip = AnalogChip.load(sys.argv[1])
x = np.random.default_rng(0).integers(0, 256, (4, 24)).astype(np.uint16)
controls = TileControls(wp1=True, capacitors=1)
events = [
    TileEvent(3, EventKind.PRECHARGE, 1),
    TileEvent(3, EventKind.INTEGRATE, 300, controls, x),
    TileEvent(3, EventKind.RAMP, 310, controls),
]
print(chip.serve(np.array([5, 6, 7, 99]), events)[3].tolist())
"""


@pytest.fixture
def saved(small: Any, tmp_path: Path) -> tuple[AnalogChip, Path]:
    chip = small(replace(NOMINAL, age_s=1e5), tiles=[3, 4], pairs={3: 4}, seed=17, chip=2)
    program(chip, {3: WeightTargets.balanced(np.random.default_rng(1).uniform(-1, 1, (24, 12)))})
    path = tmp_path / "chip.npz"
    chip.save(path)
    return chip, path


def test_a_copy_gives_the_same_codes_and_stands_alone(saved: tuple[AnalogChip, Path]) -> None:
    chip, _ = saved
    rows, w = range(16, 24), WeightTargets(wp1=np.full((24, 12), 0.5))
    program(chip, {3: w}, rows=rows, written_s=5e4)
    again = chip.copy()
    assert again.pairs == chip.pairs
    assert again.tile(3).runs == chip.tile(3).runs
    assert np.array_equal(again.tile(3).cells.read_us(), chip.tile(3).cells.read_us())
    before = chip.tile(3).cells.programmed.copy()
    program(again, {3: w}, rows=rows)
    assert np.array_equal(chip.tile(3).cells.programmed, before)


def test_a_saved_chip_gives_the_same_codes_in_another_process(saved: tuple[AnalogChip, Path], capsys: Any) -> None:
    chip, path = saved
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", CODES, str(path)], cwd=root, capture_output=True, text=True, check=True
    )
    x = np.random.default_rng(0).integers(0, 256, (4, 24)).astype(np.uint16)
    controls = TileControls(wp1=True, capacitors=1)
    t, frames = chip.tile(3), np.array([5, 6, 7, 99])
    t.precharge(frames, 1)
    t.integrate(frames, 300, controls, x)
    codes = t.ramp(frames, 310, controls)
    assert np.ptp(codes) > 50
    assert done.stdout.strip() == str(codes.tolist())


def test_a_loaded_chip_is_the_same_chip(saved: tuple[AnalogChip, Path]) -> None:
    chip, path = saved
    again = AnalogChip.load(path)
    assert (again.config, again.pairs, again.used, again.seed, again.chip) == (
        chip.config,
        chip.pairs,
        chip.used,
        chip.seed,
        chip.chip,
    )
    assert np.array_equal(again.tile(3).weights(), chip.tile(3).weights())
    assert not again.tile(4).programmed
    # Programming goes on with fresh random numbers, on both alike.
    first, second = (program(c, {3: WeightTargets(wp1=np.zeros((24, 12)))}) for c in (chip, again))
    assert np.array_equal(first.errors[3, 1], second.errors[3, 1])


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_truncated_file_is_refused_by_name(saved: tuple[AnalogChip, Path], keep: float) -> None:
    _, path = saved
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(AnalogFileError, match=r"chip\.npz does not hold an analog chip"):
        AnalogChip.load(path)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(AnalogFileError, match=r"has format none, this version reads 3; write it anew"):
        AnalogChip.load(path)
    with pytest.raises(FileNotFoundError):
        AnalogChip.load(tmp_path / "nothing.npz")


def test_a_file_of_another_format_is_refused(saved: tuple[AnalogChip, Path]) -> None:
    _, path = saved
    arrays = dict(np.load(path))
    np.savez(path, **(arrays | {"format": np.array(99)}))
    with pytest.raises(AnalogFileError, match="has format 99, this version reads 3"):
        AnalogChip.load(path)
    damaged = arrays["g3"].copy()
    damaged[0, 0, 0] = -1
    np.savez(path, **(arrays | {"g3": damaged}))
    with pytest.raises(AnalogFileError, match="array 'g3' spans -1"):
        AnalogChip.load(path)


@pytest.mark.parametrize("devices", DEVICE_MODELS)
def test_devices_at_the_end_of_their_reach_come_back(tmp_path: Path, devices: str) -> None:
    """1.2 g_max is no whole number of units."""
    config = AnalogConfig.nominal(devices)
    chip = AnalogChip(config, tiles=[0], rows=2, bias_rows=0, columns=2)
    chip.tile(0).set_conductances(np.full((4, 2, 2), config.pcm.g_set_us))
    chip.save(tmp_path / "chip.npz")
    loaded = AnalogChip.load(tmp_path / "chip.npz")
    assert np.array_equal(loaded.tile(0).cells.programmed, chip.tile(0).cells.programmed)
    assert np.array_equal(chip.copy().tile(0).cells.programmed, chip.tile(0).cells.programmed)


def test_a_flipped_bit_of_a_file_is_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "chip.npz"
    chip = AnalogChip(AnalogConfig(), tiles=[0], rows=2, bias_rows=0, columns=2)
    chip.tile(0).set_conductances(np.ones((4, 2, 2)))
    chip.save(path)
    refused = 0
    for _ in flipped(path, bits=[0, 5], step=11):
        try:
            AnalogChip.load(path)
        except AnalogFileError:
            refused += 1
    assert refused > 500


def test_a_frame_belongs_to_the_thread_that_began_it(small: Any) -> None:
    """Events of two frames on one set of capacitors would give wrong codes: they are refused."""
    chip, other = small(NOMINAL), ThreadPoolExecutor(1)
    program(chip, {0: WeightTargets(wp1=np.full((24, 12), 0.5))})
    frames = np.zeros(1, np.int64)
    begin = [TileEvent(0, EventKind.PRECHARGE, 10)]
    end = [TileEvent(0, EventKind.INTEGRATE, 300, WP1, X), TileEvent(0, EventKind.RAMP, 310, WP1)]
    expected = chip.serve(frames, [*begin, *end])[0]
    chip.serve(frames, begin)
    other.submit(chip.serve, frames, begin).result()
    with pytest.raises(RuntimeError, match=r"tile 0: another thread has precharged .* `with chip\.at_work\(\):`"):
        chip.serve(frames, end)
    assert np.array_equal(other.submit(chip.serve, frames, end).result()[0], expected)
    assert np.array_equal(chip.serve(frames, [*begin, *end])[0], expected)


def test_threads_take_turns_with_a_chip(small: Any) -> None:
    chip, pool = small(NOMINAL), ThreadPoolExecutor(4)
    program(chip, {0: WeightTargets(wp1=np.full((24, 12), 0.5))})

    def run(frame: int) -> np.ndarray:
        frames = np.array([frame])
        with chip.at_work():
            chip.serve(frames, [TileEvent(0, EventKind.PRECHARGE, 10)])
            chip.serve(frames, [TileEvent(0, EventKind.INTEGRATE, 300, WP1, X)])
            return chip.serve(frames, [TileEvent(0, EventKind.RAMP, 310, WP1)])[0]

    expected = [run(frame) for frame in range(20)]
    for ours, theirs in zip(expected, pool.map(run, range(20)), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1.5}, r"seed must be a whole number, .* got 1\.5"),
        ({"seed": 1 << 64}, r"seed must be a whole number, 0 to 2\*\*64 - 1"),
        ({"seed": "1"}, "seed must be a whole number"),
        ({"chip": -1}, "chip must be a whole number"),
        ({"rows": 16.0}, "rows of a tile must be a whole number"),
        ({"columns": 10**9}, "columns of a tile must be a whole number"),
        ({"tiles": [0.5]}, "tile index must be a whole number"),
        ({"pairs": {0: 1.0}}, "tile index must be a whole number"),
    ],
)
def test_a_chip_has_whole_numbers(small: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(IDEAL, **options)


def test_numbers_of_numpy_are_numbers_of_a_chip(small: Any, tmp_path: Path) -> None:
    chip = small(IDEAL, seed=np.uint64(7), rows=np.int16(16), tiles=np.arange(2), pairs={np.int64(0): np.int64(1)})
    chip.save(tmp_path / "chip.npz")
    assert AnalogChip.load(tmp_path / "chip.npz").pairs == {0: 1}


@pytest.mark.parametrize("age", [-1.0, float("nan"), float("inf"), 1e30, "1", None])
def test_an_impossible_age_changes_nothing(small: Any, age: Any) -> None:
    chip = small(IDEAL)
    with pytest.raises(ValueError, match=r"age_s must be a number, 0 to 1e\+10 s"):
        chip.set_age(age)
    assert chip.config == IDEAL
