"""A small network and clips to calibrate it with, as files."""

from pathlib import Path

import numpy as np
import pytest

from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.workloads.kws.dataset import LABELS
from cosim.workloads.kws.model import KwsModel

INPUTS = 40


@pytest.fixture(autouse=True)
def cache_of_its_own(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory) -> None:
    """Small chips do not push the user's out of the cache; simulators, which take minutes to build, are the user's."""
    if not request.node.get_closest_marker("cosimulation"):
        monkeypatch.setenv("DURAMESH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """A model of two layers and features to calibrate it with: small, so that the chip is ready in a second."""
    folder = tmp_path_factory.mktemp("kws")
    rng = np.random.default_rng(5)
    layers = [
        Layer(rng.integers(-120, 121, (INPUTS, 30)) / 127, Activation.RELU, full_scale=4.0),
        Layer(rng.integers(-120, 121, (30, 12)) / 127, Activation.LINEAR, full_scale=4.0),
    ]
    rows = np.sort(rng.choice(1960, INPUTS, replace=False))
    model = KwsModel(FeedForwardNetwork(tuple(layers)), rows, np.zeros(INPUTS), np.full(INPUTS, 5.0), 3.0)
    model.save(folder / "model.npz")
    np.savez(
        folder / "features.npz",
        x=rng.integers(-60, 60, (50, 49, 40)).astype(np.int8),
        y=rng.integers(0, 12, 50),
        split=np.ones(50, np.int8),
        labels=np.array(LABELS),
        noise_logmel_i8=np.zeros((60, 40), np.int8),
        noise_len=np.array([60]),
        noise_scale=np.array(1.0),
        noise_offset=np.array(0.0),
        resid_std=np.zeros(40),
    )
    return {name: folder / f"{name}.npz" for name in ("model", "features")}
