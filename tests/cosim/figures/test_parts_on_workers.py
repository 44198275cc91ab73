"""A campaign's parts are the same whoever measured them: workers, or the campaign's own process."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cosim.figures import Campaign, Measurement
from cosim.figures.campaign import CampaignError
from cosim.figures.registry import load_study
from cosim.sweep import Given, Processes
from cosim.sweep.workers import GB
from tests.cosim.figures.small_campaign import small_campaign

#: Those of the studies with parts that need neither the RTL nor training.
STUDIES = ("programming", "mac", "linearity", "accuracy", "drift")


def measured(folder: Path, studies: tuple[str, ...] = STUDIES, **settings) -> dict[str, Measurement]:
    campaign = small_campaign(folder, quick=True, chips=2, whole=True, **settings)
    return {name: campaign.measure(load_study(name))[0] for name in studies}


def assert_same(ours: Measurement, theirs: Measurement) -> None:
    assert ours.numbers == theirs.numbers
    assert ours.findings == theirs.findings
    assert set(ours.arrays) == set(theirs.arrays)
    for name, array in ours.arrays.items():
        assert np.array_equal(array, theirs.arrays[name]), name


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, Measurement]:
    return measured(tmp_path_factory.mktemp("alone"))


def test_two_processes_measure_what_one_does(alone, tmp_path):
    found = measured(tmp_path, ("drift", "accuracy"), workers=Processes(2, GB))
    for name, measurement in found.items():
        assert_same(measurement, alone[name])
    assert {path.name for path in (tmp_path / "shared").rglob("*.npz")} == {
        "clips.npz",
        "calibration.npz",
        "model.npz",
    }


@pytest.mark.long
def test_processes_of_an_executor_measure_every_study_alike(alone, tmp_path):
    with ProcessPoolExecutor(1) as executor:
        found = measured(tmp_path, workers=Given(executor))
    for name, measurement in found.items():
        assert_same(measurement, alone[name])


def value(campaign: Campaign, number: int) -> dict[str, int]:
    """A part; where `calls` lies in the folder, it notes that it was made."""
    with (campaign.folder / "calls").open("a") as calls:
        calls.write(f"{number}\n")
    return {"value": number}


class Squares:
    """A study of nine parts in groups of three."""

    name = "squares"

    def measure(self, campaign: Campaign) -> Measurement:
        parts = campaign.parts(
            {f"number {number}": partial(value, campaign, number) for number in range(first, first + 3)}
            for first in (0, 3, 6)
        )
        return Measurement({"values": [int(parts[f"number {number}"]["value"]) for number in range(9)]})


def test_parts_that_are_kept_are_not_made_again(tmp_path):
    with ThreadPoolExecutor(1) as thread:
        campaign = small_campaign(tmp_path, whole=True, workers=Given(thread))
        first, about = campaign.measure(Squares())
        (tmp_path / "data" / "squares.npz").unlink()
        kept = sorted((tmp_path / "parts" / "squares").iterdir())
        kept[4].unlink()
        again, about_again = campaign.measure(Squares())
    assert first.numbers == again.numbers == {"values": list(range(9))}
    assert about == about_again
    calls = (tmp_path / "calls").read_text().split()
    assert sorted(set(calls)) == [str(number) for number in range(9)]
    assert len(calls) == 9 + 1


def test_workers_of_other_code_are_refused(tmp_path, monkeypatch):
    with ThreadPoolExecutor(1) as thread:
        campaign = small_campaign(tmp_path, whole=True, workers=Given(thread))
        _ = campaign._fingerprint
        monkeypatch.setattr("cosim.figures.campaign.code_digest", lambda: "other")
        with pytest.raises(CampaignError, match="a worker has other code"):
            campaign.measure(Squares())
