"""The benchmark measures what it says: the MAC is a MAC, rates add up, memory does not grow with the batches."""

import os

import numpy as np
import pytest

from cosim import bench
from cosim.bench import Rate, balanced_mac, in_one_thread, numpy_mvm, twin_frames, twin_mvm, unmerged_products


def test_a_rate_is_the_median_of_its_repeats() -> None:
    rate = Rate(100, (1.0, 4.0, 2.0))
    assert rate.per_s == 50
    assert rate.spread == 4


def test_the_measured_mac_is_one() -> None:
    codes = balanced_mac(3)()
    assert codes.shape == (3, bench.SIZE)
    assert np.array_equal(codes, balanced_mac(3)())
    inputs = bench._signed_inputs(np.random.default_rng(0), 3)
    assert inputs.min() < -200
    assert inputs.max() > 200
    # Signed weights and inputs: codes on both sides of zero, which is 127.5, and few at the ends.
    assert abs(np.median(codes) - 127.5) < 10
    assert codes.std() > 15
    assert ((codes > 0) & (codes < 255)).mean() > 0.99


def test_rates_are_measured_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    assert in_one_thread(os.getenv, "OPENBLAS_NUM_THREADS") == "1"
    assert in_one_thread(os.getenv, "OMP_NUM_THREADS") == "1"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("measure", [twin_mvm, unmerged_products, numpy_mvm])
def test_every_rate_counts_its_macs(measure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_MACS", 8)
    rate = measure(4, repeats=2)
    assert rate.items == 8
    assert len(rate.seconds) == 2
    assert rate.per_s > 10
    with pytest.raises(ZeroDivisionError):
        measure(0, repeats=1)


def test_a_merged_mac_is_faster_than_its_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor is twice their time; here half of it is usual, so that a busy machine does not matter."""
    monkeypatch.setattr(bench, "_MACS", 256)
    assert in_one_thread(twin_mvm, 256, repeats=5).per_s > in_one_thread(unmerged_products, 256, repeats=5).per_s / 2


@pytest.mark.chip
@pytest.mark.xdist_group("chip")
def test_keyword_spotting_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_MACS", 40)
    rate = twin_frames(40, repeats=1, batch=20)
    assert rate.items % 40 == 0
    assert rate.per_s > 50
