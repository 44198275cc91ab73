"""The study of energy on a small chip: shorter pulses cost less, and every picture is drawn."""

from pathlib import Path

import numpy as np
import pytest

from cosim.figures import energy
from cosim.figures.measurement import Measurement
from cosim.figures.study import said
from tests.cosim.figures.small_campaign import small_campaign


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    measurement, _ = small_campaign(tmp_path_factory.mktemp("energy"), quick=True, chips=2).measure(energy.STUDY)
    return measurement


def test_shorter_pulses_take_less_of_the_tiles_supply(measured: Measurement) -> None:
    long, short = measured.numbers["spotting"]
    assert (long["duration_ns"], short["duration_ns"]) == (255, 127)
    assert len(long["nj"]) == 2
    assert np.max(short["tiles_nj"]) < np.min(long["tiles_nj"])
    assert np.all(np.array(long["tops_w"]) < np.array(short["tops_w"]))


def test_chips_of_the_paper_stand_beside_what_it_prints(measured: Measurement) -> None:
    chips = {chip["chip"]: chip for chip in measured.numbers["chips"]}
    assert chips["chip 4"]["tops_w"] == pytest.approx(12.40)
    for chip in chips.values():
        assert sum(chip["by_mechanism"].values()) == pytest.approx(chip["nj"])
    (printed,) = (finding for finding in measured.findings if finding.paper)
    assert printed.what == "RNN-T, chip 4"


def test_pictures_and_sentences_are_of_the_run(measured: Measurement) -> None:
    about = said(energy.STUDY.about, measured)
    assert "60 clips (random clips)" in about
    assert "255 ns and 127 ns" in about
    accuracy, chips = (figure.draw(measured) for figure in energy.STUDY.figures)
    labels = [text.get_text() for text in accuracy.axes[0].get_legend().get_texts()]
    assert labels == [
        "pulses to 255 ns, conductances times 1",
        "pulses to 127 ns, conductances times 1",
        "Pareto front of the means",
        "software",
    ]
    assert "12.40 TOPS/W" in [text.get_text() for text in chips.axes[0].texts]


def test_nothing_beats_what_is_on_the_front() -> None:
    def setting(tops_w: float, accuracy: float) -> dict[str, list[float]]:
        return {"tops_w": [tops_w - 0.1, tops_w + 0.1], "accuracy": [accuracy, accuracy]}

    settings = [setting(1, 0.9), setting(2, 0.8), setting(2, 0.7), setting(3, 0.85), setting(1.5, 0.9)]
    assert energy._on_the_front(settings) == [False, False, False, True, True]


def test_smaller_conductances_take_less(tmp_path: Path) -> None:
    campaign = small_campaign(tmp_path, quick=True, chips=1)
    whole, quarter = (energy._spotted(campaign, 255, factor, 0) for factor in (1.0, 0.25))
    assert quarter["tiles_nj"] < whole["tiles_nj"]
    assert quarter["tops_w"] > whole["tops_w"]
    assert quarter["software"] == whole["software"]
