"""ALBERT's experiments: by hand, and all of them on a small chip."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.calibration.ranges import Choice
from cosim.compiler.matrices import MatrixOptions
from cosim.figures import Campaign, Unavailable, albert
from cosim.figures.albert import STUDY, write
from cosim.figures.albert_measurement import AGED, BITS, YOUNG, Measured, measure
from cosim.figures.albert_trends import trends
from cosim.figures.study import said
from cosim.files.json_text import from_json
from cosim.program import Mode
from cosim.system.products import NodeProducts
from cosim.workloads.albert.blocks import BLOCKS
from cosim.workloads.albert.experiments import margins, settled, with_bits
from cosim.workloads.albert.model import TextClassifier
from cosim.workloads.albert.workload import Classification
from cosim.workloads.comparison import Settings
from cosim.workloads.glue import TASKS
from rtl.config import preset
from tests.cosim.workloads.albert.conftest import renamed, small_albert, small_glue

__all__ = ["small_albert", "small_glue"]

#: Larger behind outProj and FC2; as much in the last layers as in the first.
SIZES = {"inProj": 0.2, "outProj": 0.4, "FC1": 0.25, "FC2": 0.5}
RISING = {block: tuple(size * np.linspace(0.3, 1, 12) ** 2) for block, size in SIZES.items()}
SATURATING = {block: tuple(size * (1 - np.exp(-np.arange(1, 13) / 4))) for block, size in SIZES.items()}
OWN = {"inProj": (0.04,) * 12, "outProj": (0.06,) * 12, "FC1": (0.05,) * 12, "FC2": (0.08,) * 12}
AS_THE_PAPER = Measured(
    {},
    "accuracy",
    0.9,
    0.9,
    (0.88, 0.92),
    (0.89, 0.88),
    {"software": (0.5,) * 11 + (0.9,), "chip": (*np.linspace(0.5, 0.85, 10), 0.87, 0.885)},
    (0, 1, 0, 0, 0, 0, 5, 6, 4, 1, 1, 2),
    (0.1, 3.0, 0.2, 2.0),
    (1.0, 0.0, 0.5, 0.0),
    OWN,
    SATURATING,
    (0.05, 0.04),
    {"inProj": 2, "outProj": 2, "FC1": 1, "FC2": 6},
    {"inProj": 0.02, "outProj": 0.025, "FC1": 0.01, "FC2": 0.05},
    {"an hour": 0.1, "a month": 0.3, "a month, recalibrated": 0.12},
    {"an hour": 0.89, "a month": 0.85, "a month, recalibrated": 0.885},
    {2: 0.6, 3: 0.8, 4: 0.89, 5: 0.9, 6: 0.9},
)
#: What makes a trend another one's opposite, in their order.
OTHERS = (
    {"chip": (0.8, 0.88)},
    {"flips": (0.0, 0.5, 0.0, 0.5)},
    {"bits": AS_THE_PAPER.bits | {4: 0.5}},
    {"exits": {"chip": (*np.linspace(0.5, 0.95, 11), 0.6)}},
    {"settles": (20, 0, 0, 0, 0, 0, 5, 6, 4, 1, 1, 2)},
    {"total": RISING},
    {"total": {block: tuple(reversed(values)) for block, values in SATURATING.items()}},
    {"total": SATURATING | {"FC1": (0.99,) * 12}},
    {"reads": AS_THE_PAPER.reads | {"outProj": 0.06}},
    {"drift": AS_THE_PAPER.drift | {"a month": 0.1}},
    {"aged": AS_THE_PAPER.aged | {"a month, recalibrated": 0.87}},
)
#: With errors that fall, two trends are others.
ALSO = {6: {5}}


def test_trends_are_told_by_the_figures() -> None:
    assert [trend.holds for trend in trends(AS_THE_PAPER)] == [True] * len(OTHERS)
    for number, change in enumerate(OTHERS):
        told = trends(replace(AS_THE_PAPER, **change))  # type: ignore[arg-type]
        others = {number} | ALSO.get(number, set())
        assert [trend.holds for trend in told] == [at not in others for at in range(len(OTHERS))], told[number].paper


def test_a_trend_s_findings_say_what_was_seen() -> None:
    trend = trends(AS_THE_PAPER)[1]
    first, second = trend.findings(", there", "samples", (0, 1))
    assert first.what == "samples that flip, of the half with the smaller margins, there"
    assert (first.value, second.value) == (75.0, 0.0)
    assert first.paper.endswith(": so here")
    assert "75.0 %" in trend.here
    assert (first.engine, first.seeds) == ("twin", "chips 0-1")
    told = [finding for one in trends(AS_THE_PAPER) for finding in one.findings(chips=(3, 4))]
    seeds = {finding.what.partition(" ")[0]: (finding.engine, finding.seeds) for finding in told}
    assert seeds["deviation"] == ("twin", "chip 3"), "reads are of the first chip"
    assert {one.engine for one in told if "bits" in one.what} == {"float32"}


def test_margins_are_between_the_first_and_the_second() -> None:
    assert margins(np.array([[0.0, 3.0, 1.0], [-1.0, -1.5, -4.0]])).tolist() == [2.0, 0.5]


ABOUT = {"network": "SST-2", "network_digest": "0123456789", "task": "SST-2", "samples": "4 of SST-2", "chips": [0, 1]}


@pytest.fixture
def networks(small_albert: Path, small_glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data with a network of a task, one that was trained with noise, and a folder that is none."""
    (tmp_path / "glue").symlink_to(small_glue)
    (tmp_path / "albert" / "SST-2-old").mkdir(parents=True)
    (tmp_path / "albert" / "SST-2").symlink_to(small_albert)
    noisy = renamed(small_albert, tmp_path / "albert" / "SST-2-noise-1")
    (noisy / "training.json").write_text('{"noise": {"scale": 1.5}}')
    monkeypatch.setenv("DURAMESH_DATA", str(tmp_path))
    return tmp_path


