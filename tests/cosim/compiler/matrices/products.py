"""Products of matrices on the chips of a layout: weights put into the tiles, inputs into the entries, outputs back."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.programming import program
from cosim.compiler.matrices.layout import Layout
from cosim.engines.rtl import RtlEngine
from cosim.engines.twin import TwinEngine

Arrays = Mapping[str, NDArray]


def block_weights(layout: Layout, matrices: Arrays) -> dict[str, NDArray]:
    """Of every block, with copies one below the other."""
    tall = {name: np.tile(matrices[name], (layout.copies.get(name, 1), 1)) for name in layout.blocks_of}
    return {
        block.name: tall[block.matrix][slice(*block.rows), slice(*block.columns)] for block in layout.blocks.values()
    }


def chips(layout: Layout, matrices: Arrays, analog: AnalogConfig) -> list[AnalogChip]:
    """The analog part of all chips, programmed."""
    weights, config = block_weights(layout, matrices), layout.config
    made = []
    for number in range(len(layout.images)):
        targets = layout.targets(number, weights)
        chip = AnalogChip(
            analog,
            tiles=tuple(targets),
            pairs=dict(config.floorplan.capacitor_pairs()),
            rows=config.lanes,
            bias_rows=config.bias_rows,
            columns=config.lanes,
            seed=1,
            chip=number,
        )
        program(chip, targets)
        made.append(chip)
    return made


def block_codes(
    layout: Layout, engine: TwinEngine | RtlEngine, analog_chips: list[AnalogChip], inputs: Mapping[str, NDArray]
) -> dict[tuple[tuple[str, ...], str], NDArray]:
    """Codes (frames, columns) of every block in every wave, from the signed codes (frames, rows) of every matrix."""
    found = {}
    for chip, image in enumerate(layout.images):
        with engine.open(image, analog_chips[chip]) as session:
            for wave, calls in layout.calls.items():
                for call in (call for call in calls if call.chip == chip):
                    count = len(next(iter(inputs.values())))
                    codes = np.zeros((count, image.entry(call.entry).input_width), np.int16)
                    for one in call.inputs:
                        tall = np.tile(inputs[one.matrix], layout.copies.get(one.matrix, 1))
                        codes[:, one.at : one.at + one.rows[1] - one.rows[0]] = tall[:, slice(*one.rows)]
                    outputs = session.run(call.entry, codes, np.arange(count))
                    for heard in call.outputs:
                        lanes = heard.lanes(layout.blocks[heard.block].shape[1])
                        found[wave, heard.block] = outputs[heard.output][:, lanes]
    return found
