"""Vectors on the mesh: passed and blocked, multicast, merged, past one another, in to rows, out from columns."""

import numpy as np

from analog_models.programming import WeightTargets
from rtl.config import Edge, Square
from tests.directed.script import (
    CHIP,
    LANES,
    PATTERNS,
    PLAN,
    Case,
    Script,
    Way,
    along,
    code,
    panels,
    random_codes,
    random_weights,
    rows,
    tile,
)

#: The tile that passes and blocks, and ways that lead each of its edges to a landing pad.
CROSSING = (1, 1)
INTO: dict[str, tuple[str, Way]] = {
    "north": ("ILP NW", along("ILP NW", (0, 0), (0, 1), CROSSING)),
    "east": ("ILP CE", along("ILP CE", (2, 5), (2, 4), (1, 4), (1, 3), (1, 2), CROSSING)),
    "south": ("ILP CW", along("ILP CW", (2, 0), (2, 1), CROSSING)),
    "west": ("ILP NW", along("ILP NW", (0, 0), (1, 0), CROSSING)),
}
OUT_OF: dict[str, tuple[str, Way]] = {
    "north": ("NE", along(CROSSING, *[(0, column) for column in range(1, 6)], (1, 5), "OLP NE")),
    "east": ("CE", along(CROSSING, (1, 2), (1, 3), (1, 4), (2, 4), (3, 4), (3, 5), "OLP CE")),
    "south": ("CW", along(CROSSING, (2, 1), (3, 1), (3, 0), "OLP CW")),
    "west": ("NW", along(CROSSING, (1, 0), "OLP NW")),
}


def lanes_of(pattern: str, mask: np.ndarray) -> np.ndarray:
    """Lanes of a pattern, as docs/instruction-set.md lists them."""
    lane = np.arange(LANES)
    return {
        "none": lane < 0,
        "all": lane >= 0,
        "even": lane % 2 == 0,
        "odd": lane % 2 == 1,
        "low": lane < 256,
        "high": lane >= 256,
        "custom": mask,
    }[pattern]


def pass_and_block(at_entry: bool) -> Case:
    """A vector comes over each edge of a tile in turn and goes out over the other three; the switches of the entry, or
    of the exits, take every pattern: none, all, even, odd, low, high, custom.

    All six OLPs listen in every step: lanes of the pattern arrive as they were sent, what is blocked arrives nowhere,
    and nothing comes back over the edge of entry.
    """
    script = Script(f"pass and block at the {'entry' if at_entry else 'exits'}")
    random = np.random.default_rng(1 + at_entry)
    masks = {edge: random.random(LANES) < 0.5 for edge in Edge}
    script.masks = {(tile(CROSSING).index, edge): mask for edge, mask in masks.items()}
    expected: dict[str, list[np.ndarray]] = {domain: [] for domain in PLAN.domains}
    captions = {}
    step = 0
    for entry, (ilp, into) in INTO.items():
        exits = [edge for edge in OUT_OF if edge != entry]
        for number in range(len(PATTERNS)):
            came = PATTERNS[number] if at_entry else "all"
            left = {edge: "all" if at_entry else PATTERNS[(number + 2 * turn) % 7] for turn, edge in enumerate(exits)}
            here = {f"{entry}_to_net": came} | {f"net_to_{edge}": pattern for edge, pattern in left.items()}
            script.route(step, into, *(OUT_OF[edge][1] for edge in exits), {CROSSING: here})
            codes = random_codes(random, unit=15)
            script.send(step, ilp, codes)
            script.count(step, *(f"OLP {domain}" for domain in PLAN.domains))
            arrived = {OUT_OF[edge][0]: lanes_of(left[edge], masks[Edge(edge)]) for edge in exits}
            entered = lanes_of(came, masks[Edge(entry)])
            for domain, found in expected.items():
                found.append(codes * entered * arrived.get(domain, False))
            if number == list(INTO).index(entry) * (2 if at_entry else 1):
                text = came if at_entry else ", ".join(f"{edge} {pattern}" for edge, pattern in left.items())
                captions[step] = f"from the {entry}: {text}"
            step += 1
    results = {domain: np.array(found) for domain, found in expected.items()}
    return Case(script.experiment(), results, panels(captions))


