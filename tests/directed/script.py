"""Directed experiments, written step by step: routes, pulses, integrations, ramps, as assembly of every unit.

A step has 300 cycles, as the paper's. Within it, whatever the source, pulses begin in cycle 20 and are over by 275:

=====  ==========================================================
issue  instruction
=====  ==========================================================
0      MESH of every tile whose switches change
1      BIAS
2, 14  ARRAY precharge on, off
10     READOUT ramp; the event is in cycle 12, pulses from 20
14     COUNT open; counts from cycle 16
16     ARRAY integrate, WRITE write; in force in cycle 18
18     PULSE fire; pulses from cycle 20
18+a   READOUT output_enable; open from cycle 20 + a
18+b   READOUT off; shut from cycle 20 + b
280    ARRAY, WRITE off; the event is in cycle 282
284    COUNT store; counts to cycle 285
=====  ==========================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.programming import WeightTargets
from cosim.experiment import Experiment
from cosim.isa.assembler import assemble
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from rtl.config import Edge, Square, preset

CHIP = preset()
PLAN = CHIP.floorplan
LANES = CHIP.lanes
STEP = 300
PATTERNS = ("none", "all", "even", "odd", "low", "high", "custom")

Codes = NDArray[np.integer]
#: Switches of some tiles: {square: {switch: pattern}}.
Way = dict[Square, dict[str, str]]


@dataclass(frozen=True)
class Case:
    """An experiment, and what must come of it.

    Parameters
    ----------
    experiment : Experiment
    results : mapping of domain to (n, lanes) codes
        Results 0 to n - 1 of the domain's OLP, computed without any engine.
    steps : mapping of cycle to caption
        The panels of the picture; without any there is none.
    about : str
        What it shows.
    """

    experiment: Experiment
    results: Mapping[str, Codes]
    steps: Mapping[int, str] = field(default_factory=dict)
    about: str = ""

    @property
    def name(self) -> str:
        return self.experiment.name

    @property
    def slug(self) -> str:
        """The name as a file name."""
        return "-".join(self.name.lower().replace(",", "").split())


def tile(square: Square) -> Unit:
    return Unit(TILE, PLAN.tile_index[square])


def pad(name: str) -> Unit:
    """``pad("ILP SW")``"""
    kind, domain = name.split()
    return Unit({"ILP": ILP, "OLP": OLP}[kind], PLAN.domains.index(domain))


def along(*stops: Square | str) -> Way:
    """Switches for a way of all lanes over the nets of neighbouring tiles.

    ``along("ILP SW", (4, 0), (5, 0), "OLP SW")``. The first stop may be an ILP, "columns" (OUT-from-col of the next
    one) or "straight" (the same, past the net to the tile in the south); the last an OLP, "rows" or "columns"
    (IN-to-row, IN-to-col of the one before).
    """
    way: Way = {}
    squares = [stop for stop in stops if not isinstance(stop, str)]
    first, last = stops[0], stops[-1]

    def switch(square: Square, name: str) -> None:
        way.setdefault(square, {})[name] = "all"

    if first == "straight":
        switch(squares[0], "columns_to_south")
        switch(squares[1], "north_to_net")
        del squares[0]
    elif isinstance(first, str):
        name = first if first == "columns" else PLAN.ilp_sites[pad(first).index].edge
        switch(squares[0], f"{name}_to_net")
    for here, there in pairwise(squares):
        edge = next(edge for edge in Edge if PLAN.neighbour(here, edge) == there)
        switch(here, f"net_to_{edge}")
        switch(there, f"{edge.opposite}_to_net")
    if isinstance(last, str):
        name = PLAN.olp_sites[pad(last).index].edge if last.startswith("OLP") else last
        switch(squares[-1], f"net_to_{name}")
    return way


class Script:
    """Collects the instructions of every unit, and what the host loads.

    Members
    -------
    issues : dict of Unit to {cycle: instruction}
    vectors : dict of Unit to list of (lanes,) codes
        What each ILP sends, in order.
    weights, masks : as of `Experiment`
    steps : int
        Length so far.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.issues: dict[Unit, dict[int, str]] = {}
        self.vectors: dict[Unit, list[Codes]] = {}
        self.weights: dict[int, WeightTargets] = {}
        self.masks: dict[tuple[int, Edge], NDArray[np.bool_]] = {}
        self.steps = 0
        self._routed: Way = {}

    def issue(self, step: int, cycle: int, unit: Unit, instruction: str) -> None:
        at = STEP * step + cycle
        issues = self.issues.setdefault(unit, {})
        assert at not in issues, f"{unit} already issues {issues[at]!r} in cycle {at}"
        issues[at] = instruction
        self.steps = max(self.steps, step + 1)

    def route(self, step: int, *ways: Way) -> None:
        """From this step on, these ways and no others."""
        switches: Way = {square: {} for square in self._routed}
        for way in ways:
            for square, names in way.items():
                switches.setdefault(square, {}).update(names)
        for square, names in switches.items():
            if names != self._routed.get(square):
                fields = ", ".join(f"{name}={pattern}" for name, pattern in names.items())
                self.issue(step, 0, tile(square), f"MESH {fields}")
        self._routed = switches

    def send(self, step: int, ilp: str, codes: Codes) -> None:
        """One vector of an ILP."""
        self.vectors.setdefault(pad(ilp), []).append(codes)
        self.issue(step, 18, pad(ilp), "PULSE fire, advance=1")

    def count(self, step: int, *olps: str) -> None:
        """The next result of these OLPs."""
        for olp in olps:
            self.issue(step, 14, pad(olp), "COUNT open")
            self.issue(step, 284, pad(olp), "COUNT store")

    def integrate(self, step: int, square: Square, controls: str = "wp1, capacitors=5", precharge: bool = True) -> None:
        """Row pulses move charge, from the precharge level or on top of what is there."""
        if precharge:
            self.issue(step, 2, tile(square), f"ARRAY precharge, {controls}")
            self.issue(step, 14, tile(square), f"ARRAY {controls}")
        self.issue(step, 16, tile(square), f"ARRAY integrate, {controls}")
        self.issue(step, 280, tile(square), f"ARRAY {controls}")

    def read(
        self, step: int, square: Square, scale: int = 6, zero: int = 128, window: tuple[int, int] = (0, 255)
    ) -> None:
        """Ramp: a column pulses for ``zero + (weight x ns) / (capacitors x scale)`` cycles, as far as `window` lets it.

        On one capacitor, a weight of 1 read for 1 ns is 25 uS * 0.3 V * 1 ns / 320 / 50 fF = 0.46875 mV, and a slope of
        17 climbs just that in a cycle. The ramp starts at 0.75 V less `zero` cycles.
        """
        below = 12 * scale * zero
        assert below % 128 == 0, "the ramp's start is not a multiple of 5 mV"
        ramp = f"READOUT ramp, ramp_start={150 - below // 128}, ramp_slope={17 * scale}"
        self.issue(step, 10, tile(square), ramp)
        self.issue(step, 18 + window[0], tile(square), f"{ramp}, output_enable")
        self.issue(step, 18 + window[1], tile(square), "READOUT")

    def write(self, step: int, square: Square, controls: str) -> None:
        """One device of a row, in all columns that pulse."""
        self.issue(step, 16, tile(square), f"WRITE write, {controls}")
        self.issue(step, 280, tile(square), "WRITE")

    def listing(self, unit: Unit) -> str:
        """The unit's assembly."""
        lines = [f"@{cycle} {text}" for cycle, text in sorted(self.issues[unit].items())]
        return "\n".join([*lines, "HALT"])

    def experiment(self, analog: AnalogConfig | None = None, name: str | None = None, seed: int = 0) -> Experiment:
        return Experiment(
            CHIP,
            units={unit: assemble(self.listing(unit), unit.kind, CHIP, str(unit)) for unit in self.issues},
            masks=self.masks,
            vectors={unit.index: np.array(codes, np.uint8) for unit, codes in self.vectors.items()},
            weights=self.weights,
            analog=analog or AnalogConfig.ideal(),
            seed=seed,
            cycles=STEP * self.steps + 10,
            name=name or self.name,
        )


