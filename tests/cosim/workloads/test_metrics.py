"""Metrics against scipy, and by hand."""

import numpy as np
import pytest
import scipy.stats

from cosim.workloads.metrics import accuracy, f1, matthews, pearson, spearman


def test_correlations():
    rng = np.random.default_rng(4)
    a = np.round(rng.standard_normal(80), 1)
    b = np.round(a + rng.standard_normal(80), 1)
    assert pearson(a, b) == pytest.approx(scipy.stats.pearsonr(a, b).statistic)
    assert spearman(a, b) == pytest.approx(scipy.stats.spearmanr(a, b).statistic)
    assert np.isnan(pearson(a, np.ones(80)))


def test_two_classes_are_told_as_by_their_counts():
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 1])
    decisions = np.array([1, 0, 1, 0, 1, 0, 0, 1])
    assert accuracy(decisions, labels) == 6 / 8
    assert f1(decisions, labels) == pytest.approx(2 * (3 / 4) * (3 / 4) / (3 / 4 + 3 / 4))
    assert matthews(decisions, labels) == pytest.approx(scipy.stats.pearsonr(decisions, labels).statistic)
    assert matthews(1 - labels, labels) == pytest.approx(-1)


def test_nothing_decided_for_is_no_error():
    labels = np.array([1, 0, 1])
    assert f1(np.zeros(3), labels) == matthews(np.zeros(3), labels) == matthews(labels, np.ones(3)) == 0
