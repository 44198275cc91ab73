"""Products of whole numbers: exact in float32 and float64, whatever is summed up first."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analog_models.products import EXACT, Whole, product


def factors(seed: int, scale: int, rows: int, length: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 1023, (rows, length)).astype(np.float32)
    return left, rng.integers(-scale, scale + 1, (length, columns)).astype(np.float64)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1000),
    scale=st.sampled_from([1, 300, 3000, 10**6, 10**8]),
    rows=st.sampled_from([0, 1, 2, 3, 40]),
    length=st.sampled_from([1, 7, 8, 9, 130, 548]),
)
def test_products_are_those_of_unbounded_integers(seed: int, scale: int, rows: int, length: int) -> None:
    left, right = factors(seed, scale, rows, length, 5)
    found = product(Whole(left, axis=1), Whole(right, axis=0), 4)
    assert np.array_equal(found, left.astype(np.int64) @ right.astype(np.int64)[:, :4])


def test_what_float32_cannot_hold_is_kept_in_float64() -> None:
    assert Whole(np.array([[1.0, EXACT - 1]]), axis=1).values.dtype == np.float32
    assert Whole(np.array([[1.0, EXACT]]), axis=1).values.dtype == np.float64


@pytest.mark.parametrize("axis", [0, 1])
def test_a_norm_is_a_bound_of_each_part(axis: int) -> None:
    values = np.random.default_rng(0).integers(-9, 9, (50, 60)).astype(np.float32)
    whole = Whole(values, axis)
    for count in (1, 2, 4, 8):
        parts = [values[part] if axis == 0 else values[:, part] for part in whole.parts(count)]
        assert len(parts) <= count
        exact = max(np.linalg.norm(part, axis=axis).max() for part in parts)
        assert exact <= whole.norm(count) * (1 + 1e-6)
        assert whole.norm(count) < 2 * exact


def test_the_largest_sums_still_go_right_where_float32_alone_would_not() -> None:
    left = np.full((4, 600), 1023, np.float32)
    right = np.full((600, 3), 1001.0)
    exact = left.astype(np.int64) @ right.astype(np.int64)
    assert exact.max() > EXACT
    assert np.array_equal(product(Whole(left, axis=1), Whole(right, axis=0), 3), exact)