def panels(captions: Mapping[int, str], cycle: int = 21) -> dict[int, str]:
    """Captions of steps as captions of the cycles in which their pulses have just begun."""
    return {STEP * step + cycle: text for step, text in captions.items()}


# ---- numbers


def random_codes(random: np.random.Generator, *shape: int, top: int = 255, unit: int = 1) -> Codes:
    """Durations 0 to `top` in multiples of `unit` (the golden model stops at every edge: few edges, little time)."""
    return unit * random.integers(0, top // unit + 1, (*shape, LANES))


def random_weights(random: np.random.Generator) -> Codes:
    """Weights of 512 rows in 1/64, (lanes, lanes) integers."""
    return random.integers(-64, 65, (LANES, LANES))


def rows(weights: Codes, bias: Codes | None = None) -> NDArray[np.float64]:
    """Weights in 1/64 as targets of a pair of devices, bias rows last."""
    target = np.zeros((CHIP.total_rows, LANES))
    target[:LANES] = weights / 64
    if bias is not None:
        target[LANES:] = bias / 64
    return target


def code(dot: Codes, divisor: int, zero: int = 128, window: tuple[int, int] = (0, 255)) -> Codes:
    """What `Script.read` makes of a dot product with weights in 1/64: rounded half up, cut off by the window."""
    denominator = 64 * divisor
    pulse = zero + (2 * dot + denominator) // (2 * denominator)
    return np.clip(pulse, *window) - window[0]
