"""Sessions on the twin: the codes of whole runs in any grouping and order, entries by turns, chips that are shared."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from cosim.engines.session import SessionClosedError
from cosim.engines.twin import TwinEngine, make_chip
from cosim.program import ChipImage, ProgramError
from rtl.config import preset
from tests.cosim.engines.codes import assert_equal

SMALL = preset("small")
FRAMES = 12


@pytest.fixture(scope="module")
def inputs(random_inputs) -> np.ndarray:
    return random_inputs(FRAMES, 16)


@pytest.fixture(scope="module")
def expected(program, chip, inputs) -> dict[str, np.ndarray]:
    return dict(TwinEngine().run(program, chip, inputs, first_frame=40).codes)


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


def test_a_chip_that_was_never_programmed_is_refused(program, inputs) -> None:
    with pytest.raises(ProgramError, match=r"tile 0, .* never been programmed; put the weights in with .*program"):
        TwinEngine().run(program, make_chip(program), inputs)


@pytest.mark.parametrize("first", [-1, 1.5, (1 << 63) - 3, 1 << 64, "0", None])
def test_frames_have_whole_numbers(program, chip, inputs, first) -> None:
    with pytest.raises(ProgramError, match="first_frame must be a whole number"):
        TwinEngine().run(program, chip, inputs, first_frame=first)


def test_numbers_of_numpy_number_frames(program, chip, inputs, expected) -> None:
    assert_equal(TwinEngine(batch=np.int8(5)).run(program, chip, inputs, first_frame=np.uint8(40)).codes, expected)
    with pytest.raises(ValueError, match="batch must be a whole number"):
        TwinEngine(batch=2.5)
