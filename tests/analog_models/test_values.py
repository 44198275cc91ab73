"""Values that users give: whole numbers, real numbers, arrays that stay as they were."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from analog_models.values import kept, real_numbers, shown, whole_number

SEEDS = (1 << 64) - 1


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_whole_numbers_of_python_and_numpy_are_ints(value: Any) -> None:
    assert type(whole_number(value, "seed", 0, SEEDS)) is int


@pytest.mark.parametrize(
    "value",
    [1.5, 1.0, np.float64(1), "1", b"1", None, True, np.True_, 1j, [1], np.array([1, 2]), Decimal(1), float("nan")],
)
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"seed must be a whole number, 0 to 2\*\*64 - 1, got"):
        whole_number(value, "seed", 0, SEEDS)


@pytest.mark.parametrize("value", [-1, 11, 10**400, 10**5000, -(10**5000)], ids=range(5))
def test_whole_numbers_have_a_range(value: int) -> None:
    with pytest.raises(ValueError, match="rows must be a whole number, 0 to 10, got") as caught:
        whole_number(value, "rows", 0, 10)
    assert len(str(caught.value)) < 120


def test_long_values_are_cut_short_in_messages() -> None:
    assert shown("a" * 1000) == f"'{'a' * 59}..."
    assert shown(10**5000) == "int of thousands of digits"


@pytest.mark.parametrize("value", [1, [1.5, 2], np.float32([1]), np.array([True]), np.arange(3, dtype=np.uint8)])
def test_real_numbers_become_float64(value: Any) -> None:
    assert real_numbers(value, "weights").dtype == np.float64


@pytest.mark.parametrize("value", [1j, [1 + 0j], "a", ["1"], [None], [10**400], np.array([object()])])
def test_what_is_no_real_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="weights must be real numbers, got"):
        real_numbers(value, "weights")


def test_what_is_kept_does_not_change() -> None:
    given = np.arange(4.0)
    copy = kept(given)
    given[0] = 9
    assert copy.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        copy[0] = 9
    assert kept(copy) is copy
    view = given[:]
    view.flags.writeable = False  # whoever has `given` can still change it
    assert kept(view) is not view