def multicast() -> Case:
    """32 vectors, among them all zeros, all 255 and a staircase, from the ILP in the south-west to all six OLPs: every
    code arrives six times.
    """
    script = Script("multicast")
    trunk = [(4, column) for column in range(6)]
    script.route(
        0,
        along("ILP SW", *trunk),
        along((4, 0), (3, 0), (2, 0), (1, 0), "OLP NW"),
        along((3, 0), "OLP CW"),
        along((4, 0), (5, 0), "OLP SW"),
        along((4, 5), (3, 5), (2, 5), (1, 5), "OLP NE"),
        along((3, 5), "OLP CE"),
        along((4, 5), (5, 5), "OLP SE"),
    )
    random = np.random.default_rng(3)
    codes = random_codes(random, CHIP.ilp_vectors)
    codes[0], codes[1], codes[2] = 0, 255, np.arange(LANES) % 256
    for step, vector in enumerate(codes):
        script.send(step, "ILP SW", vector)
        script.count(step, *(f"OLP {domain}" for domain in PLAN.domains))
    return Case(script.experiment(), dict.fromkeys(PLAN.domains, codes), panels({1: "from ILP SW to all OLPs"}))


def into_rows_and_out_of_columns() -> Case:
    """A vector enters the rows of one tile past its net, and of the next one from the net; the columns answer to the
    north over the net, and to the south past it and over it.

    Each tile holds a permutation, so that a column repeats the pulse of one row: the codes come back in another order.
    """
    script = Script("in to row, out from col")
    random = np.random.default_rng(4)
    west, east = (4, 0), (4, 1)
    order = {square: random.permutation(LANES) for square in (west, east)}
    for square, permutation in order.items():
        permuted = np.zeros((LANES, LANES), int)
        permuted[permutation, np.arange(LANES)] = 64  # column j repeats the pulse of row permutation[j]
        script.weights[tile(square).index] = WeightTargets(wp1=rows(permuted))
    codes = random_codes(random)
    script.route(0, along("ILP SW", west, east, "rows"), {west: {"west_to_rows": "all"}})
    script.send(0, "ILP SW", codes)
    for square in (west, east):
        script.integrate(0, square, "wp1, capacitors=1")
    north = {west: along("columns", west, (3, 0), "OLP CW"), east: along("columns", east, (3, 1), (3, 0), "OLP CW")}
    south = {west: along("straight", west, (5, 0), "OLP SW"), east: along("straight", east, (5, 1), (5, 0), "OLP SW")}
    plan: list[tuple[dict[Square, Way], dict[Square, Way]]] = [(north, south), (south, north)]
    for step, (first, second) in enumerate(plan, start=1):
        script.route(step, first[west], second[east])
        for square in (west, east):
            script.read(step, square, scale=1, zero=0)
        script.count(step, "OLP CW", "OLP SW")
    script.route(3, along("columns", west, (5, 0), "OLP SW"))
    script.read(3, west, scale=1, zero=0)
    script.count(3, "OLP SW")
    left, right = codes[order[west]], codes[order[east]]
    captions = {
        0: "IN-to-row past the net, and from it",
        1: "OUT-from-col to the north and to the south",
        2: "the same, exchanged",
        3: "OUT-from-col to the south over the net",
    }
    return Case(
        script.experiment(), {"CW": np.array([left, right]), "SW": np.array([right, left, left])}, panels(captions)
    )


