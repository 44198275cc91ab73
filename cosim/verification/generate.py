"""Constrained-random experiments: what a program could do to the fabric, legal or not.

An experiment is a handful of *transactions*: a vector that an ILP or a tile's comparators send along a random tree of
switches, to rows that integrate, columns that are programmed, and landing pads that count. Now and then transactions
overlap, so they contend; then the units' programs get loops, jumps and bad endings. What the analog models cannot serve
(an integration before the first precharge, more than eight capacitors, a word line that does not exist) is avoided.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.config import DEVICE_MODELS, AnalogConfig
from analog_models.programming import WeightTargets
from analog_models.reception import TransportConfig
from cosim.engines.golden.wires import SWITCHES
from cosim.experiment import Experiment
from cosim.isa.words import ILP, OLP, TILE, Operation, fields_of
from cosim.program import Unit
from cosim.verification.random_routes import Routes, Tree
from cosim.verification.steering import Steering
from rtl.config import ChipConfig, Edge
from rtl.isa import MAX_WAIT

__all__ = ["random_experiment"]

Bits = dict[str, int]


def random_experiment(config: ChipConfig, seed: int, number: int, *, weights: float = 0.05) -> Experiment:
    """Experiment `number` of the sequence that `seed` stands for; the same numbers always give the same experiment.

    Parameters
    ----------
    config : ChipConfig
    seed, number : int
    weights : float
        Share of the experiments that program weights into a tile.
    """
    return _Draw(config, np.random.default_rng((seed, number))).experiment(f"random {seed}/{number}", weights)


class _Draw:
    """One experiment in the making."""

    def __init__(self, config: ChipConfig, rng: np.random.Generator) -> None:
        self.config, self.rng = config, rng
        self.lawful = self.chance(0.5)  # sets no flag on purpose
        self.routes, self.steering = Routes(config, rng, lawful=self.lawful), Steering(config, rng, lawful=self.lawful)
        #: When a unit does what: (cycle, operation), in any order.
        self.script: dict[Unit, list[tuple[int, Operation]]] = defaultdict(list)
        #: ILPs whose codes are all 0.
        self.silent: set[int] = set()
        #: (first cycle, last cycle, switches) of each tile.
        self.setups: dict[int, list[tuple[int, int, Bits]]] = defaultdict(list)
        #: (first, last) cycles of what a part of the chip is busy with.
        self.busy: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
        pairs = list(config.floorplan.capacitor_pairs())
        self.partner = {a: (b, edge) for north, south in pairs for a, b, edge in _both_ways(north, south)}

    # ---- chances

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def number(self, low: int, high: int) -> int:
        """low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def one_of(self, things: Any) -> Any:
        return things[self.number(0, len(things) - 1)]

    def any_tile(self) -> int:
        return self.number(0, self.config.tile_count - 1)

    def any_domain(self) -> int:
        return self.number(0, self.config.domain_count - 1)

    def free(self, what: str, index: int, first: int, last: int) -> bool:
        """Whether a part is free for a while, and then takes it. To the unlawful it says so where it is not, too."""
        taken = any(first <= end and begin <= last for begin, end in self.busy[what, index])
        if taken and (self.lawful or not self.chance(0.05)):
            return False
        self.busy[what, index].append((first, last))
        return True

    # ---- an experiment

    def experiment(self, name: str, weights: float) -> Experiment:
        config = self.config
        transactions: list[Callable[[int], None]] = self.one_of(
            [
                [self.pulse],
                [self.pulse, self.readout, self.readout],
                [self.through],
                [self.through],
                [self.through],
                [self.boundary],
            ]
        )
        length = self.number(60, 900)
        for _ in range(self.number(1, 8)):
            self.one_of(transactions)(self.number(6, length))
        if not self.lawful:
            tricks = [self.lonely_share, self.change_of_mind, self.any_switches, self.against_a_pad, self.noise]
            for _ in range(self.number(0, 2)):
                self.one_of(tricks)(self.number(5, length))
            if self.chance(0.03):
                self.ring(self.number(5, length))
        self.mesh_words()
        longest = max((last for spans in self.setups.values() for _, last, _ in spans), default=length) + 300
        cycles = longest
        if self.chance(0.2):  # a stop in any cycle, or in one in which something was to be issued
            issues = [at for script in self.script.values() for at, _ in script]
            cycles = self.one_of([self.number(1, 12), self.number(1, longest), self.one_of(issues or [longest])])
        if self.chance(0.05):
            cycles += MAX_WAIT
        tiles = [unit.index for unit in self.script if unit.kind is TILE]
        programmed = tiles[: self.number(1, 2)] if self.chance(weights) else []
        experiment = Experiment(
            config,
            {unit: self.steering.program(unit, script) for unit, script in self.script.items()},
            masks=self.routes.masks,
            vectors={
                domain: self.some_vectors() * (domain not in self.silent) for domain in range(config.domain_count)
            },
            weights={tile: self.some_weights() for tile in programmed},
            analog=self.one_of([AnalogConfig.ideal(), *map(AnalogConfig.nominal, DEVICE_MODELS)]),
            seed=self.number(0, 1 << 30),
            frame=self.number(0, 1 << 20),
            cycles=cycles,
            name=name,
        )
        if self.chance(0.25):
            return replace(experiment, analog=replace(experiment.analog, transport=TransportConfig()))
        return experiment

    def some_vectors(self) -> NDArray[np.uint8]:
        lanes, rng = self.config.lanes, self.rng
        kinds: list[Callable[[], Any]] = [
            lambda: rng.integers(0, 256, lanes),
            lambda: rng.integers(0, 256, lanes) * (rng.random(lanes) < 0.1),
            lambda: np.full(lanes, self.one_of([0, 1, 127, 128, 254, 255, 255, 255])),
            lambda: rng.choice([0, 1, 2, 254, 255], lanes),
            lambda: np.arange(lanes) % 256,
        ]
        count = self.config.ilp_vectors if self.chance(0.2) else self.number(1, 3)
        return np.array([self.one_of(kinds)() for _ in range(count)], np.uint8)

    def some_weights(self) -> WeightTargets:
        shape = (self.config.total_rows, self.config.lanes)
        w = np.clip(self.rng.normal(0, 0.3, shape), -1, 1) * (self.rng.random(shape) < 0.5)
        return self.one_of([WeightTargets.balanced, WeightTargets.four_pcm])(w)

    def do(self, unit: Unit, at: int, mnemonic: str, fields: Bits) -> None:
        self.script[unit].append((max(at, 4), Operation(mnemonic, fields)))

    # ---- transactions

    def pulse(self, at: int) -> None:
        """An ILP sends a vector."""
        domain = self.any_domain()
        self.again(lambda cycle, tree: self.send(cycle, domain, tree), at, self.routes.from_ilp(domain))

    def readout(self, at: int) -> None:
        """The comparators of a tile answer a ramp."""
        tile = self.any_tile()
        self.again(lambda cycle, tree: self.answer(cycle, tile, tree), at, self.routes.from_comparators(tile))

    def through(self, at: int) -> None:
        """Pulses of an ILP or of comparators take one switch: so that each switch has its turn."""
        switch = self.one_of(list(SWITCHES))
        domain = self.any_domain() if self.chance(0.5) and not switch.startswith("columns_to") else None
        origin, tree = self.routes.through(switch, domain)
        if domain is None:
            self.again(lambda cycle, tree: self.answer(cycle, origin, tree), at, tree)
        else:
            self.again(lambda cycle, tree: self.send(cycle, domain, tree), at, tree)

    def boundary(self, at: int) -> None:
        """Several tiles do analog things on a coarse grid of cycles, so that their events meet."""
        for _ in range(self.number(2, 5)):
            tile, when = self.any_tile(), 8 + 4 * self.number(0, 6)
            match self.number(0, 3):
                case 0:
                    self.integrate(tile, when, 4 * self.number(1, 4))
                case 1:
                    self.ramp(tile, when, 4 * self.number(1, 8))
                case 2:
                    self.program(tile, when, 4 * self.number(1, 4))
                case _ if self.free("array", tile, when, when + 4):
                    self.do(Unit(TILE, tile), when, "ARRAY", {"precharge": 1})
                    self.do(Unit(TILE, tile), when + 4, "ARRAY", {})
        self.pulse(at)

    def again(self, transaction: Callable[[int, Tree], None], at: int, tree: Tree) -> None:
        """A transaction, and now and then the same once more: what is left of the first must not show."""
        transaction(at, tree)
        if self.chance(0.6):
            transaction(at + self.one_of([320, 620]) + self.number(0, 60), tree)

    def send(self, at: int, domain: int, tree: Tree) -> None:
        unit, times = Unit(ILP, domain), 3 if self.chance(0.2) else 1
        if not self.free("ilp", domain, at, at + 260 * times) or not self.set_up(at, 260 * times, tree):
            return
        advances = [0, 0, 1, 1, 1, 2, -1, -2, 127, -128, self.number(-128, 127)]
        first = {"load_pointer": int(self.chance(0.3)), "pointer": self.one_of([0, 0, 1, 2, self.number(0, 255)])}
        for i in range(times):
            last = i == times - 1
            fields = {"fire": 1, "advance": self.one_of(advances) if last else 0} | ({} if i else first)
            self.do(unit, at + i * self.one_of([254, 255, 256]), "PULSE", fields)
        if self.chance(0.1):  # ends the pulse, or does not
            self.do(unit, at + self.number(1, 200), "PULSE", {"fire": int(self.chance(0.5))})

    def answer(self, at: int, tile: int, tree: Tree) -> None:
        length = self.number(20, 560)
        if self.set_up(at, length, tree):
            if self.chance(0.7):
                self.integrate(tile, max(at - self.number(20, 200), 4), self.number(1, 150))
            self.ramp(tile, at, length)

    def set_up(self, at: int, length: int, tree: Tree) -> bool:
        """Set up a tree of switches around cycle `at`, and let its sinks look at what arrives, if there is room."""
        if not all(self.free("mesh", tile, at - 6, at + length + 20) for tile in tree.switches):
            return False
        punctual = self.chance(0.5)  # nothing is cut short
        for tile, bits in tree.switches.items():
            first = max(at - self.number(0, 6), 3) if punctual or self.chance(0.8) else at + self.number(0, 60)
            last = length + 20 if punctual or self.chance(0.7) else self.number(length // 2, length + 20)
            self.setups[tile].append((first, at + last, bits))
        for kind, index in sorted(tree.sinks):
            begin, span = max(at - self.number(0, 4), 4), length + 10
            if not punctual and self.chance(0.5):
                span = self.number(1, span)
            if not punctual and self.chance(0.3):
                begin = at + self.number(1, 40)  # while the pulses are high
            {"rows": self.integrate, "columns": self.program, "olp": self.count}[kind](index, begin, span)
        return True

    # ---- what tiles and landing pads do

    def integrate(self, tile: int, at: int, length: int) -> None:
        """Bias pulses, polarity, devices and capacitors of an integration, alone or with the tile's partner."""
        if not self.free("array", tile, at, at + length):
            return
        bank = {name: self.number(0, 1) for name in ("wp1", "wp2", "discharge")}
        bank |= {"integrate": 1, "capacitors": self.number(0, 8)}
        tiles = {tile: dict(bank)}
        partner, edge = self.partner.get(tile, (tile, Edge.NORTH))
        if partner != tile and self.chance(0.3) and self.free("array", partner, at, at + length):
            tiles[tile][f"share_{edge}"] = 1
            back = {f"share_{edge.opposite}": 1} if self.lawful or self.chance(0.9) else {}
            tiles[partner] = bank | {"capacitors": self.number(0, 8)} | back
        for index, fields in tiles.items():
            unit = Unit(TILE, index)
            if self.chance(0.5):
                bias = {f"durations[{i}]": self.one_of([0, 1, 255, self.number(0, 255)]) for i in range(8)}
                self.do(unit, at - 1 if self.chance(0.8) else at + 3, "BIAS", bias)
            self.do(unit, at, "ARRAY", fields)
            self.do(unit, at + max(length, 1), "ARRAY", {})

    def ramp(self, tile: int, at: int, length: int) -> None:
        """A ramp of any slope, and an output window that opens or closes while the comparators are high."""
        if not self.free("readout", tile, at, at + length + 2):
            return
        unit = Unit(TILE, tile)
        fields = {
            "ramp": 1,
            "ramp_start": self.one_of([60, 60, 60, 60, 150, 0, 255, self.number(0, 255)]),
            "ramp_slope": self.one_of([128, 128, 128, 128, 64, 32, 0, 255, self.number(0, 255)]),
            "output_enable": int(self.chance(0.8)),
        }
        self.do(unit, at, "READOUT", fields)
        if self.chance(0.4) or not fields["output_enable"]:
            self.do(unit, at + self.number(1, length), "READOUT", fields | {"output_enable": self.number(0, 1)})
        self.do(unit, at + length + 2, "READOUT", {"output_enable": self.number(0, 1)})

    def program(self, tile: int, at: int, length: int) -> None:
        """Programming lines."""
        if not self.free("write", tile, at, at + length):
            return
        fields = {
            "write": 1,
            "row": self.number(0, self.config.total_rows - 1),
            "device": self.number(0, 3),
            "reset": self.number(0, 1),
            "return_line": self.number(0, 255),
        }
        self.do(Unit(TILE, tile), at, "WRITE", fields)
        if self.chance(0.1):
            self.do(Unit(TILE, tile), at + 1, "WRITE", fields | {"device": self.number(0, 3)})
        self.do(Unit(TILE, tile), at + max(length, 1), "WRITE", {})

    def count(self, olp: int, at: int, length: int) -> None:
        """A window, now and then two, or one that was never opened."""
        if not self.free("olp", olp, at, at + length + 1):
            return
        unit = Unit(OLP, olp)
        place = {"load_pointer": int(self.chance(0.3)), "pointer": self.number(0, 255)}
        if self.lawful or not self.chance(0.05):
            self.do(unit, at, "COUNT", {"open": 1} | (place if self.chance(0.2) else {}))
        if self.chance(0.15):
            between = {"open": 1, "store": self.number(0, 1), "seven_bits": self.number(0, 1)}
            self.do(unit, at + self.number(1, max(length, 1)), "COUNT", between)
        last = {"open": int(self.chance(0.1)), "store": 1, "seven_bits": self.number(0, 1)}
        self.do(unit, at + length + 1, "COUNT", last | place)

    # ---- contradictions and noise

    def lonely_share(self, at: int) -> None:
        """Shares with a neighbour that does not share back, or that is not there."""
        unit = Unit(TILE, self.any_tile())
        self.do(unit, at, "ARRAY", {self.one_of(["share_north", "share_south"]): 1})
        self.do(unit, at + self.number(1, 99), "ARRAY", {})

    def change_of_mind(self, at: int) -> None:
        """Changes a signal that the integration has latched."""
        unit, bank = Unit(TILE, self.any_tile()), {"integrate": 1, "capacitors": 3}
        change = self.one_of([{"precharge": 1}, {"capacitors": 4}, {"wp1": 1}, {"wp2": 1}, {"discharge": 1}])
        self.do(unit, at, "ARRAY", bank)
        self.do(unit, at + self.number(1, 9), "ARRAY", bank | change)
        self.do(unit, at + 20, "ARRAY", {})

    def any_switches(self, at: int) -> None:
        """Switches without a plan."""
        tile = self.any_tile()
        bits = {name: self.number(0, 6) for name in SWITCHES if self.chance(0.3)}
        if self.chance(0.3):
            bits |= {name: self.number(1, 6) for name in ("net_to_south", "columns_to_south")}
        self.setups[tile].append((at, at + self.number(1, 60), bits))
        for edge in Edge:
            self.routes.mask(tile, edge)

    def ring(self, at: int) -> None:
        """Four tiles that pass pulses round: a closed loop."""
        beyond, corners = self.routes.beyond, []
        for tile in range(self.config.tile_count):
            corner = [tile]
            for edge in (Edge.EAST, Edge.SOUTH, Edge.WEST):
                corner.append(beyond.get((corner[-1], edge), -1))
            if -1 not in corner and beyond.get((corner[-1], Edge.NORTH)) == tile:
                corners.append(corner)
        last, edges = at + self.number(1, 200), (Edge.EAST, Edge.SOUTH, Edge.WEST, Edge.NORTH)
        for i, tile in enumerate(self.one_of(corners)):
            bits = {f"{edges[i - 1].opposite}_to_net": 1, f"net_to_{edges[i]}": self.one_of([1, 1, 2, 5])}
            self.setups[tile].append((at, last, bits))

    def against_a_pad(self, at: int) -> None:
        """Drives an edge against its ILP, before the pulse begins or in the middle of it."""
        domain = self.any_domain()
        if self.chance(0.4):
            self.silent.add(domain)
        site = self.config.floorplan.ilp_sites[domain]
        tile = self.config.floorplan.tile_index[site.square]
        self.do(Unit(ILP, domain), at, "PULSE", {"fire": 1})
        self.setups[tile].append((at + self.number(-20, 50), at + 200, {f"net_to_{site.edge}": self.number(1, 5)}))

    def noise(self, at: int) -> None:
        """Bank writes without a plan, word after word."""
        kind = self.one_of([TILE, ILP, OLP])
        unit = Unit(kind, self.any_tile() if kind is TILE else self.any_domain())
        for cycle in range(at, at + self.number(2, 12)):
            bank = self.one_of({TILE: ["MESH", "BIAS"], ILP: ["PULSE"], OLP: ["COUNT"]}[kind])
            fields = {part.name: part.decode(self.number(0, part.high)) for part in fields_of(kind, bank).values()}
            if bank == "MESH":
                fields = {name: self.number(0, 6) if self.chance(0.3) else 0 for name in fields}
            self.do(unit, cycle, bank, fields)

    def mesh_words(self) -> None:
        """MESH words: at each change, the switches of all routes that are set up."""
        for tile, spans in self.setups.items():
            for at in sorted({cycle for first, last, _ in spans for cycle in (first, last)}):
                bits: Bits = {}
                for first, last, more in spans:
                    if first <= at < last:
                        bits |= more
                self.do(Unit(TILE, tile), at, "MESH", bits)


def _both_ways(north: int, south: int) -> tuple[tuple[int, int, Edge], tuple[int, int, Edge]]:
    return (north, south, Edge.SOUTH), (south, north, Edge.NORTH)
