"""One network, and the same samples in float, without noise and on noisy chips: figures, errors, checkpoints, files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from analog_models.config import AnalogConfig
from cosim.files.json_text import from_json
from cosim.graph import Builder, NetworkError
from cosim.graph.graph import Walk
from cosim.graph.operators.activations import Relu
from cosim.system.building import BuildOptions
from cosim.system.checkpoint import CheckpointError
from cosim.system.network import Network
from cosim.workloads.comparison import Comparison, Result, Settings, Workload, compare
from cosim.workloads.scores import Score, ScoreReport
from rtl.config import preset

SAMPLES, CALIBRATING = 12, 128


class Silent:
    """A display for nobody, which remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, text: str) -> None:
        self.said.append(text)

    def advance(self, done: int, total: int) -> None: ...

    def describe(self, text: str, done: int, total: int) -> None: ...

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield


@pytest.fixture(autouse=True, scope="module")
def cache_of_its_own(tmp_path_factory) -> Iterator[None]:
    """Small chips do not push the user's out of the cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DURAMESH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def make_workload() -> Callable[..., Workload]:
    rng = np.random.default_rng(0)
    b = Builder("two layers")
    x = b.input("x")
    hidden = b.add(Relu(), b.linear(x, rng.normal(0, 0.3, (12, 10)), np.zeros(10), name="first"))
    b.output(b.linear(hidden, rng.normal(0, 0.3, (10, 4)), name="second"), "y")
    network = Network.of(b.graph())
    inputs = rng.standard_normal((SAMPLES + CALIBRATING, 12)).astype(np.float32)

    def walk(sample: int) -> Walk[Result]:
        step = yield from network.walk({"x": inputs[sample]})
        return {"y": step.outputs["y"]}

    def workload(samples: int = SAMPLES, described: str = "noise") -> Workload:
        calibrating = range(SAMPLES, SAMPLES + CALIBRATING)
        options = BuildOptions(trials=2)
        return Workload(
            network, samples, walk, lambda: map(walk, calibrating), options, {"samples": described}, preset("small")
        )

    return workload


def mean(results: Sequence[Result]) -> float:
    return float(np.mean([result["y"] for result in results]))


@pytest.fixture(scope="module")
def comparison(make_workload) -> Comparison:
    return compare(make_workload(), Settings("twin", seeds=(3, 5), errors=True), Silent())


def worst(comparison: Comparison, name: str) -> float:
    exact, found = (comparison.variants[one].results for one in ("software", name))
    return max(float(np.abs(a["y"] - b["y"]).max()) for a, b in zip(exact, found, strict=True))


def test_every_variant_ran_the_same_samples(comparison):
    assert list(comparison.variants) == ["software", "ideal", "chip 3", "chip 5"]
    assert {len(variant.results) for variant in comparison.variants.values()} == {SAMPLES}
    assert 0 < worst(comparison, "ideal") < min(worst(comparison, "chip 3"), worst(comparison, "chip 5"))


def test_figures_are_those_of_the_engines(comparison):
    figures, each = comparison.figures(mean), comparison.each(mean)
    assert figures["software"] == each["software"]
    assert figures["chip"] == pytest.approx((each["chip 3"] + each["chip 5"]) / 2)
    assert each["chip 3"] != each["chip 5"]


def test_what_is_known_does_not_run_again(make_workload, comparison):
    known = {name: comparison.variants[name] for name in ("software", "ideal", "chip 3")}
    display = Silent()
    again = compare(make_workload(), Settings("twin", seeds=(3, 5), errors=True), display, known=known)
    assert all(again.variants[name] is variant for name, variant in known.items())
    assert {text.partition(":")[0] for text in display.said} == {"chip 5"}
    assert worst(again, "chip 5") == worst(comparison, "chip 5")


def test_errors_of_only_one_matrix(make_workload):
    found = compare(make_workload(), Settings("ideal", errors=True, only="sec*"), Silent())
    first, second = found.variants["ideal"].errors
    assert first.own == 0 < second.own
    with pytest.raises(NetworkError, match="no matrix is called 'third'; there are first, second"):
        compare(make_workload(), Settings("ideal", only="third"), Silent())


def test_errors_by_matrix(comparison):
    assert comparison.variants["software"].errors == ()
    ideal, noisy = (comparison.variants[name].errors for name in ("ideal", "chip 3"))
    assert [error.node for error in ideal] == ["first", "second"]
    assert all(0 < a.own < b.own for a, b in zip(ideal, noisy, strict=True))
    assert all(error.frames == SAMPLES for error in noisy)


@pytest.mark.parametrize(("engine", "ran"), [("float", ["software"]), ("ideal", ["software", "ideal"])])
def test_what_was_not_asked_for_has_no_figure(make_workload, engine, ran):
    comparison = compare(make_workload(3), Settings(engine), Silent())
    assert list(comparison.variants) == ran
    assert [name for name, value in comparison.figures(mean).items() if value is not None] == ran
    assert (comparison.image is None) == (engine == "float")


def test_a_run_goes_on_from_its_checkpoint(make_workload, comparison, tmp_path):
    settings = Settings("twin", seeds=(3,), errors=True, checkpoint=tmp_path / "kept")
    part = compare(replace(make_workload(), samples=5), settings, Silent())
    assert len(part.variants["chip 3"].results) == 5
    whole = compare(make_workload(), settings, Silent())
    for name in ("software", "ideal", "chip 3"):
        for ours, theirs in zip(whole.variants[name].results, comparison.variants[name].results, strict=True):
            assert np.array_equal(ours["y"], theirs["y"])
    assert whole.variants["chip 3"].errors == comparison.variants["chip 3"].errors
    with pytest.raises(CheckpointError, match="samples"):
        compare(make_workload(described="other noise"), settings, Silent())


def test_aged_chips_are_others(make_workload, comparison):
    month = Settings("twin", seeds=(3,), aged_s=2.6e6)
    aged = compare(make_workload(), month, Silent())
    again = compare(make_workload(), replace(month, recalibrated=True), Silent())
    assert worst(aged, "chip 3") > worst(again, "chip 3")
    assert not np.array_equal(again.variants["chip 3"].results[0]["y"], comparison.variants["chip 3"].results[0]["y"])


def test_report(comparison, tmp_path):
    score = Score("level", "mean output", mean, lambda results: (mean(results) - 0.1, mean(results) + 0.1))
    report = ScoreReport(
        comparison, (score,), "twelve vectors", 7, ("one is odd",), {"more": 5}, (("words", "12 vectors"),)
    )
    path = tmp_path / "report.json"
    report.write_json(path)
    written = from_json(path.read_text())
    assert written["level"] == pytest.approx(comparison.figures(mean))
    assert (written["engine"], written["chips"], written["seed"], written["devices"]) == ("twin", [3, 5], 7, "pcm")
    assert written["variants"]["chip 5"]["level"] == pytest.approx(comparison.each(mean)["chip 5"])
    assert [error["node"] for error in written["variants"]["ideal"]["errors"]] == ["first", "second"]
    assert (written["more"], written["remarks"]) == (5, ["one is odd"])
    software, chip = (written["variants"][name] for name in ("software", "chip 5"))
    assert (software["mvms"], software["twin_s"]) == (0, 0)
    blocks = len(comparison.image.layout.blocks)
    assert chip["mvms"] == SAMPLES * blocks, "each block on a tile of its own, four integrations a frame"
    assert chip["twin_s"] > 0
    console = Console(width=160, file=StringIO(), markup=False)
    report.print(console)
    text = console.file.getvalue()
    for part in (
        "note: one is odd",
        "noisy chips, seed 5",
        "mean output",
        "Errors by matrix",
        "second",
        "12 vectors",
        "MVMs of",
    ):
        assert part in text


def test_progress_says_where_it_is(make_workload):
    display = Silent()
    compare(make_workload(2), Settings("ideal", AnalogConfig()), display)
    assert [text for text in display.said if text.startswith("software")] == ["software: samples"]
    assert "ideal: samples" in display.said
