"""Sessions on the twin: the codes of whole runs in any grouping and order, entries by turns, chips that are shared."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from analog_models.chip import AnalogChip
from analog_models.programming import program as program_weights
from cosim.compiler import compile_network
from cosim.engines.session import SessionClosedError
from cosim.engines.twin import TwinEngine, make_chip
from cosim.program import ChipImage, Program, ProgramError
from rtl.config import preset

SMALL = preset("small")
FRAMES = 12


@pytest.fixture(scope="module")
def program(random_network) -> Program:
    return compile_network(random_network(16, 8, 4), SMALL)


@pytest.fixture(scope="module")
def chip(program: Program) -> AnalogChip:
    chip = make_chip(program, seed=5)
    program_weights(chip, program.targets)
    return chip


@pytest.fixture(scope="module")
def inputs(random_inputs) -> np.ndarray:
    return random_inputs(FRAMES, 16)


@pytest.fixture(scope="module")
def expected(program, chip, inputs) -> dict[str, np.ndarray]:
    return dict(TwinEngine().run(program, chip, inputs, first_frame=40).codes)


def assert_equal(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], rows=slice(None)) -> None:
    assert ours.keys() == theirs.keys()
    for name, codes in ours.items():
        np.testing.assert_array_equal(codes, theirs[name][rows], name)


@pytest.mark.parametrize("batch", [1, 5, 256])
def test_frames_in_any_grouping_and_order(program, chip, inputs, expected, batch: int) -> None:
    numbers = 40 + np.arange(FRAMES)
    with TwinEngine(batch=batch).open(program, chip) as session:
        assert_equal(session.run("main", inputs, numbers), expected)
        for i in range(FRAMES):
            assert_equal(session.run("main", inputs[i : i + 1], [40 + i]), expected, slice(i, i + 1))
        order = np.random.default_rng(2).permutation(FRAMES)
        assert_equal(session.run("main", inputs[order], numbers[order]), expected, order)
        assert session.run("main", inputs[:0], [])["layer1"].shape == (0, 4)
        assert session.statistics["frames"] == 3 * FRAMES


def test_entries_take_turns(program, chip, inputs, expected) -> None:
    image = ChipImage({"all": program, "last": replace(program, outputs=program.outputs[-1:])})
    with TwinEngine().open(image, chip) as session:
        for number in range(FRAMES):
            codes = session.run(("all", "last")[number % 2], inputs[number : number + 1], [40 + number])
            assert_equal(codes, {name: expected[name] for name in codes}, slice(number, number + 1))


def test_threads_that_share_a_chip_take_turns(program, chip, inputs, expected) -> None:
    sessions = [TwinEngine(batch=1).open(program, chip) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for run in [pool.submit(one.run, "main", inputs, 40 + np.arange(FRAMES)) for one in sessions]:
            assert_equal(run.result(), expected)


def test_what_cannot_be_run_is_refused(program, chip, inputs) -> None:
    with TwinEngine().open(program, chip) as session:
        for entry, codes, frames, message in (
            ("second", inputs, np.arange(FRAMES), "no entry 'second'; it has main"),
            ("main", inputs[:, :3], np.arange(FRAMES), "expected inputs of shape"),
            ("main", inputs, np.arange(2), "expected 12 frame numbers"),
            ("main", inputs, np.arange(FRAMES) / 2, "whole number"),
            ("main", inputs, np.arange(FRAMES) - 1, "frame numbers must be 0"),
        ):
            with pytest.raises(ProgramError, match=message):
                session.run(entry, codes, frames)
    with pytest.raises(SessionClosedError, match="closed"):
        session.run("main", inputs[:1], [0])
    session.close()
