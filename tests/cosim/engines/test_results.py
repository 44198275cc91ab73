"""Results: the first difference of two runs, files, parts joined to one run; an engine that is held against another."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.compiler import compile_network
from cosim.engines.checked import CheckedEngine, EngineDifference
from cosim.engines.engine import RunInterrupted
from cosim.engines.results import Results, ResultsError
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine, make_chip
from rtl.config import preset
from tests.damage import flipped

SMALL = preset("small")
FIRST = 40


@pytest.fixture(scope="module")
def work(random_network, random_inputs):
    """(program, chip, inputs) of a network with three layers."""
    program = compile_network(random_network(32, 16, 16, 4), SMALL)
    chip = make_chip(program, AnalogConfig(), seed=3)
    for tile, target in program.targets.items():
        pairs = np.stack([target.wp1, target.wp2])
        g = np.stack([np.maximum(pairs, 0), np.maximum(-pairs, 0)], axis=1).reshape(4, *pairs.shape[1:])
        chip.tile(tile).set_conductances(g * chip.config.pcm.g_max_us)
    return program, chip, random_inputs(10, 32)


@pytest.fixture(scope="module")
def results(work) -> Results:
    return TwinEngine().run(*work, first_frame=FIRST)


def changed(results: Results, *places: tuple[str, int, int]) -> Results:
    """The same results with 1 added to the codes at (output, row, column), as another engine might give them."""
    codes = {name: array.copy() for name, array in results.codes.items()}
    for name, row, column in places:
        codes[name][row, column] ^= 1
    return replace(results, engine="other", codes=codes)


class Faulty:
    """An engine that computes one code wrong, in one frame."""

    def __init__(self, engine: Any, place: tuple[str, int, int]) -> None:
        self.engine, self.place = engine, place

    def run(self, *work: Any, first_frame: int = 0, **rest: Any) -> Results:
        results = self.engine.run(*work, first_frame=first_frame, **rest)
        name, frame, column = self.place
        inside = first_frame <= frame < first_frame + results.frames
        return changed(results, (name, frame - first_frame, column)) if inside else results


# ---- differences


def test_equal_runs_have_no_difference(work, results):
    assert results.difference(TwinEngine(batch=3).run(*work, first_frame=FIRST)) is None


def test_first_difference_is_the_earliest_frame_then_layer_then_column(results):
    other = changed(results, ("layer2", 2, 0), ("layer1", 6, 3), ("layer2", 6, 1), ("layer1", 6, 9))
    text = results.difference(other)
    ours, theirs = results.codes["layer2"][2, 0], results.codes["layer2"][2, 0] ^ 1
    reader = results.layers[2].reader
    assert text == (
        f"frame 42, layer2 (tile {reader}), column 0: {ours} (twin), {theirs} (other); "
        f"4 of {10 * (16 + 16 + 4)} codes differ in all"
    )
    text = results.difference(changed(results, ("layer1", 6, 3), ("layer2", 6, 1), ("layer1", 6, 9)))
    assert text is not None
    assert f"frame 46, layer1 (tile {results.layers[1].reader}), column 3:" in text


def test_difference_names_the_clip(results):
    names = [f"clip_{number}.wav" for number in range(60)]
    text = results.difference(changed(results, ("layer0", 9, 15)), names)
    assert text is not None
    assert text.startswith("clip 'clip_49.wav', frame 49, layer0 (tile ")
    assert "column 15" in text


def test_other_frames_are_a_difference(work, results):
    program, chip, inputs = work
    other = TwinEngine().run(program, chip, inputs[:9], first_frame=FIRST)
    assert results.difference(other) == (
        "not the same outputs: frames 40 to 49 of layer0 16 wide, layer1 16 wide, layer2 4 wide (twin), "
        "frames 40 to 48 of layer0 16 wide, layer1 16 wide, layer2 4 wide (twin)"
    )


# ---- files and parts


def test_file(results, tmp_path):
    results.save(tmp_path / "results.npz")
    loaded = Results.load(tmp_path / "results.npz")
    assert results.difference(loaded) is None
    assert list(loaded.codes) == list(results.codes)
    assert (loaded.engine, loaded.layers, loaded.frame_cycles) == ("twin", results.layers, results.frame_cycles)
    assert loaded.statistics == results.statistics
    assert list(tmp_path.iterdir()) == [tmp_path / "results.npz"]


def test_damage_is_seen(results, tmp_path):
    """Any byte of the file: the codes are those that were written, or there is an error."""
    path = tmp_path / "results.npz"
    results.save(path)
    whole = path.read_bytes()
    with pytest.raises(ResultsError, match=r"results\.npz holds no results, or only part of one"):
        path.write_bytes(whole[: len(whole) // 2]) and Results.load(path)
    refused = 0
    path.write_bytes(whole)
    for _ in flipped(path, bits=[4], step=37):
        try:
            loaded = Results.load(path)
        except ResultsError:
            refused += 1
        else:
            assert results.difference(loaded) is None
    assert refused > 20


def test_parts_make_the_run(work, results):
    program, chip, inputs = work
    engine = TwinEngine()
    parts = [engine.run(program, chip, inputs[a:b], first_frame=FIRST + a) for a, b in ((0, 3), (3, 4), (4, 10))]
    joined = Results.joined(parts)
    assert results.difference(joined) is None
    assert joined.first_frame == FIRST
    assert joined.statistics["frames"] == 10
    assert joined.statistics["wall_s"] == pytest.approx(sum(part.statistics["wall_s"] for part in parts))
    with pytest.raises(ResultsError, match=r"from frame 44 on does not continue one .* up to frame 42"):
        Results.joined([parts[0], parts[2]])
    with pytest.raises(ResultsError, match="no parts"):
        Results.joined([])


def test_rates_of_a_joined_run_are_over_its_time(results):
    slow = replace(results, statistics={"cycles": 100, "wall_s": 10.0, "cycles_per_s": 10.0, "engine": "x"})
    fast = replace(slow, first_frame=50, statistics={"cycles": 300, "wall_s": 2.0, "cycles_per_s": 150.0})
    assert Results.joined([slow, fast]).statistics == {
        "cycles": 400,
        "wall_s": 12.0,
        "cycles_per_s": 400 / 12,
        "engine": "x",
    }


# ---- an engine that is checked


def test_checked_engine_counts_what_agrees(work, results):
    checked = CheckedEngine(TwinEngine(), TwinEngine(batch=1)).run(*work, first_frame=FIRST)
    assert results.difference(checked) is None
    assert checked.statistics["compared_codes"] == results.code_count == 360
    assert checked.statistics["reference_s"] > 0


@pytest.mark.parametrize("faulty_first", [True, False])
def test_checked_engine_names_the_first_wrong_code(work, faulty_first: bool):
    engines = [TwinEngine(), Faulty(TwinEngine(), ("layer1", 44, 7))]
    checked = CheckedEngine(*(engines[::-1] if faulty_first else engines), names=["zero"] * 44 + ["yes/1.wav"])
    with pytest.raises(EngineDifference, match=r"differ: clip 'yes/1\.wav', frame 44, layer1 \(tile \d+\), column 7: "):
        checked.run(*work, first_frame=FIRST)


def test_interrupted_frames_are_not_taken_for_checked(work, results):
    class Interrupted:
        def run(self, *_: Any, **__: Any) -> Results:
            raise RunInterrupted(results)

    with pytest.raises(KeyboardInterrupt) as caught:
        CheckedEngine(Interrupted(), TwinEngine()).run(*work)
    assert not isinstance(caught.value, RunInterrupted)


@pytest.mark.cosimulation
def test_rtl_checked_by_the_twin(work: tuple, results: Results, random_inputs: Callable[..., NDArray]) -> None:
    """The RTL's codes are the twin's; and with one code of the twin turned, the check says so."""
    rtl = RtlEngine(SMALL)
    checked = CheckedEngine(rtl, TwinEngine()).run(*work, first_frame=FIRST)
    assert checked.engine == "rtl"
    assert checked.statistics["cycles"] > 0
    assert results.difference(checked) is None
    with pytest.raises(EngineDifference, match=r"rtl and other differ: frame 45, layer0 \(tile \d+\), column 2: "):
        CheckedEngine(rtl, Faulty(TwinEngine(), ("layer0", 45, 2))).run(*work, first_frame=FIRST)
