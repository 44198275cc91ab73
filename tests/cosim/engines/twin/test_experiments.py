"""The twin on experiments: what it runs is what the golden model runs; what it refuses is what that flags."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from cosim.engines.golden import GoldenEngine
from cosim.engines.twin.engine import TwinEngine
from cosim.experiment import Experiment, ExperimentError, Record
from cosim.verification.generate import random_experiment
from rtl.config import preset
from tests.cosim.scripts import units

SMALL = preset("small")
SEED = 20261122


def golden(experiments: list[Experiment]) -> list[Record]:
    return GoldenEngine(experiments[0].config).perform(experiments)


def test_random_experiments() -> None:
    """Legal ones have equal records, alone and in a session; illegal ones are refused. The seed is `SEED`."""
    seen: Counter[str] = Counter()
    legal = []
    for number in range(100):
        experiment = random_experiment(SMALL, SEED, number)
        (expected,) = golden([experiment])
        try:
            (record,) = TwinEngine().perform([experiment])
        except ExperimentError:
            record = None
        illegal = expected.flagged or expected.statistics["closed_loop"]
        assert illegal == (record is None), experiment.name
        if record is None:
            seen["refused"] += 1
        else:
            assert record.difference(expected) is None, experiment.name
            seen["ran"] += 1
            legal.append(experiment)
    assert min(seen["ran"], seen["refused"]) > 25, seen
    for record, expected in zip(TwinEngine().perform(legal), golden(legal), strict=True):
        assert record.difference(expected) is None, "in one session"


def test_srams_outlast_their_experiment() -> None:
    route = {
        "tile_0": "MESH west_to_net=all, net_to_south=all; HALT",
        "tile_2": "MESH north_to_net=all, net_to_west=all; HALT",
    }
    send = {
        "ilp_0": "PULSE fire, advance=1; @50 PULSE fire; HALT",
        "olp_0": "COUNT open; @50 COUNT store, open; @99 COUNT store; HALT",
    }
    first = replace(experiment(**route, **send), vectors={0: np.array([[1] * 16, [2] * 16], np.uint8)})
    second = replace(experiment(**route, **send), vectors={0: np.array([[3] * 16], np.uint8)})
    session = [first, second, experiment(**route)]
    records = TwinEngine().perform(session)
    assert [record.results[0][:3, 0].tolist() for record in records] == [[1, 2, 0], [3, 2, 0], [3, 2, 0]]
    for record, expected in zip(records, golden(session), strict=True):
        assert record.difference(expected) is None


def experiment(cycles: int = 100, **listings: str) -> Experiment:
    return Experiment(SMALL, units(**listings), cycles=cycles)


@pytest.mark.parametrize("stop", [1, 2, 49, 50, 51, 52, 99])
def test_stop_in_any_cycle(stop: int) -> None:
    """Levels that the stop leaves high end in no event; what issues in its cycle takes force."""
    job = experiment(
        stop,
        tile_0="MESH west_to_rows=all; ARRAY precharge; @10 ARRAY; @20 ARRAY integrate, wp1; @50 ARRAY; @99 NOP; HALT",
        ilp_0="@20 PULSE fire, advance=3; @30 PULSE load_pointer, pointer=9; HALT",
        olp_1="again: @5 COUNT open; @10 COUNT store; @11 JUMP again",
    )
    job = replace(job, vectors={0: np.full((1, SMALL.lanes), 99, np.uint8)})
    assert TwinEngine().perform([job])[0].difference(golden([job])[0]) is None


def test_experiments_for_two_chips() -> None:
    with pytest.raises(ExperimentError, match="other is for another chip than"):
        TwinEngine().perform([experiment(), Experiment(preset(), {}, name="other")])


def test_no_experiments_no_records() -> None:
    assert TwinEngine().perform([]) == []


def test_progress() -> None:
    seen = []
    TwinEngine().perform([experiment(), experiment()], progress=lambda *now: seen.append(now))
    assert seen == [(1, 2), (2, 2)]
