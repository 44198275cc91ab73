"""Receivers of the landing pads: the cycle model, the twin's arithmetic on spans, and the RTL say the same."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analog_models.reception import NO_SLIP, SLIPS, Reception
from cosim.engines.golden.receiver import PadShell
from cosim.engines.twin.pulses import first_pulse, received

LANES, WINDOW = 6, 340


def reception(moves: list[int], slips: list[int], missed: bool) -> Reception:
    padded = [*slips, *[NO_SLIP] * (SLIPS - len(slips))]
    return Reception(np.array([moves], np.int8), np.array([padded], np.int16), missed)


def waveform(edges: list[list[int]], length: int = WINDOW) -> np.ndarray:
    """(length, lanes) bool, toggling at the listed cycles of each lane."""
    wires = np.zeros((length, len(edges)), np.bool_)
    for lane, cycles in enumerate(edges):
        for start, stop in pairwise([*cycles, length]):
            wires[start:stop, lane] = cycles.index(start) % 2 == 0
    return wires


def counted(wires: np.ndarray) -> np.ndarray:
    """High time of each lane up to its first falling edge."""
    held = np.where(wires.any(axis=0), wires.argmax(axis=0), len(wires))
    return np.array([int(np.append(lane[start:], False).argmin()) for lane, start in zip(wires.T, held, strict=True)])


def through_shell(wires: np.ndarray, setting: Reception) -> np.ndarray:
    shell = PadShell(setting)
    return np.array([shell.step(cycle) for cycle in wires])


@pytest.mark.parametrize(("move", "heard"), [(-3, (0, 0, 1, 97)), (0, (2, 3, 4, 100)), (2, (4, 5, 6, 102))])
def test_moves_change_the_length(move: int, heard: tuple[int, ...]) -> None:
    wires = waveform([[10, 12], [10, 13], [10, 14], [10, 110]])
    out = through_shell(wires, reception([move] * 4, [], False))
    assert tuple(out.sum(axis=0)) == heard


@pytest.mark.parametrize(("missed", "change"), [(False, 1), (True, -1)])
def test_slips_count_within_the_pulse_only(missed: bool, change: int) -> None:
    """Slips at samples 5 and 105; sample 0 is cycle 10, where the first lane rises."""
    wires = waveform([[10, 15], [10, 16], [10, 116], [16, 100], []])
    out = through_shell(wires, reception([0] * 5, [5, 105], missed))
    np.testing.assert_array_equal(out.sum(axis=0) - wires.sum(axis=0), [0, change, 2 * change, 0, 0])


@pytest.mark.parametrize(
    ("move", "missed", "late"), [(0, False, 0), (0, True, 3), (-2, False, 2), (-2, True, 5), (2, True, 3)]
)
def test_wires_count_as_low_before_the_window(move: int, missed: bool, late: int) -> None:
    """A wire that is high throughout: what looks back before the window's first cycle sees nothing there."""
    out = through_shell(np.ones((9, 1), np.bool_), reception([move], [], missed))
    assert out[:, 0].tolist() == [False] * late + [True] * (9 - late)


def edge_lists() -> st.SearchStrategy:
    near = st.lists(st.integers(0, 12), max_size=6, unique=True).map(sorted)
    far = st.lists(st.integers(0, WINDOW - 1), max_size=4, unique=True).map(sorted)
    return st.lists(near | far, min_size=LANES, max_size=LANES)


@st.composite
def receptions(draw: st.DrawFn) -> Reception:
    moves = draw(st.lists(st.integers(-3, 3), min_size=LANES, max_size=LANES))
    first, period = draw(st.integers(0, 20)), draw(st.integers(100, 140))
    slips = [first + period * number for number in range(draw(st.integers(0, SLIPS)))]
    return reception(moves, slips, draw(st.booleans()))


@settings(deadline=None)
@given(edges=edge_lists(), setting=receptions(), cuts=st.lists(st.integers(1, WINDOW - 1), max_size=2))
def test_arithmetic_on_spans_is_the_cycle_model(edges: list[list[int]], setting: Reception, cuts: list[int]) -> None:
    """Also where a pulse is cut into spans that touch, as routes that change cut it."""
    wires = waveform(edges)
    expected = counted(through_shell(wires, setting))
    spans = []
    toggles = sorted({*cuts, *(cycle for lane in edges for cycle in lane), 0, WINDOW})
    for start, stop in pairwise(toggles):
        high = wires[start]
        spans.append((np.where(high, start, 0)[None], np.where(high, stop, 0)[None]))
    heard = first_pulse(received(spans, setting, WINDOW))
    np.testing.assert_array_equal(heard[0], expected)
    np.testing.assert_array_equal(first_pulse(spans)[0], counted(wires))
