"""A frame that fills the full chip: five vectors at once to 33 tiles, 16 joined pairs and one alone, 17 outputs.

Seven steps of 300 cycles: four integrations (WP1 and WP2, both signs), three readouts.
"""

from collections.abc import Mapping

import numpy as np

from analog_models.programming import WeightTargets
from cosim.compiler.router import Connection, Router, switches
from cosim.fabric.checker import check
from cosim.fabric.mesh_graph import Lanes, Place
from cosim.isa.assembler import assemble
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import InputSlot, OutputSlot, Program, Unit
from rtl.config import ChipConfig, Edge, preset

__all__ = ["full_frame"]

#: Rows and columns of the squares that each ILP sends to.
_BLOCKS = (
    ((0, 1), (0, 1, 2)),
    ((0, 1), (3, 4, 5)),
    ((2, 3), (0, 1, 2)),
    ((2, 3), (3, 4, 5)),
    ((4, 5), (0, 1, 2, 3, 4, 5)),
)
#: Stays empty: the tile below it is the one without a partner.
_EMPTY = (2, 3)
_STEP, _FIRST_READOUT, _PERIOD, _PAD_LEAD = 300, 1200, 2100, 10


def full_frame(config: ChipConfig | None = None) -> Program:
    """The program, for the full chip or one with its floorplan and other lanes."""
    config = config or preset()
    index = config.floorplan.tile_index
    blocks = [
        [(r, c) for r in rows for c in columns if (r, c) in index and (r, c) != _EMPTY] for rows, columns in _BLOCKS
    ]
    used = [square for block in blocks for square in block]
    router = Router(config)
    masks: dict[tuple[int, Edge], Lanes] = {}
    sent = [
        Connection(Place("ilp", ilp), tuple(Place("rows", index[square]) for square in block))
        for ilp, block in enumerate(blocks)
    ]
    read = [_readers(index, used, slot) for slot in range(3)]
    meshes = {0: switches(router.route(sent), config.lanes, masks)}
    for slot, readers in enumerate(read):
        ways = [Connection(Place("outputs", tile), (router.mesh.olp(olp),)) for olp, tile in readers.items()]
        meshes[_FIRST_READOUT + slot * _STEP] = switches(router.route(ways), config.lanes, masks)
    frames = min(config.ilp_vectors // 4, config.olp_vectors // 3)
    loop = f"@{_PERIOD - 1} LOOP frame, count={frames}\nHALT"

    units = {}
    for square, tile in index.items():
        slots = [slot for slot, readers in enumerate(read) if tile in readers.values()]
        lines = [f"@{cycle} {_mesh(settings.get(tile, {}))}" for cycle, settings in meshes.items()]
        lines += _array(square, used) if square in used else []
        lines += [line for slot in slots for line in _readout(_FIRST_READOUT + slot * _STEP)]
        lines.sort(key=lambda line: int(line[1:].split()[0]))
        units[Unit(TILE, tile)] = assemble("\n".join(["frame:", *lines, loop]), TILE, config, f"TILE {tile}")
    for ilp in range(len(blocks)):
        fires = [f"@{step * _STEP + 20 - _PAD_LEAD} PULSE fire, advance=1" for step in range(4)]
        text = "\n".join([f"PULSE load_pointer, wait={_PAD_LEAD - 1}", "frame:", *fires, loop])
        units[Unit(ILP, ilp)] = assemble(text, ILP, config, f"ILP {ilp}")
    outputs = []
    for olp in range(config.domain_count):
        slots = [slot for slot, readers in enumerate(read) if olp in readers]
        counts = [
            f"@{_FIRST_READOUT + slot * _STEP + cycle - _PAD_LEAD} COUNT {what}"
            for slot in slots
            for cycle, what in ((6, "open"), (292, "store"))
        ]
        text = "\n".join([f"COUNT load_pointer, wait={_PAD_LEAD - 1}", "frame:", *counts, loop])
        units[Unit(OLP, olp)] = assemble(text, OLP, config, f"OLP {olp}")
        outputs += [
            OutputSlot(f"tile{read[slot][olp]}", layer=0, olp=olp, slot=n, stride=len(slots), width=config.lanes)
            for n, slot in enumerate(slots)
        ]
    random = np.random.default_rng(1)
    program = Program(
        config=config,
        frame_cycles=_PERIOD,
        frames_per_run=frames,
        units=units,
        inputs=tuple(
            InputSlot(ilp, slot, 4, slice=ilp, first=ilp * config.lanes, count=config.lanes, sign=1 - 2 * (slot % 2))
            for ilp in range(len(blocks))
            for slot in range(4)
        ),
        outputs=tuple(outputs),
        origins={unit: _PAD_LEAD for unit in units if unit.kind is not TILE},
        targets={index[square]: _weights(config, random) for square in used},
        masks=masks,
    )
    check(program)
    return program


def _readers(index: Mapping[tuple[int, int], int], used: list[tuple[int, int]], slot: int) -> dict[int, int]:
    """Tile that each OLP hears in a readout: one of its own row."""
    squares = [(row, column) for row in (1, 3, 5) for column in (slot, 5 - slot)]
    return {olp: index[square] for olp, square in enumerate(squares) if square in used}


def _mesh(fields: Mapping[str, int]) -> str:
    return "MESH " + ", ".join(f"{name}={value}" for name, value in fields.items())


def _array(square: tuple[int, int], used: list[tuple[int, int]]) -> list[str]:
    row, column = square
    hold = "capacitors=5"
    if (row ^ 1, column) in used:
        hold += ", share_north" if row % 2 else ", share_south"
    lines = [f"@2 ARRAY {hold}, precharge", f"@14 ARRAY {hold}"]
    for step, pair in enumerate(("wp1", "wp1, discharge", "wp2, discharge", "wp2")):
        lines += [
            f"@{step * _STEP + 18} ARRAY {hold}, {pair}, integrate",
            f"@{step * _STEP + 279} ARRAY {hold}, {pair}",
        ]
    return lines


def _readout(start: int) -> list[str]:
    ramp = "READOUT ramp, ramp_start=60, ramp_slope=128"
    return [f"@{start + 4} {ramp}", f"@{start + 12} {ramp}, output_enable", f"@{start + 267} READOUT"]


def _weights(config: ChipConfig, random: np.random.Generator) -> WeightTargets:
    weights = np.zeros((config.total_rows, config.lanes))
    weights[: config.lanes] = np.clip(random.normal(0, 0.2, (config.lanes, config.lanes)), -1, 1)
    return WeightTargets.balanced(weights)