def into_columns() -> Case:
    """One vector of pulses goes onto the columns of a tile from the net, and of its northern neighbour past the net. It
    programs a row of both, which is then read.

    A pulse of w ns leaves a weight of 1.2 (1 - exp(-w / 400)) behind (the ideal device); a row pulse of 250 ns reads
    250 times that.
    """
    script = Script("in to col")
    lower, upper, row = (4, 0), (3, 0), 300
    codes = random_codes(np.random.default_rng(5))
    script.route(
        0, along("ILP SW", lower, "columns"), {lower: {"net_to_north": "all"}, upper: {"south_to_columns": "all"}}
    )
    script.send(0, "ILP SW", codes)
    for square in (lower, upper):
        script.write(0, square, f"row={row}, device=wp1_plus, return_line=150")
    script.route(1, along("ILP SW", lower, upper, "rows"), {lower: {"west_to_rows": "all"}})
    probe = np.zeros(LANES, int)
    probe[row] = 250
    script.send(1, "ILP SW", probe)
    for square in (lower, upper):
        script.integrate(1, square, "wp1, capacitors=1")
    script.route(2, along("columns", lower, (5, 0), "OLP SW"), along("columns", upper, "OLP CW"))
    for square in (lower, upper):
        script.read(2, square, scale=1, zero=0)
    script.count(2, "OLP SW", "OLP CW")
    # docs/physics.md: G moves by (g_set - G)(1 - exp(-width / tau)), kept in units of g_max / 2**18.
    weight = np.rint(30 / 25 * (1 - np.exp(-codes / 400)) * 2**18) / 2**18
    read = np.floor(250 * weight + 0.5).astype(int)
    captions = {0: "IN-to-col from the net, and past it", 1: "read the row", 2: "OUT-from-col"}
    return Case(script.experiment(), {"SW": read[None], "CW": read[None]}, panels(captions))


def pass_over() -> Case:
    """A vector enters the rows of a tile while another passes over it from north to south; then one leaves its columns
    while another passes over it from east to north. All four arrive unharmed.
    """
    script = Script("pass-over")
    here = (4, 0)
    random = np.random.default_rng(6)
    entering, southward, westward = random_codes(random, 3)
    order = random.permutation(LANES)
    permuted = np.zeros((LANES, LANES), int)
    permuted[order, np.arange(LANES)] = 64
    script.weights[tile(here).index] = WeightTargets(wp1=rows(permuted))
    script.route(0, {here: {"west_to_rows": "all"}}, along("ILP CW", (2, 0), (3, 0), here, (5, 0), "OLP SW"))
    script.send(0, "ILP SW", entering)
    script.send(0, "ILP CW", southward)
    script.integrate(0, here, "wp1, capacitors=1")
    script.count(0, "OLP SW")
    eastern = [(4, column) for column in range(5, 0, -1)]
    script.route(
        1,
        along("straight", here, (5, 0), "OLP SW"),
        along("ILP SE", *eastern, here, (3, 0), "OLP CW"),
    )
    script.send(1, "ILP SE", westward)
    script.read(1, here, scale=1, zero=0)
    script.count(1, "OLP SW", "OLP CW")
    captions = {0: "into the rows, and over the tile", 1: "out of the columns, and over the tile"}
    results = {"SW": np.array([southward, entering[order]]), "CW": westward[None]}
    return Case(script.experiment(), results, panels(captions))


def concatenation() -> Case:
    """Two tiles are read at once into one OLP: even lanes of one and odd lanes of the other, then one half of each."""
    script = Script("concatenation")
    upper, lower = (4, 0), (5, 0)
    random = np.random.default_rng(7)
    codes = random_codes(random)
    read = {}
    for square in (upper, lower):
        weights = random_weights(random)
        script.weights[tile(square).index] = WeightTargets(wp1=rows(weights))
        read[square] = code(codes @ weights, 5 * 6)
        script.integrate(0, square)
    script.route(0, along("ILP SW", upper, lower, "rows"), {upper: {"net_to_rows": "all"}})
    script.send(0, "ILP SW", codes)
    for step, (ours, theirs) in enumerate([("even", "odd"), ("low", "high")], start=1):
        script.route(
            step,
            {upper: {"columns_to_south": theirs}},
            {lower: {"north_to_net": theirs, "columns_to_net": ours, "net_to_west": "all"}},
        )
        for square in (upper, lower):
            script.read(step, square)
        script.count(step, "OLP SW")
    lane = np.arange(LANES)
    expected = [np.where(own, read[lower], read[upper]) for own in (lane % 2 == 0, lane < 256)]
    captions = {0: "one vector to two tiles", 1: "even and odd columns", 2: "halves"}
    return Case(script.experiment(), {"SW": np.array(expected)}, panels(captions))
