"""The small chip's gates under the benches of its RTL: sessions, random experiments, random packets, resets."""

import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import cosim.engines.rtl
from cosim.engines.rtl.build import Reporter, bench_sources, compile_simulator
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.rtl.simulator import Simulator
from cosim.engines.twin.engine import TwinEngine
from cosim.verification import verify, verify_packets
from rtl.config import preset
from rtl.synthesis import netlist
from tests.cosim.engines.codes import assert_equal

pytestmark = [pytest.mark.cosimulation, pytest.mark.long]

SMALL = preset("small")
SEED = 20


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Simulator:
    sources, parameters = bench_sources(SMALL, Reporter())
    chip = tmp_path_factory.mktemp("netlist") / "netlist.v"
    chip.write_text(netlist(sources[-1].parent))
    assert not re.search(r"reg \[[^]]*\] \S+ \[", chip.read_text()), "no memory is left"
    shells = [source for source in sources if source.suffix == ".sv"]
    control = Path(str(files(cosim.engines.rtl) / "bench.vlt"))
    return compile_simulator([control, *shells, chip], top="bench", parameters=parameters)


@pytest.fixture(scope="module")
def engine(simulator: Simulator) -> RtlEngine:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cosim.engines.rtl.engine.build", lambda *_, **__: simulator)
        return RtlEngine(SMALL)


def test_codes_are_the_twins(engine, program, chip, random_inputs) -> None:
    inputs = random_inputs(7, 16)
    with engine.open(program, chip) as gates, TwinEngine().open(program, chip) as twin:
        for frames in ([0, 1, 2], [6], [3, 4, 5]):  # a run that fills no group is followed by a reset
            assert_equal(gates.run("main", inputs[frames], frames), twin.run("main", inputs[frames], frames))


def test_random_experiments(engine) -> None:
    """Each begins with a reset."""
    result = verify(SMALL, engine, experiments=60, seed=SEED)
    assert not result.mismatches, result.mismatches
    assert result.done == 60


def test_random_packets(engine, simulator) -> None:
    state = verify(SMALL, engine, experiments=1, seed=SEED)
    verify_packets(SMALL, simulator, state, packets=200)
    assert not state.port_mismatches, state.port_mismatches
    assert state.packets >= 200


def test_the_netlist_is_of_gates(engine, program, chip) -> None:
    """What ran is another simulator than the RTL's."""
    inputs = np.zeros((1, 16))
    engine.run(program, chip, inputs)
    assert engine._simulator.command != RtlEngine(SMALL)._simulator.command
