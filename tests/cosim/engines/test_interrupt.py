"""Ctrl-C in the middle of an experiment: the record of what was done is that of a shorter run, on every engine."""

import signal
import threading

import pytest

from cosim.engines.engine import RunInterrupted, Watch
from cosim.engines.golden import GoldenEngine
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin import TwinEngine
from cosim.experiment import Experiment
from rtl.config import preset
from tests.cosim.scripts import sending

SMALL = preset("small")
ENGINES = {"golden": lambda: GoldenEngine(SMALL), "twin": TwinEngine, "rtl": lambda: RtlEngine(SMALL)}


@pytest.fixture(params=["golden", "twin", pytest.param("rtl", marks=pytest.mark.cosimulation)])
def engine(request: pytest.FixtureRequest):
    return ENGINES[request.param]()


def endless(cycles: int) -> Experiment:
    """Pulses into a tile and counters, over and over."""
    return sending(
        cycles=cycles,
        longest=20,
        ilp_0="again: PULSE fire, advance=1, wait=59; JUMP again",
        tile_0="MESH west_to_net=all, west_to_rows=all, net_to_south=all; ARRAY precharge; ARRAY capacitors=8;"
        "again: ARRAY integrate, wp1, capacitors=8, wait=40; ARRAY capacitors=8; JUMP again",
        tile_2="MESH north_to_net=all, net_to_west=all; HALT",
        olp_0="again: COUNT open, wait=99; COUNT store; JUMP again",
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that says at every look how far the run is."""
    monkeypatch.setattr("cosim.engines.engine._LOOK_S", -1.0)


def test_what_was_done_is_a_shorter_run(engine, impatient) -> None:
    seen: list[tuple[int, int]] = []

    def interrupt(done: int, total: int) -> None:
        seen.append((done, total))
        if done > 1000:
            signal.raise_signal(signal.SIGINT)

    whole = endless(cycles=200_000)
    with pytest.raises(RunInterrupted) as caught:
        engine.perform([endless(cycles=500), whole], cycles=interrupt)
    assert len(caught.value.results) == 1
    assert seen[-1][1] == whole.cycles
    experiment, record = caught.value.partial
    assert 500 < experiment.cycles < whole.cycles
    assert record.events
    again = GoldenEngine(SMALL).perform([endless(cycles=500), experiment])[1]
    assert again.difference(record) is None


def test_all_engines_give_the_same_record_at_the_limit(engine) -> None:
    experiment = endless(cycles=1234)
    (record,) = engine.perform([experiment])
    (golden,) = GoldenEngine(SMALL).perform([experiment])
    assert record.cycles == 1235
    assert golden.difference(record) is None


# ---- the watch


def test_a_second_ctrl_c_ends_at_once() -> None:
    with Watch() as watch:
        signal.raise_signal(signal.SIGINT)
        assert watch.interrupted(1, 2)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_ctrl_c_after_the_last_question_is_not_lost() -> None:
    with Watch() as watch:
        watch.check([])
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(RunInterrupted):
            watch.check([])


def test_handlers_of_others_stay_in_place() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Watch() as watch:
            signal.raise_signal(signal.SIGINT)
            assert not watch.interrupted(1, 2)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_has_no_signals() -> None:
    problems: list[BaseException] = []

    def watch() -> None:
        try:
            with Watch() as watching:
                assert not watching.interrupted(1, 2)
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert not problems
