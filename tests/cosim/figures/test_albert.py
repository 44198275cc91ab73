"""ALBERT's experiments: by hand, and all of them on a small chip."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.calibration.ranges import Choice
from cosim.compiler.matrices import MatrixOptions
from cosim.figures.albert import BITS, Measured, measure, trends, write
from cosim.files.json_text import from_json
from cosim.program import Mode
from cosim.system.products import NodeProducts
from cosim.workloads.albert.blocks import BLOCKS
from cosim.workloads.albert.experiments import settled, with_bits
from cosim.workloads.albert.model import TextClassifier
from cosim.workloads.albert.workload import Classification
from cosim.workloads.comparison import Settings
from cosim.workloads.glue import TASKS
from rtl.config import preset
from tests.cosim.workloads.albert.conftest import small_albert, small_glue

__all__ = ["small_albert", "small_glue"]

FALLING = {block: tuple(np.linspace(0.1, 0.2, 12)) for block in BLOCKS}
SATURATING = {block: tuple(1 - np.exp(-np.arange(1, 13) / 4)) for block in BLOCKS}
OWN = {"inProj": (0.04,) * 12, "outProj": (0.06,) * 12, "FC1": (0.05,) * 12, "FC2": (0.08,) * 12}
AS_THE_PAPER = Measured(
    {},
    "accuracy",
    0.9,
    (0.88, 0.87),
    {"software": (0.5,) * 11 + (0.9,), "chip": (*np.linspace(0.5, 0.85, 10), 0.87, 0.875)},
    (0, 1, 0, 0, 0, 0, 5, 6, 4, 1, 1, 2),
    OWN,
    SATURATING,
    (0.05, 0.04),
    {"inProj": 0.02, "outProj": 0.025, "FC1": 0.01, "FC2": 0.05},
    {"an hour": 0.1, "a month": 0.3, "a month, recalibrated": 0.12},
    {2: 0.6, 3: 0.8, 4: 0.89, 5: 0.9, 6: 0.9},
)
OTHERS = (
    {"exits": {"chip": (*np.linspace(0.5, 0.95, 11), 0.6)}},
    {"total": FALLING},
    {"own": OWN | {"FC1": (0.07,) * 12}},
    {"reads": AS_THE_PAPER.reads | {"outProj": 0.06}},
    {"drift": AS_THE_PAPER.drift | {"a month": 0.1}},
    {"bits": AS_THE_PAPER.bits | {4: 0.5}},
)


def test_trends_are_told_by_the_figures() -> None:
    assert [trend.holds for trend in trends(AS_THE_PAPER)] == [True] * 6
    for number, change in enumerate(OTHERS):
        told = trends(replace(AS_THE_PAPER, **change))  # type: ignore[arg-type]
        assert [trend.holds for trend in told] == [at != number for at in range(6)], told[number].paper


def test_settled() -> None:
    decisions = np.array([[0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]])
    assert settled(decisions).tolist() == [3, 1, 4]


@pytest.fixture
def task(small_albert: Path, small_glue: Path) -> Classification:
    classifier = TextClassifier.load(small_albert, TASKS["SST-2"])
    return Classification.of(classifier, TASKS["SST-2"], small_glue, count=4, seed=1, calibrating=6)


def test_few_bits_are_levels_of_a_column(task: Classification) -> None:
    network = task.classifier.network
    (node, *_) = (node for node in network.linears if ".ffn/" in node)
    linear, eye = network.linears[node], np.eye(12, dtype=np.float32)

    def weights(bits: int, name: str) -> np.ndarray:
        products: NodeProducts = with_bits(network, bits)
        return products._product(name, eye[: network.linears[name].inputs]) - network.linears[name].bias

    found = weights(3, node) / np.abs(linear.weights).max(axis=0) * 3
    np.testing.assert_allclose(found, np.rint(found), atol=1e-4)
    assert len(np.unique(np.rint(found))) == 7
    np.testing.assert_allclose(weights(3, "pooler"), network.linears["pooler"].weights, atol=1e-5)


def test_everything_on_a_small_chip(task: Classification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURAMESH_CACHE", str(tmp_path / "cache"))
    workload = task.workload(AnalogConfig())
    # Balanced, the layer is larger than four tiles of 16 rows.
    stacked = {"*albert_layers*": MatrixOptions(mode=Mode.STACKED), "*": MatrixOptions(host=True)}
    layout = replace(workload.options.layout, matrices=stacked)
    options = replace(workload.options, layout=layout, ranges=Choice())
    workload = replace(workload, options=options, config=preset("small"))
    settings = Settings("twin", seeds=(0, 1), checkpoint=tmp_path / "parts")
    found = measure(task, settings, _Silent(), workload)
    assert sum(found.settles) == 4
    assert {block: len(values) for block, values in found.total.items()} == dict.fromkeys(BLOCKS, 3)
    assert all(0 < value < 1 for values in found.own.values() for value in values)
    assert all(0 < value < 0.5 for value in found.reads.values())
    assert len(found.chip) == len(found.flipped) == 2
    assert found.exits["software"][-1] == found.software
    assert tuple(found.bits) == BITS
    assert found.drift["a month"] != found.drift["a month, recalibrated"]
    files = write(found, tmp_path / "out")
    written = from_json(files["json"].read_bytes())
    assert len(written["trends"]) == 6
    assert all(path.stat().st_size > 1000 for path in files.values())


class _Silent:
    def __call__(self, text: str) -> None: ...

    def describe(self, text: str, done: int, total: int) -> None: ...

    def advance(self, done: int, total: int) -> None: ...
