"""The study of accuracy: its arithmetic, its pictures, and all of it on the small chip."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cosim.engines.results import Results
from cosim.engines.twin.engine import TwinEngine
from cosim.figures import accuracy
from cosim.figures.accuracy import chips_disagreeing
from cosim.figures.measurement import Measurement
from cosim.workloads.kws.report import confusion_matrix
from tests.cosim.figures.small_campaign import small_campaign


def test_confusion_of_several_chips_adds_up() -> None:
    labels = np.array([0, 1, 1])
    predictions = np.array([[0, 1, 2], [0, 2, 2]])
    assert confusion_matrix(labels, predictions, 3).tolist() == [[2, 0, 0], [0, 1, 3], [0, 0, 0]]


def test_the_chips_that_are_outvoted_are_counted() -> None:
    predictions = np.array([[3, 1, 0], [3, 1, 1], [3, 2, 2]])
    assert chips_disagreeing(predictions).tolist() == [0, 1, 2]
    assert chips_disagreeing(predictions[:1]).tolist() == [0, 0, 0]


class CountingTwin(TwinEngine):
    """A twin that claims to have simulated cycles."""

    def run(self, *arguments: Any, **options: Any) -> Results:
        results = super().run(*arguments, **options)
        return replace(results, statistics={**results.statistics, "cycles": 1000})


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    """The study on three small chips; in place of the RTL another twin, for the fabric is not in question here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accuracy, "RtlEngine", lambda config: CountingTwin())
        patch.setattr(accuracy, "_STEP_CHIPS", 1)
        measurement, _ = small_campaign(tmp_path_factory.mktemp("accuracy"), chips=3).measure(accuracy.STUDY)
    return measurement


def test_chips_are_less_exact_than_software(measured: Measurement) -> None:
    numbers = measured.numbers
    assert numbers["software_accuracy_percent"] == 100  # it made the labels
    assert numbers["iso_limit_percent"] == pytest.approx(99)
    chips = np.array(numbers["chip_accuracy_percent"])
    assert np.all((chips > 50) & (chips < 100))  # far from guessing
    assert numbers["decided_as_software_percent"] == pytest.approx(chips)
    assert numbers["chips_at_iso_limit"] == np.sum(chips >= 99)
    confusion = np.array(numbers["confusion"])
    assert confusion.sum() == 3 * numbers["clips"]
    assert np.trace(confusion) / confusion.sum() == pytest.approx(chips.mean() / 100)
    assert 0 < numbers["decided_differently_percent"] < 100


def test_every_code_of_the_first_chip_is_compared(measured: Measurement) -> None:
    numbers = measured.numbers
    assert numbers["rtl"]["compared_codes"] == numbers["clips"] * (16 + 16 + 12)
    assert numbers["rtl"]["accuracy_percent"] == numbers["chip_accuracy_percent"][0]


def test_calibration_makes_the_error_smaller(measured: Measurement) -> None:
    steps = measured.numbers["calibration_steps"]
    assert steps["steps"] == ["none", "+ slopes", "+ bias rows", "+ ReLU window"]
    for errors in steps["rms_error_percent"].values():
        assert errors[0][-1] < errors[0][0]
    assert steps["accuracy_percent"][0][-1] == measured.numbers["chip_accuracy_percent"][0]


def test_findings_say_where_they_are_from(measured: Measurement) -> None:
    engines = {finding.what: finding.engine for finding in measured.findings if finding.headline}
    assert engines["keyword spotting, chip"] == "rtl"
    assert engines["keyword spotting, chips"] == "twin"
    assert all(finding.data == "random clips" for finding in measured.findings)


@pytest.mark.parametrize("figure", accuracy.STUDY.figures, ids=lambda figure: figure.name)
def test_pictures(measured: Measurement, figure) -> None:
    figure.draw(measured).canvas.draw()
