"""The golden model against the RTL on random experiments, and whether such a comparison finds bugs at all."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import cosim.engines.golden.port
import cosim.engines.golden.tile
import cosim.verification.command
import cosim.verification.runner
from cosim.cli import main
from cosim.engines.golden import GoldenEngine, Memory
from cosim.engines.golden.pads import OutputLandingPad, Pulse
from cosim.engines.golden.tile import AnalogBoundary
from cosim.engines.golden.wires import Mesh
from cosim.engines.rtl import build
from cosim.engines.rtl.agents.errors import ChipError
from cosim.engines.rtl.engine import RtlEngine
from cosim.experiment import Experiment, Record
from cosim.isa.words import OLP
from cosim.program.listing import parse_listing
from cosim.verification import (
    Coverage,
    Mismatch,
    Verification,
    bins,
    random_experiment,
    smallest,
    verify,
    verify_packets,
)
from cosim.verification.compare import differences
from cosim.verification.packets import expected_answers, random_packets
from cosim.verification.runner import compare
from rtl.config import ChipConfig, preset
from rtl.isa import RAMP_LATENCY
from tests.cosim.scripts import IN_EITHER_SIMULATOR

SMALL = preset("small")


# ---- random experiments and coverage


def test_an_experiment_is_determined_by_seed_and_number() -> None:
    one, other = (random_experiment(SMALL, 3, 14, weights=1.0) for _ in range(2))
    assert one.units == other.units
    assert (one.cycles, one.seed, one.frame, one.analog) == (other.cycles, other.seed, other.frame, other.analog)
    for ilp, codes in one.vectors.items():
        np.testing.assert_array_equal(codes, other.vectors[ilp])
    assert one.units != random_experiment(SMALL, 3, 15).units
    assert one.units != random_experiment(SMALL, 4, 14).units


def test_the_golden_model_counts_nothing_that_is_no_bin() -> None:
    known = {name for names in bins(SMALL).values() for name in names}
    assert len(known) == sum(map(len, bins(SMALL).values()))
    engine, coverage = GoldenEngine(SMALL), Coverage(bins(SMALL))
    for number in range(40):
        (record,) = engine.perform([random_experiment(SMALL, 0, number, weights=0)])
        assert set(record.statistics["seen"]) <= known
        coverage.add(record.statistics["seen"])
    assert 0.4 < coverage.share < 1
    assert set(coverage.holes) == known - set(coverage.hits)


def test_about_half_of_the_experiments_break_no_rule() -> None:
    engine = GoldenEngine(SMALL)
    records = engine.perform([random_experiment(SMALL, 1, number, weights=0) for number in range(60)])
    assert 15 <= sum(record.error_cycle is None for record in records) <= 45


# ---- would it find a bug?


class Mutant:
    """The golden model with something replaced while it performs."""

    def __init__(self, patch: pytest.MonkeyPatch, target: Any, name: str, value: Any) -> None:
        self._patch, self._what = patch, (target, name, value)

    def perform(self, experiments: Sequence[Experiment]) -> list[Record]:
        with self._patch.context() as patch:
            patch.setattr(*self._what)
            return GoldenEngine(experiments[0].config).perform(experiments)


def _after(method: Callable[..., Any], change: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *arguments: change(self, method(self, *arguments))


def _drop(places: dict[int, set[str]], place: str) -> dict[int, set[str]]:
    return {tile: found - {place} for tile, found in places.items()}


def _high_for_longer(pulse: Pulse, cycle: int) -> Any:
    return (pulse.start <= cycle) & (cycle - pulse.start <= pulse.times)


def _count_all(pad: OutputLandingPad, cycles: int, high: Any) -> None:
    pad.count += cycles * high


def _eight_bits(pad: OutputLandingPad, seven_bits: int) -> Any:
    return np.minimum(pad.count, 255).astype(np.uint8)


MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "pulses one cycle longer": (Pulse, "high", _high_for_longer),
    "comparators one cycle early": (cosim.engines.golden.tile, "RAMP_LATENCY", RAMP_LATENCY - 1),
    "seven bits are eight": (OutputLandingPad, "_codes", _eight_bits),
    "counters go on after a falling edge": (OutputLandingPad, "elapse", _count_all),
    "masks survive reset": (Memory, "clear_masks", lambda memory: None),
    "rows never contend": (
        Mesh,
        "inner_contention",
        _after(Mesh.inner_contention, lambda mesh, places: _drop(places, "rows")),
    ),
    "an ILP contends with nobody": (Mesh, "edge_contention", lambda mesh, sending: {}),
    "share_south is never alone": (
        AnalogBoundary,
        "faults",
        _after(AnalogBoundary.faults, lambda tile, found: found - {"share_south alone"}),
    ),
}


def found(engine: Mutant) -> Mismatch:
    """The first mismatch that random experiments find."""
    state = Verification(0, 0, Coverage(bins(SMALL)))
    while not state.mismatches and state.done < 200:
        verify(SMALL, engine, experiments=20, weights=0, state=state)
    return state.mismatches[0]


@pytest.mark.parametrize("bug", MUTANTS)
def test_a_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(Mutant(monkeypatch, *MUTANTS[bug])).difference


@pytest.mark.parametrize("bug", ["rows never contend", "share_south is never alone"])
def test_a_failing_experiment_becomes_small(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Mutant(monkeypatch, *MUTANTS[bug])
    mismatch = found(engine)
    small = smallest(SMALL, engine, mismatch)
    (experiment,) = small.session
    assert sum(map(len, experiment.units.values())) == 1  # one MESH word, or one ARRAY word
    assert compare(SMALL, engine, [experiment])[1] == [small.difference]
    assert compare(SMALL, GoldenEngine(SMALL), [experiment])[1] == [None]


def test_the_command_prints_what_fails_and_saves_it_made_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    buggy = Mutant(monkeypatch, *MUTANTS["rows never contend"])
    monkeypatch.setattr(cosim.verification.command, "RtlEngine", lambda config, **options: buggy)
    monkeypatch.setattr(cosim.verification.command, "build", lambda config, **options: None)
    options = ["--preset=small", "--packets=0", "--weights=0", f"--save={tmp_path / 'failing'}"]
    result = CliRunner().invoke(main, ["verify", *options, "--experiments=20"])
    assert result.exit_code == 1, result.output
    (path,) = {Path(saved) for saved in re.findall(r"saved as (\S+)", result.output)}
    (words,) = Experiment.load(path).units.values()
    assert len(words) == 1
    assert re.search(r"== TILE \d ==\n.*MESH .*_to_rows=", result.output)
    again = CliRunner().invoke(main, ["verify", str(path)])
    assert again.exit_code == 1
    assert f"{path}: " in again.output
    assert "contention" in again.output


def test_a_bug_that_needs_the_session_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Mutant(monkeypatch, *MUTANTS["masks survive reset"])
    mismatch = found(engine)
    assert len(mismatch.session) > 1
    assert smallest(SMALL, engine, mismatch) is mismatch
    assert compare(SMALL, engine, mismatch.session)[1][-1] == mismatch.difference


def test_what_a_failure_leaves_behind_is_no_failure() -> None:
    class Spoils:
        """Experiment 2 stores a wrong code, which stays in the SRAM."""

        def perform(self, experiments: Sequence[Experiment]) -> list[Record]:
            records, spoilt = [], False
            for experiment, record in zip(experiments, GoldenEngine(SMALL).perform(experiments), strict=True):
                spoilt |= experiment.name.endswith("/2")
                codes = np.array(record.results[0])
                codes[-1, -1] ^= spoilt
                records.append(replace(record, results={**record.results, 0: codes}))
            return records

    state = verify(SMALL, Spoils(), experiments=6, weights=0)
    assert [(one.number, len(one.session)) for one in state.mismatches] == [(2, 1)]


def test_an_engine_that_gives_up_is_a_mismatch() -> None:
    class Hangs:
        def perform(self, experiments: Sequence[Experiment]) -> list[Record]:
            if len(experiments) > 1 or experiments[0].name.endswith("/3"):
                raise ChipError("still busy")
            return GoldenEngine(SMALL).perform(experiments)

    state = verify(SMALL, Hangs(), experiments=6, weights=0)
    assert [(one.number, one.difference) for one in state.mismatches] == [(3, "ChipError: still busy")]


def test_pulses_of_closed_loops_are_not_compared() -> None:
    ring = """