def test_the_study_has_every_task_s_network_and_those_trained_with_noise(
    networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int, tuple[int, ...]]] = []

    def measured(task: Classification, settings: Settings, *_: object) -> Measured:
        asked.append((task.classifier.name, len(task.examples), settings.seeds))
        return replace(AS_THE_PAPER, about=ABOUT)

    def judged(task: Classification, settings: Settings, *_: object) -> dict[str, float]:
        return {"software": 0.9, "chip": 0.65 - settings.seeds[-1]}

    monkeypatch.setattr(albert, "measure", measured)
    monkeypatch.setattr(albert, "_judged", judged)
    found, _ = Campaign(tmp_path / "campaign", chips=2).measure(STUDY)
    assert asked == [("SST-2", 12, (0, 1))]
    assert [(one["network"], one["scale"], one["chip"]) for one in found.numbers["noise"]] == [
        ("SST-2", 0.0, 0.89),
        ("SST-2-noise-1", 1.5, 0.65),
    ]
    by_name = {finding.what: finding for finding in found.findings}
    assert by_name["accuracy of ALBERT on noisy chips, SST-2"].low == pytest.approx(88)
    assert by_name["error of MACs of FC2, SST-2"].paper.endswith("inProj and FC1: so here")
    assert by_name["trained with noise times 1.5, on a noisy chip, SST-2-noise-1"].value == pytest.approx(65)
    assert all("0123456789"[:8] in finding.data for finding in found.findings if "trained with" not in finding.what)
    assert f"{len(OTHERS)} of {len(OTHERS)} are seen" in said(STUDY.about, found)
    assert all(figure.draw(found).axes for figure in STUDY.figures)


def test_the_study_says_what_it_lacks(networks: Path, tmp_path: Path) -> None:
    (networks / "albert" / "SST-2").unlink()
    with pytest.raises(Unavailable, match="no folder of a network that is called as a task"):
        STUDY.measure(Campaign(tmp_path / "campaign"))


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
    assert sum(found.settles) == round(4 * found.chip[0])
    assert {block: len(values) for block, values in found.total.items()} == dict.fromkeys(BLOCKS, 3)
    assert all(0 < value < 1 for values in found.own.values() for value in values)
    assert all(0 < value < 0.5 for value in found.reads.values())
    assert len(found.chip) == len(found.flipped) == 2
    assert found.exits["software"][-1] == found.software
    assert tuple(found.bits) == BITS
    assert list(found.drift) == list(found.aged) == [YOUNG, *AGED]
    assert found.drift["a month"] != found.drift["a month, recalibrated"]
    assert len(found.margins) == len(found.flips) == 4
    assert found.interval[0] <= found.software <= found.interval[1]
    assert set(found.codes) == set(BLOCKS)
    assert all(count >= 1 for count in found.codes.values())
    files = write(found, tmp_path / "out")
    written = from_json(files["json"].read_bytes())
    assert len(written["trends"]) == len(OTHERS)
    assert all(trend["here"] for trend in written["trends"])
    assert all(path.stat().st_size > 1000 for path in files.values())


class _Silent:
    def __call__(self, text: str) -> None: ...

    def describe(self, text: str, done: int, total: int) -> None: ...

    def advance(self, done: int, total: int) -> None: ...
