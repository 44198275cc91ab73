"""A network on chips, before any chip is made: graphs, layout, scales, and the frames that will calibrate."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.calibration.coding import Coding, expanded
from cosim.calibration.readouts import Scale
from cosim.compiler.matrices.frames import Readout
from cosim.compiler.matrices.layout import Layout
from cosim.files.chip_config import config_to_json
from cosim.files.digest import digest, digest_of
from cosim.files.json_text import to_json
from cosim.system.network import Network

__all__ = ["SystemImage", "scale_of"]


@dataclass(frozen=True, eq=False)
class SystemImage:
    """What `duramesh compile` makes.

    Parameters
    ----------
    network : Network
    layout : Layout
    codings : mapping of matrix to Coding
        Of those that are on chips.
    samples : mapping of node to (frames, inputs) float32
        Inputs on which chips are calibrated, of nodes whose matrix is on a chip.
    """

    network: Network
    layout: Layout
    codings: Mapping[str, Coding]
    samples: Mapping[str, NDArray[np.float32]]

    @cached_property
    def digest(self) -> str:
        """Of everything that codes depend on."""
        matrices = self.network.matrices
        meta = {"layout": self.layout.to_json(), "requests": self.network.requests}
        parts: list[str | bytes] = [to_json(meta, sort_keys=True), to_json(config_to_json(self.layout.config))]
        for name, coding in sorted(self.codings.items()):
            header, arrays = coding.to_parts()
            parts += [name, to_json(header), digest_of(matrices[name].weights, *arrays.values())]
        parts += [f"{node} {digest_of(x)}" for node, x in sorted(self.samples.items())]
        return digest(parts)

    @cached_property
    def weights(self) -> Mapping[str, NDArray[np.float32]]:
        """Of every matrix that is on a chip, (rows, columns) as they are there but for scales."""
        matrices = self.network.matrices
        return {name: expanded(matrices[name].weights, coding.expansion) for name, coding in self.codings.items()}

    def programmed(self, block: str) -> NDArray[np.float64]:
        """Target weights of a block, (rows, columns) within [-1, 1]."""
        what = self.layout.blocks[block]
        return self.codings[what.matrix].weights(what, self.weights[what.matrix])

    def scale(self, block: str, analog: AnalogConfig) -> Scale:
        """What a block's readout can tell."""
        return scale_of(self.layout, block, analog)

    def readouts(self, analog: AnalogConfig) -> dict[str, Readout]:
        """Of every block, for constants of the analog part, and the age that they have."""
        return {
            name: self.scale(name, analog).readout(self.codings[block.matrix].full_scale[name])
            for name, block in self.layout.blocks.items()
        }


def scale_of(layout: Layout, block: str, analog: AnalogConfig) -> Scale:
    """What the readout of a block of a layout can tell."""
    return Scale(layout.blocks[block], len(layout.seats[block].tiles), layout.timing.duration, analog)
