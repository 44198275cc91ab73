"""The study of linearity on a small chip: what balance takes away, and that every picture is drawn."""

import numpy as np
import pytest

from cosim.figures import linearity
from cosim.figures.measurement import Measurement
from cosim.figures.mechanisms import LINEARITY
from cosim.program import Mode
from tests.cosim.figures.small_campaign import small_campaign


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    measurement, _ = small_campaign(tmp_path_factory.mktemp("linearity"), chips=1).measure(linearity.STUDY)
    return measurement


def test_each_mechanism_grows_with_its_constant(measured: Measurement) -> None:
    """On 16 rows they are small, and codes are whole."""
    alone = measured.numbers["alone_percent"]
    assert {mechanism.name for mechanism in LINEARITY} < set(alone)
    for errors in alone.values():
        assert errors[0][-1] > 0.9 * errors[0][0]
    assert np.mean(measured.numbers["nominal_percent"]) > np.mean(measured.numbers["none_percent"])


def test_every_mode_sees_every_mismatch(measured: Measurement) -> None:
    for name, values in measured.numbers["mismatches"].items():
        for mode in (Mode.DOUBLE, Mode.BALANCED):
            assert np.shape(measured.numbers["paths_percent"][name][mode]) == (1, len(values))
    currents = measured.numbers["currents_ua"]
    assert np.max(currents["MAC"]) > np.max(currents["verification"])


def test_findings_name_their_chips(measured: Measurement) -> None:
    assert {finding.engine for finding in measured.findings} == {"twin"}
    assert all(finding.seeds == "chip 0" and np.isfinite(finding.value) for finding in measured.findings)


@pytest.mark.parametrize("figure", linearity.STUDY.figures, ids=lambda figure: figure.name)
def test_pictures(measured: Measurement, figure) -> None:
    picture = figure.draw(measured)
    assert all(axes.get_xlabel() for axes in picture.axes)
    picture.canvas.draw()