== TILE 0 ==
MESH west_to_net=all, south_to_net=all, net_to_east=all, net_to_south=all
HALT
== TILE 1 ==
MESH west_to_net=all, net_to_south=all
HALT
== TILE 3 ==
MESH north_to_net=all, net_to_west=all
HALT
== TILE 2 ==
MESH north_to_net=all, east_to_net=all, net_to_north=all, net_to_west=all
HALT
== ILP 0 ==
@10 PULSE fire
HALT
== OLP 0 ==
@5 COUNT open
@300 COUNT store
HALT
"""
    vectors = {0: np.full((1, SMALL.lanes), 9, np.uint8)}
    loop = Experiment(SMALL, parse_listing(ring, SMALL), vectors=vectors, cycles=400)
    nothing = Experiment(SMALL, {}, cycles=5)
    store = parse_listing("== OLP 0 ==\nCOUNT open\nCOUNT store\nHALT", SMALL)
    again = Experiment(SMALL, store, cycles=50)
    golden = GoldenEngine(SMALL).perform([loop, nothing, again, nothing])
    assert golden[0].statistics["closed_loop"]

    def other(record: Record, slot_0: int) -> Record:
        codes = np.array(record.results[0])
        codes[0] = slot_0
        return replace(record, results={**record.results, 0: codes})

    assert differences(golden, [other(golden[0], 77), other(golden[1], 77), *golden[2:]]) == [None] * 4
    assert differences(golden, [*golden[:3], other(golden[3], 77)])[3] is not None  # stored anew
    flags = {unit: {**status, "contention": 0} for unit, status in golden[0].statuses.items()}
    assert differences(golden, [replace(golden[0], statuses=flags), *golden[1:]])[0] is not None


def test_a_verification_goes_on_where_it_was() -> None:
    engine = GoldenEngine(SMALL)
    whole = verify(SMALL, engine, experiments=12, seed=5, weights=0, block=4)
    part = verify(SMALL, engine, experiments=8, seed=5, weights=0, block=4)
    part = Verification.from_json(SMALL, json.loads(json.dumps(part.to_json())))
    verify(SMALL, engine, experiments=4, seed=5, weights=0, block=4, state=part)
    assert part.coverage.hits == whole.coverage.hits
    assert (part.done, part.following, part.cycles) == (12, 12, whole.cycles)
    part.mismatches.append(Mismatch(3, "something", ()))
    again = Verification.from_json(SMALL, part.to_json())
    assert not again.passed  # a mismatch is not forgotten


def test_an_interrupt_keeps_what_was_finished() -> None:
    class Interrupted:
        def perform(self, experiments: Sequence[Experiment]) -> list[Record]:
            if experiments[0].name.endswith("/4"):
                raise KeyboardInterrupt
            return GoldenEngine(SMALL).perform(experiments)

    state = verify(SMALL, Interrupted(), experiments=12, weights=0, block=4)
    assert (state.interrupted, state.done, state.following) == (True, 4, 4)


@pytest.mark.parametrize("count", [0, 1, 20, 250])
def test_as_many_packets_as_asked_for(count: int) -> None:
    """And behind them the reads of everything, the same ones for any count."""
    reads = random_packets(SMALL, 0, 0)
    packets = random_packets(SMALL, 3, count)
    assert len(packets) == count + len(reads)
    assert packets[count:] == reads


def test_packets_go_on_to_their_number_and_end_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    def verify_port(config: ChipConfig, simulator: object, packets: Sequence[list[int]], pause: float) -> Any:
        if len(sent) == 2:
            raise KeyboardInterrupt
        sent.append(len(packets) - len(random_packets(SMALL, 0, 0)))
        return ("beat 0 differs" if len(sent) == 2 else None), {}

    monkeypatch.setattr(cosim.verification.runner, "verify_port", verify_port)
    state = Verification(0, 0, Coverage(bins(SMALL)))
    verify_packets(SMALL, None, state, packets=300)  # type: ignore[arg-type]
    assert (sent, state.packets, state.found) == ([250, 50], 300, 1)
    verify_packets(SMALL, None, state, packets=300)  # type: ignore[arg-type]
    assert not state.interrupted
    verify_packets(SMALL, None, state, packets=301)  # type: ignore[arg-type]
    assert (state.packets, state.interrupted) == (300, True)
    assert verify(SMALL, GoldenEngine(SMALL), experiments=3, state=state).done == 0


def test_a_port_that_forgets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    packets = random_packets(SMALL, 0, 100)
    before, _ = expected_answers(SMALL, packets)
    monkeypatch.setitem(cosim.engines.golden.port.ACCESS, (OLP.value, 2), "rw")
    after, _ = expected_answers(SMALL, packets)
    assert before != after


# ---- the RTL


def rtl(config: ChipConfig, experiments: int, packets: int, seed: int, **options: Any) -> Verification:
    print(f"verification of seed {seed}")
    state = verify(config, RtlEngine(config), experiments=experiments, seed=seed, **options)
    if packets:
        verify_packets(config, build(config), state, packets=packets)
    assert [(one.number, one.difference) for one in state.mismatches] == []
    assert state.port_mismatches == []
    assert state.done == experiments
    return state


@pytest.mark.cosimulation
def test_small_chip() -> None:
    state = rtl(SMALL, 40, 500, seed=1)
    # Some bins need more than so few experiments; the host port's do not.
    assert not [hole for hole in state.coverage.holes if hole.startswith("host")]


@IN_EITHER_SIMULATOR
@pytest.mark.cosimulation
def test_small_chip_in_either_simulator(tool: str) -> None:
    state = verify(SMALL, RtlEngine(SMALL, tool=tool), experiments=12, seed=4)
    assert [(one.number, one.difference) for one in state.mismatches] == []


@pytest.mark.chip
@pytest.mark.cosimulation
@pytest.mark.xdist_group("chip")
def test_full_chip() -> None:
    rtl(preset(), 10, 0, seed=2, weights=0)


@pytest.mark.long
@pytest.mark.chip
@pytest.mark.cosimulation
@pytest.mark.xdist_group("chip")
def test_full_chip_covers_every_bin() -> None:
    state = rtl(preset(), 500, 1000, seed=0)
    assert state.coverage.holes == []


@pytest.mark.cosimulation
def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    arguments = [
        "verify",
        "--preset",
        "small",
        "--packets",
        "20",
        "--block",
        "2",
        "--weights",
        "0",
        "--json",
        str(file),
    ]
    runner = CliRunner()
    result = runner.invoke(main, [*arguments, "--experiments", "3", "--html", str(tmp_path / "page.html")])
    assert result.exit_code == 0, result.output
    assert "3 experiments on small" in result.output
    assert "20 packets" in result.output
    assert "0 mismatches" in result.output
    assert "<dt>packets</dt><dd>20</dd>" in (tmp_path / "page.html").read_text()
    values = json.loads(file.read_text())
    assert (values["experiments"], values["following"], values["mismatches"]) == (3, 3, [])
    result = runner.invoke(main, [*arguments, "--experiments", "1", "--packets", "30", "--resume"])
    assert result.exit_code == 0, result.output
    values = json.loads(file.read_text())
    assert (values["experiments"], values["packets"]) == (4, 30)
    assert "seed 0" in runner.invoke(main, [*arguments, "--resume", "--seed", "9"]).output
    saved = tmp_path / "one.npz"
    random_experiment(SMALL, 0, 0, weights=0).save(saved)
    result = runner.invoke(main, ["verify", str(saved)])
    assert (result.exit_code, result.output) == (0, f"{saved}: no difference\n")
