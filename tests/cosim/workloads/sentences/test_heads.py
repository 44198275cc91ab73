"""Heads find what is there; scores against scipy."""

import numpy as np
import pytest

from cosim.workloads.metrics import accuracy
from cosim.workloads.sentences import heads
from cosim.workloads.sentences.heads import cosines, fit_classifier, fit_regression, pair_features


def sample(count: int = 600, width: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 0.05 * rng.standard_normal((count, width)) + 0.2, rng.standard_normal(width)


def test_regression_finds_a_linear_map_and_its_offset():
    features, truth = sample()
    head = fit_regression(features, features @ truth + 3)
    assert head.penalty == min(heads.PENALTIES)
    assert head(features) == pytest.approx(features @ truth + 3, abs=1e-3)


def test_ridge_is_the_least_of_its_loss():
    features, truth = sample(200)
    values = features @ truth + np.random.default_rng(1).standard_normal(200)
    head = heads._ridge(features, values, 0.3)

    def loss(weights: np.ndarray, offset: float) -> float:
        strength = 0.3 * np.mean((features - features.mean(axis=0)) ** 2)
        return float(np.mean((features @ weights + offset - values) ** 2) + strength * weights @ weights)

    least = loss(head.weights, head.offset)
    for change in np.eye(13) * 1e-3:
        assert loss(head.weights + change[:12], head.offset + change[12]) > least
        assert loss(head.weights - change[:12], head.offset - change[12]) > least


def test_classifier_parts_what_a_plane_parts():
    features, truth = sample(800)
    labels = (features @ truth > np.median(features @ truth)).astype(float)
    head = fit_classifier(features[:600], labels[:600])
    assert accuracy(head(features[600:]) > 0, labels[600:]) > 0.95


def test_classifier_gives_the_odds_of_what_it_saw():
    """At the least loss without a penalty the mean of the predicted shares is the share of class 1."""
    features, _ = sample(500)
    labels = (np.random.default_rng(2).random(500) < 0.3).astype(float)
    head = heads._logistic(features, labels, 1e-6)
    assert np.mean(1 / (1 + np.exp(-head(features)))) == pytest.approx(labels.mean(), abs=1e-3)


def test_penalty_is_of_held_out_examples():
    """More features than examples, all noise but one: weights must be kept small."""
    rng = np.random.default_rng(3)
    features = rng.standard_normal((300, 250))
    values = features[:, 0] + 2 * rng.standard_normal(300)
    head = fit_regression(features, values)
    assert head.penalty > min(heads.PENALTIES)
    assert np.array_equal(fit_regression(features, values).weights, head.weights)


def test_features_of_pairs():
    first, second = np.array([[1.0, 0.0]]), np.array([[0.6, -0.8]])
    assert pair_features(first, second).tolist() == [[0.6, 0, 0.4, 0.8]]
    assert pair_features(second, first).tolist() == pair_features(first, second).tolist()
    assert cosines(first, second) == pytest.approx([0.6])
