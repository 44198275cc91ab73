"""Random experiments on the golden model and on another engine, block by block."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Protocol

from cosim.engines.golden import GoldenEngine
from cosim.engines.rtl.agents.errors import ChipError
from cosim.engines.rtl.simulator import SimulationError, Simulator
from cosim.experiment import Experiment, ExperimentError, Record
from cosim.verification.compare import differences
from cosim.verification.coverage import Coverage, bins
from cosim.verification.generate import random_experiment
from cosim.verification.packets import random_packets, verify_port
from cosim.verification.shrink import shrink
from rtl.config import ChipConfig

__all__ = ["Engine", "Mismatch", "Verification", "compare", "smallest", "verify", "verify_packets"]

#: Packets of one sequence; the state of the port lives no longer.
_PACKETS = 250
_CLOSED_LOOP = "mesh / closed loop"


class Engine(Protocol):
    """Whatever performs experiments: `RtlEngine`, or a model under test."""

    def perform(self, experiments: Sequence[Experiment]) -> list[Record]: ...


@dataclass(frozen=True)
class Mismatch:
    """An experiment in which the engine differs from the golden model.

    Parameters
    ----------
    number : int
        Of the experiment; with the seed it says which one it is.
    difference : str
        The first one, in words.
    session : tuple of Experiment
        What to perform to see it, the failing experiment last. One experiment, if it fails alone; none, if it was
        found in an earlier run.
    """

    number: int
    difference: str
    session: tuple[Experiment, ...]


@dataclass
class Verification:
    """How far a verification has come, and what it found.

    Parameters
    ----------
    seed : int
    following : int
        Number of the next experiment.
    coverage : Coverage
    mismatches : list of Mismatch
    done, closed_loops, cycles, packets : int
        Experiments compared; those of them that closed a loop, of which only flags were compared; cycles of programs;
        random packets on the host port.
    port_mismatches : list of str
        Differences in the answers of the host port.
    wall_s : float
    interrupted : bool
        Ctrl-C ended it before all was done.
    """

    seed: int
    following: int
    coverage: Coverage
    mismatches: list[Mismatch] = field(default_factory=list)
    done: int = 0
    closed_loops: int = 0
    cycles: int = 0
    packets: int = 0
    port_mismatches: list[str] = field(default_factory=list)
    wall_s: float = 0.0
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing was found so far."""
        return not self.found

    @property
    def found(self) -> int:
        """How many differences there were so far, of experiments and of the host port."""
        return len(self.mismatches) + len(self.port_mismatches)

    @classmethod
    def from_json(cls, config: ChipConfig, values: Mapping[str, Any]) -> "Verification":
        """Go on where `to_json` left off; of mismatches it knows what they were, not their sessions."""
        state = cls(values["seed"], values["following"], Coverage(bins(config)))
        state.coverage.add(values["hits"])
        state.done, state.packets, state.cycles = values["experiments"], values["packets"], values["cycles"]
        state.closed_loops, state.wall_s = values["closed_loops"], values["wall_s"]
        state.mismatches = [Mismatch(one["number"], one["difference"], ()) for one in values["mismatches"]]
        state.port_mismatches = list(values["port_mismatches"])
        return state

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values, for a report and for `from_json`."""
        return {
            "seed": self.seed,
            "experiments": self.done,
            "following": self.following,
            "packets": self.packets,
            "closed_loops": self.closed_loops,
            "cycles": self.cycles,
            "wall_s": self.wall_s,
            "mismatches": [{"number": one.number, "difference": one.difference} for one in self.mismatches],
            "port_mismatches": self.port_mismatches,
            "coverage": self.coverage.share,
            "holes": self.coverage.holes,
            "hits": dict(sorted(self.coverage.hits.items())),
        }


def compare(
    config: ChipConfig, engine: Engine, experiments: Sequence[Experiment]
) -> tuple[list[Record], list[str | None]]:
    """The golden model's records of a session, and the first difference of each from the engine's.

    If the engine does not get through the session, every experiment is tried in a session of its own.

    Raises
    ------
    ExperimentError
        If the golden model asks the physics for what it cannot do; if the engine does, that is a difference.
    """
    golden = GoldenEngine(config)
    expected = golden.perform(experiments)
    try:
        return expected, differences(expected, engine.perform(experiments))
    except (ChipError, SimulationError, ExperimentError) as error:
        if len(experiments) == 1:
            return expected, [f"{type(error).__name__}: {error}"]
    alone = [compare(config, engine, [experiment]) for experiment in experiments]
    return [records[0] for records, _ in alone], [found[0] for _, found in alone]


def verify(
    config: ChipConfig,
    engine: Engine,
    *,
    experiments: int,
    seed: int = 0,
    block: int = 20,
    weights: float = 0.05,
    state: Verification | None = None,
    each: Callable[[Verification], None] | None = None,
) -> Verification:
    """Perform random experiments on both and compare every code, flag, cycle and event.

    Parameters
    ----------
    config : ChipConfig
    engine : Engine
        For the same chip.
    experiments : int
        How many more.
    seed : int
        With its number it determines an experiment.
    block : int
        Experiments of one session.
    weights : float
        Share of the experiments that program weights, which takes a while.
    state : Verification, optional
        Where to go on; a new one by default.
    each : callable (Verification), optional
        Called after each block.

    Returns
    -------
    Verification
        Also on Ctrl-C, with `interrupted` set and all blocks that were finished; at once, if it is set already.
    """
    state = state or Verification(seed, 0, Coverage(bins(config)))
    last = state.following + experiments
    while state.following < last and not state.interrupted:
        began = perf_counter()
        numbers = range(state.following, min(state.following + block, last))
        chosen = [random_experiment(config, state.seed, number, weights=weights) for number in numbers]
        try:
            expected, found = compare(config, engine, chosen)
            mismatches: list[Mismatch] = []
            for i, text in enumerate(found):
                if text is not None:
                    session = _culprits(config, engine, chosen[: i + 1])
                    # One that does not fail alone, behind one that failed, may only show what that left in the SRAMs.
                    if len(session) == 1 or not mismatches:
                        mismatches.append(Mismatch(numbers[i], text, session))
        except KeyboardInterrupt:
            state.interrupted = True
            break
        for record in expected:
            closed_loop = record.statistics["closed_loop"]
            # Hits of what was compared: with a closed loop that is little.
            state.coverage.add({_CLOSED_LOOP: 1} if closed_loop else record.statistics["seen"])
            state.closed_loops += closed_loop
            state.cycles += record.cycles
        state.mismatches += mismatches
        state.done += len(chosen)
        state.following = numbers.stop
        state.wall_s += perf_counter() - began
        if each is not None:
            each(state)
    return state


def verify_packets(
    config: ChipConfig,
    simulator: Simulator,
    state: Verification,
    *,
    packets: int,
    each: Callable[[Verification], None] | None = None,
) -> None:
    """Send random packets, good and bad, to the host port, until `state` has so many of them; compare every answer.

    They go in sequences, each after a reset; half of the sequences meet back-pressure on both channels. On Ctrl-C the
    sequences that were finished are kept, and `state.interrupted` is set.
    """
    while state.packets < packets:
        began = perf_counter()
        number, count = state.packets // _PACKETS, min(_PACKETS, packets - state.packets)
        chosen = random_packets(config, state.seed + number, count)
        try:
            difference, seen = verify_port(config, simulator, chosen, pause=0.3 * (number % 2))
        except KeyboardInterrupt:
            state.interrupted = True
            return
        if difference is not None:
            state.port_mismatches.append(f"seed {state.seed + number}: {difference}")
        state.coverage.add(seen)
        state.packets += count
        state.wall_s += perf_counter() - began
        if each is not None:
            each(state)


def _culprits(config: ChipConfig, engine: Engine, session: list[Experiment]) -> tuple[Experiment, ...]:
    """The last experiment alone, if it fails alone; else the session up to it, whose SRAM contents it met."""
    alone = compare(config, engine, session[-1:])[1][0]
    return tuple(session[-1:] if alone else session)


def smallest(
    config: ChipConfig, engine: Engine, mismatch: Mismatch, progress: Callable[[str], None] | None = None
) -> Mismatch:
    """The mismatch with its experiment made as small as possible; one that does not fail alone stays as it is."""
    if len(mismatch.session) != 1:
        return mismatch
    golden = GoldenEngine(config)

    def fails(experiments: Sequence[Experiment]) -> list[bool]:
        try:
            return [difference is not None for difference in compare(config, engine, experiments)[1]]
        except ExperimentError:  # a word less may be a precharge less, and nothing for the physics
            if len(experiments) == 1:
                return [False]
        possible = [_is_possible(golden, experiment) for experiment in experiments]
        found = iter(fails([one for one, good in zip(experiments, possible, strict=True) if good]))
        return [good and next(found) for good in possible]

    small = replace(shrink(mismatch.session[0], fails, progress=progress), name=f"{mismatch.session[0].name}, shrunk")
    return Mismatch(mismatch.number, compare(config, engine, [small])[1][0] or mismatch.difference, (small,))


def _is_possible(golden: GoldenEngine, experiment: Experiment) -> bool:
    """Whether the physics can serve it."""
    try:
        golden.perform([experiment])
    except ExperimentError:
        return False
    return True
