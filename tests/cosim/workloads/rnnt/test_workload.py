"""Transcription with a small random RNN-T: in float, and on small chips, RTL and twin alike."""

import json
from dataclasses import replace

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.workloads.comparison import Settings, compare
from cosim.workloads.rnnt.mapping import FirstLayer
from cosim.workloads.rnnt.model import RnntModel
from cosim.workloads.rnnt.network import RnntNetwork, RnntShape
from cosim.workloads.rnnt.report import report
from cosim.workloads.rnnt.workload import Spoken, Transcription
from rtl.config import preset
from tests.cosim.workloads.rnnt.test_model import louder
from tests.cosim.workloads.test_comparison import Silent

#: Two labels: nine copies of a matrix with a row for each must fit on small chips.
SMALL = RnntShape(features=6, encoder=4, prediction=2, joint=6, labels=3)


@pytest.fixture(scope="module")
def task() -> Transcription:
    network = louder(RnntNetwork.random(SMALL, seed=2, labels="ab"), by=4.0, blank=2.0)
    rng = np.random.default_rng(5)

    def spoken(name: str, steps: int) -> Spoken:
        return Spoken(name, "a b ab", rng.standard_normal((steps, 6)).astype(np.float32), 0.03 * steps)

    judged = tuple(spoken(f"judged {number}", 3 + number) for number in range(2))
    return Transcription(RnntModel(network), "two", judged, tuple(spoken(f"other {n}", 6) for n in range(3)))


def test_small_network_on_small_chips(task):
    """Chips that work at once, sentences side by side, a decoder between: the RTL's codes are the twin's."""
    workload = task.workload(AnalogConfig(), FirstLayer.ONCE, config=preset("small"))
    workload = replace(workload, options=replace(workload.options, trials=0))
    both = compare(workload, Settings(engine="both"), Silent())
    assert both.variants["chip 0"].compared_codes > 1000
    twin = compare(workload, Settings(engine="twin"), Silent())
    assert task.texts(twin.variants["chip 0"].results) == task.texts(both.variants["chip 0"].results)
    found = report(task, both, seed=0).to_json()
    assert json.loads(json.dumps(found))["words"] == 6
    assert found["references"] == {"judged 0": "a b ab", "judged 1": "a b ab"}
    assert set(found["transcripts"]) == {"software", "ideal", "chip 0"}
    assert found["wer"]["software"] is not None
