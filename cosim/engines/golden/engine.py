"""The golden engine: experiments in, records out."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import combinations
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from analog_models.events import TileEvent
from cosim.engines.engine import Progress, Watch, check_experiment, perform_each
from cosim.engines.golden.memory import MASKS, Memory
from cosim.engines.golden.pads import InputLandingPad, OutputLandingPad
from cosim.engines.golden.receiver import PadShell
from cosim.engines.golden.sequencer import Issue, walk
from cosim.engines.golden.tile import AnalogBoundary
from cosim.engines.golden.wires import PLACES, Mesh, Node
from cosim.experiment import Experiment, Record, Recorder
from cosim.isa.vectors import pack_mask
from cosim.isa.words import ILP, OLP, TILE, Operation, encode
from cosim.program import Unit
from rtl.config import ChipConfig, Edge, preset
from rtl.isa import CONTROL_LATENCY, UnitKind

__all__ = ["GoldenEngine"]


class GoldenEngine:
    """The fabric as specified, in Python; jumps from one cycle in which anything happens to the next.

    Parameters
    ----------
    config : ChipConfig
        The full chip by default.
    """

    def __init__(self, config: ChipConfig | None = None) -> None:
        self.config = config or preset()

    def perform(
        self,
        experiments: Sequence[Experiment],
        *,
        progress: Progress | None = None,
        cycles: Progress | None = None,
    ) -> list[Record]:
        """Run experiments one after the other on one chip: reset before each, SRAMs keep their content.

        Parameters
        ----------
        experiments : sequence of Experiment
        progress : callable (experiments done, experiments in all), optional
        cycles : callable (cycles done, cycles at most), optional
            Called now and then within an experiment.

        Returns
        -------
        list of Record
            `statistics` has `wall_s`; `seen`, how often each thing happened, for functional coverage; `closed_loop`,
            whether switches formed a ring, whose pulses the specification leaves open; and `stored`, (OLP, slot) of
            every result.

        Raises
        ------
        ExperimentError
            If an experiment is for another chip, or asks the physics for what it cannot do.
        RunInterrupted
            On Ctrl-C; it carries what was finished, and what was going on as far as it came.
        """
        memory = Memory(self.config)

        def performed(experiment: Experiment, watch: Watch) -> tuple[Experiment, Record]:
            check_experiment(experiment, self.config)
            began = perf_counter()
            run = _Run(memory, experiment, watch)
            statistics = {**run.record.statistics, "wall_s": perf_counter() - began}
            return replace(experiment, cycles=run.stop), replace(run.record, statistics=statistics)

        return perform_each(experiments, performed, progress=progress, cycles=cycles)


class _Run:
    """One experiment from reset to record; an earlier `stop` than the experiment's if the watch says so."""

    def __init__(self, memory: Memory, experiment: Experiment, watch: Watch) -> None:
        self.memory, self.experiment, self.watch = memory, experiment, watch
        self.stop = experiment.cycles
        self.config = config = experiment.config
        self.seen: Counter[tuple] = Counter()
        self._load()
        plan = config.floorplan
        self.mesh = Mesh(config, memory.masks(), self.seen)
        self.tiles = [AnalogBoundary(config, tile, self.seen) for tile in range(config.tile_count)]
        self.ilps = [InputLandingPad(memory.vectors(Unit(ILP, i)), self.seen) for i in range(config.domain_count)]
        self.olps = [OutputLandingPad(config.lanes, config.olp_vectors, self.seen) for _ in range(config.domain_count)]
        #: What each OLP listens to: what its tile drives across that edge.
        self.heard: list[Node] = [(site.edge.value, plan.tile_index[site.square]) for site in plan.olp_sites]
        self.partners: dict[int, dict[Edge, int]] = defaultdict(dict)
        for north, south in plan.capacitor_pairs():
            self.partners[north][Edge.SOUTH], self.partners[south][Edge.NORTH] = south, north
        self.physics = Recorder(experiment.make_chip(), experiment.name)
        self.flags: dict[tuple[Unit, str], int] = {}  #: (unit, flag) -> first cycle in which it is set
        self.contention: dict[Unit, set[str]] = {}  #: places
        self.closed_loop = False
        self.stored: list[tuple[int, int]] = []  #: (OLP, slot)
        self.record = self._run()

    def _load(self) -> None:
        memory, experiment = self.memory, self.experiment
        memory.clear_masks()
        for unit in memory.units:
            memory.load_program(unit, experiment.units.get(unit) or (encode(unit.kind, Operation("HALT")),))
        for (tile, edge), mask in experiment.masks.items():
            first = list(Edge).index(edge) * memory.mask_beats
            memory.load(Unit(TILE, tile), MASKS, first, pack_mask(mask, self.config))
        for ilp, vectors in experiment.vectors.items():
            for slot, codes in enumerate(vectors):
                memory.store(Unit(ILP, ilp), slot, codes)

    def _run(self) -> Record:
        memory = self.memory
        walks = {
            unit: walk(memory.program(unit), unit.kind, self.config, self.stop, self.seen) for unit in memory.units
        }
        in_force: dict[int, list[tuple[Unit, Issue]]] = defaultdict(list)
        for unit, path in walks.items():
            if path.illegal is not None:
                self.flags[unit, "illegal"] = path.illegal
            for issue in path.issues:
                in_force[issue.cycle + CONTROL_LATENCY].append((unit, issue))
        self._elapse(in_force)
        return self._record(cycles=min(self.stop + 1, max(path.halted for path in walks.values())))

    def _record(self, cycles: int) -> Record:
        memory = self.memory
        pads: dict[UnitKind, Sequence[InputLandingPad | OutputLandingPad]] = {ILP: self.ilps, OLP: self.olps}
        statuses = {
            unit: {
                "running": 0,
                "illegal": int((unit, "illegal") in self.flags),
                "fault": int((unit, "fault") in self.flags),
                "contention": sum(1 << PLACES.index(place) for place in self.contention.get(unit, ())),
                "pointer": pads[unit.kind][unit.index].pointer if unit.kind in pads else 0,
            }
            for unit in memory.units
        }
        return Record(
            engine="golden",
            cycles=cycles,
            error_cycle=min(self.flags.values(), default=None),
            statuses=statuses,
            results={olp: memory.vectors(Unit(OLP, olp)) for olp in range(self.config.domain_count)},
            events=self.physics.events,
            crossings=self.physics.crossings,
            statistics={
                "seen": {" / ".join(map(str, key)): count for key, count in self.seen.items() if count},
                "closed_loop": self.closed_loop,
                "stored": self.stored,
            },
        )

    def _interrupt(self, now: int, in_force: dict[int, list[tuple[Unit, Issue]]]) -> None:
        """All units are stopped in cycle `now`, up to which everything has happened."""
        self.stop = max(now, 1)
        for cycle in [cycle for cycle in in_force if cycle > self.stop + CONTROL_LATENCY]:
            del in_force[cycle]
        for unit in self.memory.units:
            if self.flags.get((unit, "illegal"), 0) > self.stop + 1:
                del self.flags[unit, "illegal"]

    def _elapse(self, in_force: dict[int, list[tuple[Unit, Issue]]]) -> None:
        """Go through the cycles in which a bank takes force, a pulse rises or falls, or contention is checked."""
        agenda = sorted(in_force)
        last = max(agenda, default=0) + 1  # nothing that follows can be seen any more
        checks: set[int] = set()
        now = 0
        while agenda and agenda[0] <= last:
            cycle = heappop(agenda)
            if cycle == now:
                continue
            if self.stop == self.experiment.cycles and self.watch.interrupted(now, self.stop):
                self._interrupt(now, in_force)
                last = max(in_force, default=0) + 1
                if cycle > last:
                    break
            self._pass(now, cycle - now)
            now = cycle
            taken: set[str] = set()  # banks that take force in this cycle
            events: list[TileEvent] = []
            changes: list[int] = []  # cycles in which something rises or falls
            fired = False
            for unit, issue in in_force.get(cycle, ()):
                taken.add(issue.bank)
                match issue.bank:
                    case "MESH":
                        self.mesh.write(unit.index, issue.fields)
                    case "PULSE":
                        if self.ilps[unit.index].write(cycle, issue.fields):
                            fired = True
                            changes += self.ilps[unit.index].pulse.changes
                    case "COUNT":
                        self._count(cycle, unit, issue)
                    case bank:
                        events += self.tiles[unit.index].write(cycle, bank, issue.fields)
            if events:
                changes += self._serve(cycle, events)
            if "ARRAY" in taken:
                self._faults(cycle)
            if "MESH" in taken:
                self._judge_switches(cycle)
                checks.add(cycle + 1)
                changes.append(cycle + 1)
            if fired or cycle in checks:
                sending = [domain for domain, pad in enumerate(self.ilps) if pad.sending(cycle)]
                self._contend(cycle + 1, self.mesh.edge_contention(sending))
            self.mesh.resolve(self._sources(cycle))
            for change in changes:
                heappush(agenda, change)

    def _pass(self, now: int, cycles: int) -> None:
        """`cycles` go by from `now` on, in which nothing changes."""
        for tile in (tile for tile in self.tiles if tile.measures):
            tile.elapse(now, cycles, self.mesh.high(("rows", tile.tile)), self.mesh.high(("columns", tile.tile)))
        for pad, node in zip(self.olps, self.heard, strict=True):
            pad.elapse(cycles, self.mesh.high(node))

    def _sources(self, cycle: int) -> dict[Node, NDArray[np.bool_]]:
        sources: dict[Node, NDArray[np.bool_]] = {}
        for domain, pad in enumerate(self.ilps):
            if pad.sending(cycle):
                sources["ilp", domain] = pad.pulse.high(cycle)
        for tile in self.tiles:
            if (lanes := tile.columns_out(cycle)) is not None and lanes.any():
                sources["comparators", tile.tile] = lanes
        return sources

    def _count(self, cycle: int, unit: Unit, issue: Issue) -> None:
        pad = self.olps[unit.index]
        if stored := pad.write(issue.fields):
            self.memory.store(unit, *stored)
            self.stored.append((unit.index, stored[0]))
        if pad.illegal:
            self._flag(unit, "illegal", cycle)
        receiver = self.physics.pad_receiver(unit.index)
        if issue.fields["open"] and receiver.config.active:
            pad.shell = PadShell(receiver.reception(np.array([self.experiment.frame]), cycle))

    def _serve(self, cycle: int, events: list[TileEvent]) -> list[int]:
        """The physics serves the events of a cycle; cycles in which comparators change."""
        kinds = Counter(event.kind.name.lower() for event in events)
        for one, other in combinations(sorted(kinds), 2):
            self.seen["same cycle", f"{one} and {other}"] += 1
        for kind, count in kinds.items():
            self.seen["same cycle", f"{kind} at several tiles"] += count > 1
        changes: list[int] = []
        for tile, times in self.physics.serve(np.array([self.experiment.frame]), events).items():
            changes += self.tiles[tile].answer(cycle, times[0]).changes
        return changes

    def _faults(self, cycle: int) -> None:
        for tile in self.tiles:
            pair = self.partners.get(tile.tile, {})
            north, south = (self.tiles[pair[edge]] if edge in pair else None for edge in (Edge.NORTH, Edge.SOUTH))
            for fault in tile.faults(cycle, north, south):
                self.seen["fault", fault] += 1
                self._flag(Unit(TILE, tile.tile), "fault", cycle + 1)

    def _judge_switches(self, cycle: int) -> None:
        """New switches are in force: rings, and what the switches of one tile drive twice."""
        if self.mesh.closed_loop():
            self.closed_loop = True
            self.seen["mesh", "closed loop"] += 1
        self._contend(cycle + 2, self.mesh.inner_contention(), "switches of one tile")

    def _contend(self, cycle: int, found: Mapping[int, set[str]], drivers: str = "") -> None:
        """Contention that sets its flags in `cycle`; `drivers`, if not those of the two sides of an edge."""
        for tile, places in found.items():
            for place in places:
                self.seen["contention", place, drivers or self.mesh.beyond(tile, place)] += 1
            self.contention.setdefault(Unit(TILE, tile), set()).update(places)
            self._flag(Unit(TILE, tile), "contention", cycle)

    def _flag(self, unit: Unit, flag: str, cycle: int) -> None:
        self.flags[unit, flag] = min(cycle, self.flags.get((unit, flag), cycle))
