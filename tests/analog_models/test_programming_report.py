"""Figures of programming: over the cells that are in use, for one pair of devices and for two."""

import numpy as np
import pytest

from analog_models import ProgrammingReport


def report_of(*pairs: tuple[int, int, np.ndarray, np.ndarray]) -> ProgrammingReport:
    errors = {(tile, pair): errors.astype(np.float32) for tile, pair, _, errors in pairs}
    targets = {(tile, pair): targets.astype(np.float32) for tile, pair, targets, _ in pairs}
    return ProgrammingReport(errors, targets, dict.fromkeys(errors, 5), unfinished=2)


RNG = np.random.default_rng(0)
#: A matrix of 20 x 6 in a corner of 32 x 16 cells; it has a zero of its own.
TARGETS = np.zeros((32, 16))
TARGETS[:20, :6] = RNG.uniform(-1, 1, (20, 6))
TARGETS[3, 4] = 0
ERRORS = np.full((32, 16), 0.001)
ERRORS[:20, :6] = RNG.normal(0, 0.1, (20, 6))


def test_cells_that_only_fill_the_tile_do_not_count() -> None:
    pairs = report_of((0, 1, TARGETS, ERRORS)).pairs
    errors = ERRORS[:20, :6].astype(np.float32)
    assert len(pairs) == 120
    assert pairs.mean == pytest.approx(np.abs(errors).mean())
    assert pairs.within_20_percent == (np.abs(errors) < 0.2).mean()
    low, high = np.percentile(errors, (1, 99))
    assert pairs.spread_1_to_99 == pytest.approx(high - low)
    reached = TARGETS[:20, :6] + errors
    assert pairs.r_squared == pytest.approx(np.corrcoef(TARGETS[:20, :6].ravel(), reached.ravel())[0, 1] ** 2)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_weight_on_two_pairs_has_their_mean_error(sign: int) -> None:
    other = RNG.normal(0, 0.1, ERRORS.shape)
    report = report_of((0, 1, TARGETS, ERRORS), (0, 2, sign * TARGETS, other))
    together = ((ERRORS + sign * other) / 2)[:20, :6]
    assert len(report.weights) == 120
    assert report.weights.mean == pytest.approx(np.abs(together).mean(), rel=1e-6)
    assert len(report.pairs) == 240
    assert str(report).startswith("240 pairs of devices in use: mean error ")
    assert "; 120 weights on two pairs: mean error " in str(report)
    assert str(report).endswith("; at most 5 pulses, 2 not within tolerance")


def test_pairs_of_different_weights_are_not_joined() -> None:
    report = report_of((0, 1, TARGETS, ERRORS), (0, 2, TARGETS[::-1], ERRORS), (1, 1, TARGETS, ERRORS))
    assert len(report.weights) == 0
    assert len(report.pairs) == 360
    assert "two pairs" not in str(report)


def test_nothing_in_use_has_no_figures() -> None:
    report = report_of((0, 1, np.zeros((4, 4)), np.full((4, 4), 0.01)))
    assert len(report.pairs) == 0
    assert np.isnan([report.pairs.mean, report.pairs.within_20_percent, report.pairs.r_squared]).all()
