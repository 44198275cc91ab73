"""What the mapping takes of each chip, beside what the paper says of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from cosim.compiler.matrices import Layout
from cosim.workloads.rnnt.mapping import PAPER, FirstLayer, matrix_shapes

__all__ = ["ChipFigures", "MappingReport", "figures_of"]

_CHIPS = ("Enc-LSTM0", "Enc-LSTM1", "Enc-LSTM2", "Enc-LSTM3, 4, Enc-FC", "Dec")
#: Nature 620, 768 (2023): tiles, Fig. 4 and Methods; output steps, Fig. 4f; ns a frame, Methods (7 or 5 steps of 300).
_TILES, _SLOTS, _NS = (32, 32, 32, 33, 13), (3, 3, 3, 3, 1), (2100, 2100, 2100, 2100, 1500)
#: Weights in analog memory, Methods.
_WEIGHTS = 45_261_568


@dataclass(frozen=True)
class ChipFigures:
    """One chip.

    Parameters
    ----------
    tiles : int
        That hold weights.
    pairs : int
        Of tiles that share their capacitors.
    weights : int
        On the chip, copies counted.
    devices : int
        That hold them.
    inputs, outputs : int
        Vectors that its landing pads send at once, and take in.
    slots : int
        Steps of readout.
    frame_ns : int
        From the program.
    """

    tiles: int
    pairs: int
    weights: int
    devices: int
    inputs: int
    outputs: int
    slots: int
    frame_ns: int


def figures_of(layout: Layout) -> list[ChipFigures]:
    """Of every chip, from its blocks and its programs."""
    found = []
    for chip, programs in enumerate(layout.programs):
        blocks = layout.blocks_on(chip)
        frames = layout.frames[chip]
        found.append(
            ChipFigures(
                tiles=len({part.tile for block in blocks for part in layout.parts(block.name)}),
                pairs=len(layout.joined(chip)),
                weights=sum(block.shape[0] * block.shape[1] for block in blocks),
                devices=sum(2 * block.mode.gain * block.shape[0] * block.shape[1] for block in blocks),
                inputs=max(len(frame.streams) for frame in frames.values()),
                outputs=max(len(program.outputs) for program in programs.values()),
                slots=max(frame.readout_steps for frame in frames.values()),
                frame_ns=max(program.frame_cycles for program in programs.values()),
            )
        )
    return found


@dataclass(frozen=True)
class MappingReport:
    """What `duramesh rnnt map` says.

    Parameters
    ----------
    layout : Layout
        The paper's.
    first : FirstLayer
    """

    layout: Layout
    first: FirstLayer

    @property
    def chips(self) -> Sequence[ChipFigures]:
        return figures_of(self.layout)

    def to_json(self) -> dict[str, Any]:
        """Every figure, and the paper's."""
        chips = self.chips
        return {
            "first_layer": self.first.value,
            "first_layer_rows": self.first.copies * matrix_shapes(PAPER, self.first)["pre/lstm0/input"][0],
            "chips": [asdict(chip) for chip in chips],
            "tiles": sum(chip.tiles for chip in chips),
            "mapped_weights": PAPER.mapped_weights,
            "devices": self.layout.devices,
            "devices_per_weight": self.layout.devices / PAPER.mapped_weights,
            "paper": {
                "tiles": list(_TILES),
                "slots": list(_SLOTS),
                "frame_ns": list(_NS),
                "mapped_weights": _WEIGHTS,
            },
        }

    def print(self, console: Console) -> None:
        """As a table, for people."""
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("chip")
        names = ("tiles", "paper", "pairs", "weights", "devices", "in", "out", "slots", "paper", "frame ns", "paper")
        for name in names:
            table.add_column(name, justify="right")
        for name, chip, tiles, slots, ns in zip(_CHIPS, self.chips, _TILES, _SLOTS, _NS, strict=True):
            cells = (chip.tiles, tiles, chip.pairs, f"{chip.weights:,}", f"{chip.devices:,}", chip.inputs, chip.outputs)
            table.add_row(name, *map(str, (*cells, chip.slots, slots, f"{chip.frame_ns:,}", f"{ns:,}")))
        console.print(table)
        whole = self.to_json()
        console.print(
            f"{whole['tiles']} tiles (paper {sum(_TILES)}), {PAPER.mapped_weights:,} weights of the network (paper "
            f"{_WEIGHTS:,}) in {whole['devices']:,} devices, {whole['devices_per_weight']:.2f} for each; Enc-LSTM0 "
            f"hears {whole['first_layer_rows']} rows",
            soft_wrap=True,
        )
