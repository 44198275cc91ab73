"""A first guess of which tile is which: tiles that hear the same near each other, and near a landing pad.

Simulated annealing over the half-perimeters of what each vector must reach, as circuits are placed before they are
routed (Betz and Rose, VPR, FPL 1997). No way is sought here, so that thousands of changes are tried in a second.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import exp
from random import Random

from cosim.compiler.matrices.demand import Demand
from rtl.config import ChipConfig

__all__ = ["exchanged", "near", "units_of"]

#: Changes for each unit, the temperatures between which it cools, and what a vector that is sent alone counts.
_CHANGES, _HOT, _COLD, _ALONE = 150, 4.0, 0.1, 0.2


def units_of(config: ChipConfig) -> list[tuple[int, ...]]:
    """What may change places: vertical pairs, and tiles without a partner."""
    pairs = dict(config.floorplan.capacitor_pairs())
    single = set(range(config.tile_count)) - set(pairs) - set(pairs.values())
    return [*pairs.items(), *((tile,) for tile in sorted(single))]


def exchanged(at: Mapping[int, int], one: tuple[int, ...], other: tuple[int, ...]) -> dict[int, int] | None:
    """Places after two units have changed theirs, or one with itself: the tiles of a pair. None if they cannot."""
    if len(one) != len(other) or (one == other and len(one) == 1):
        return None
    changed = dict(at)
    for mine, theirs in zip(one, other[::-1] if one == other else other, strict=True):
        changed[mine], changed[theirs] = at[theirs], at[mine]
    return changed


def near(config: ChipConfig, groups: Sequence[Demand], random: Random) -> dict[int, int]:
    """Tiles of the chip by packed tile."""
    units = units_of(config)
    nets = [(tiles, 1.0 if len(group.streams) > 1 else _ALONE) for group in groups for _, tiles in group.streams]
    of_tile: dict[int, list[int]] = defaultdict(list)
    for number, (tiles, _) in enumerate(nets):
        for tile in tiles:
            of_tile[tile].append(number)
    squares, pads = config.floorplan.tiles, [site.square for site in config.floorplan.ilp_sites]

    def length(number: int, at: Mapping[int, int]) -> float:
        tiles, weight = nets[number]
        rows, columns = zip(*(squares[at[tile]] for tile in tiles), strict=True)
        low, high, left, right = min(rows), max(rows), min(columns), max(columns)
        apart = min(max(low - r, 0, r - high) + max(left - c, 0, c - right) for r, c in pads)
        return weight * (high - low + right - left + apart)

    at = {tile: tile for unit in units for tile in unit}
    lengths = [length(number, at) for number in range(len(nets))]
    changes = _CHANGES * len(units)
    for step in range(changes):
        temperature = _HOT * (_COLD / _HOT) ** (step / changes)
        one, other = random.choice(units), random.choice(units)
        changed = exchanged(at, one, other)
        moved = sorted({number for tile in (*one, *other) for number in of_tile[tile]})
        if changed is None or not moved:
            continue
        new = [length(number, changed) for number in moved]
        gain = sum(lengths[number] for number in moved) - sum(new)
        if gain >= 0 or random.random() < exp(gain / temperature):
            at = changed
            for number, value in zip(moved, new, strict=True):
                lengths[number] = value
    return at
